import { createClient } from "./uploadsvc.js";

const CONCURRENT_UPLOADS = 3;
const OBJECTS_PER_PAGE = 50;

const $ = (id) => document.getElementById(id);
const announce = (text) => ($("status").textContent = text);

function notice(text = "") {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

function fromTemplate(id, texts) {
  const element = $(id).content.firstElementChild.cloneNode(true);
  for (const [name, text] of Object.entries(texts)) element.querySelector(`.${name}`).textContent = text;
  return element;
}

function formatSize(bytes) {
  const power = bytes < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(bytes) / 3));
  const amount = (bytes / 1000 ** power).toLocaleString("en", { maximumFractionDigits: 1 });
  return `${amount} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

const timeParts = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const formatTime = new Intl.DateTimeFormat("en", timeParts).format;

// --- Users: each has a client of their own, so an upload goes on as the user who started it ---

const tokens = new Map();
const clients = new Map();

async function loadTokens() {
  const response = await fetch("/demo/users");
  if (!response.ok) throw new Error(`the service answered ${response.status}`);
  for (const { user, token } of (await response.json()).users) tokens.set(user, token);
}

function addUser(user) {
  const getToken = async ({ refresh }) => {
    if (refresh) await loadTokens();
    return tokens.get(user);
  };
  clients.set(user, createClient({ getToken }));
  const radio = Object.assign(document.createElement("input"), { type: "radio", name: "user", value: user });
  radio.addEventListener("change", () => showUser(user));
  const label = document.createElement("label");
  label.append(radio, user);
  $("users").append(label);
  return radio;
}

// --- Uploads: a few at a time, the others wait ---

const waiting = [];
let running = 0;

function addFiles(files) {
  if (!view.user) return;
  for (const file of files) waiting.push(uploadRow(file, view.user));
  startUploads();
}

function uploadRow(file, user) {
  const controller = new AbortController();
  const row = fromTemplate("upload-row", { name: file.name, size: formatSize(file.size), user });
  const progress = row.querySelector("progress");
  const button = row.querySelector("button");
  const show = (state, text = state, fraction = progress.value) => {
    row.dataset.state = state;
    row.querySelector(".state").textContent = text;
    progress.value = fraction;
  };
  const finish = (state, text = state) => {
    show(state, text);
    row.classList.add("finished");
    button.textContent = "Dismiss";
    button.setAttribute("aria-label", `Dismiss ${file.name}`);
    announce(`${file.name}: ${text}`);
  };
  button.addEventListener("click", () => {
    if (row.classList.contains("finished")) return removeRows([row]);
    controller.abort();
    finish("cancelled");
  });
  button.setAttribute("aria-label", `Cancel ${file.name}`);
  progress.setAttribute("aria-label", `Progress of ${file.name}`);
  Object.assign(row.dataset, { user, name: file.name });
  show("waiting");
  $("uploads").append(row);
  return { file, user, signal: controller.signal, show, finish };
}

function removeRows(rows) {
  for (const row of rows) row.remove();
  $("files").focus();
}

function startUploads() {
  while (running < CONCURRENT_UPLOADS && waiting.length) {
    const upload = waiting.shift();
    if (upload.signal.aborted) continue;
    running += 1;
    run(upload).finally(() => {
      running -= 1;
      startUploads();
    });
  }
}

async function run({ file, user, signal, show, finish }) {
  const onProgress = ({ loaded, total }) => {
    if (signal.aborted) return;
    if (loaded === total) return show("verifying", "verifying", 1);
    show("uploading", `uploading ${Math.floor((100 * loaded) / total)} %`, loaded / total);
  };
  show("uploading", "uploading 0 %");
  try {
    const { object } = await clients.get(user).upload(file, { signal, onProgress });
    finish("done");
    if (view.user === user) addObjects([object]);
  } catch (error) {
    if (!signal.aborted) finish("failed", `failed: ${error.message}`);
  }
}

// --- Objects: of one user at a time; an answer that arrives when the view has changed is dropped ---

let view = { user: null, objects: new Map(), cursor: null };

function showUser(user) {
  notice();
  if (user !== view.user) $("objects").replaceChildren();
  for (const place of document.querySelectorAll(".current-user")) place.textContent = user;
  view = { user, objects: new Map(), cursor: null };
  $("empty").hidden = true;
  return loadPage();
}

async function loadPage() {
  const mine = view;
  $("more").hidden = true;
  try {
    const client = clients.get(mine.user);
    const { objects, cursor } = await client.listObjects({ cursor: mine.cursor, limit: OBJECTS_PER_PAGE });
    if (mine !== view) return;
    view.cursor = cursor;
    addObjects(objects);
  } catch (error) {
    if (mine === view) notice(`The objects of ${mine.user} could not be listed: ${error.message}`);
  }
}

function addObjects(objects) {
  for (const object of objects) view.objects.set(object.key, { ...object, row: objectRow(object) });
  const newestFirst = [...view.objects.values()];
  newestFirst.sort((a, b) => new Date(b.last_modified) - new Date(a.last_modified));
  const focused = document.activeElement;
  $("objects").replaceChildren(...newestFirst.map(({ row }) => row));
  focused.focus({ preventScroll: true }); // moving a row takes the focus from its buttons
  showEnd();
}

function showEnd() {
  $("empty").hidden = view.objects.size > 0 || view.cursor !== null;
  $("more").hidden = view.cursor === null;
}

function objectRow({ key, size, last_modified }) {
  const time = formatTime(new Date(last_modified));
  const name = key.split("/").pop();
  const row = fromTemplate("object-row", { name, key, size: formatSize(size), time });
  row.dataset.key = key;
  Object.assign(row.querySelector("time"), { dateTime: last_modified, title: last_modified });
  const { user } = view;
  for (const [action, act] of Object.entries({ open: openObject, delete: deleteObject })) {
    const button = row.querySelector(`.${action}`);
    button.setAttribute("aria-label", `${button.textContent} ${name}`);
    button.addEventListener("click", () => {
      notice();
      act(user, key, row).catch((error) => notice(`Could not ${action} ${name}: ${error.message}`));
    });
  }
  return row;
}

async function openObject(user, key) {
  const tab = window.open("about:blank"); // within the click: later it would be blocked as a pop-up
  if (!tab) throw new Error("the browser blocked the new tab");
  tab.opener = null;
  try {
    const { url } = await clients.get(user).download(key, { disposition: "inline" });
    tab.location.replace(url);
  } catch (error) {
    tab.close();
    throw error;
  }
}

async function deleteObject(user, key, row) {
  await clients.get(user).deleteObject(key);
  announce(`${key.split("/").pop()}: deleted`);
  if (view.user !== user) return;
  if (row.contains(document.activeElement)) $("objects-heading").focus();
  row.remove();
  view.objects.delete(key);
  showEnd();
}

// --- The page ---

const carriesFiles = (event) => event.dataTransfer.types.includes("Files");

document.addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  $("drop").classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("drop").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  $("drop").classList.remove("over");
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  const files = items.filter((item) => !item.webkitGetAsEntry()?.isDirectory).map((item) => item.getAsFile());
  notice(files.length < items.length ? "Folders are left out: drop the files in them." : "");
  addFiles(files);
});
$("files").addEventListener("change", ({ target }) => {
  addFiles(target.files);
  target.value = ""; // so that the same file can be chosen again
});
$("clear").addEventListener("click", () => removeRows(document.querySelectorAll(".finished")));
$("more").addEventListener("click", loadPage);
$("refresh").addEventListener("click", () => showUser(view.user));
window.addEventListener("beforeunload", (event) => {
  if (running) event.preventDefault();
});

try {
  await loadTokens();
  const [radio] = [...tokens.keys()].map(addUser);
  radio.click();
  for (const id of ["files", "refresh"]) $(id).disabled = false;
} catch (error) {
  notice(`The demo users could not be loaded: ${error.message}. Reload the page to try again.`);
}
