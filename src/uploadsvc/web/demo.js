import { createClient } from "./uploadsvc.js";

const CONCURRENT_UPLOADS = 3;
const GONE = new Set(["not_found", "upload_expired"]);
const OBJECTS_PER_PAGE = 50;
const REFUSED = new Set([403, 413, 415, 422]); // by the policy: retrying is pointless
const CHECKSUMS = ["crc32", "sha256"]; // the module computes these; the cheaper comes first
const MAX_EVENTS = 50;
const IDLE = 3; // seconds without a byte sent after which no rate is shown

const $ = (id) => document.getElementById(id);

function notice(text = "") {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

function fromTemplate(id, texts) {
  const element = $(id).content.firstElementChild.cloneNode(true);
  for (const [name, text] of Object.entries(texts)) element.querySelector(`.${name}`).textContent = text;
  return element;
}

/** Returns what reads messages out by a screen reader. Those of the same half second are read out as one. */
function announcer(id, what) {
  const messages = [];
  return (text) => {
    if (messages.push(text) > 1) return;
    setTimeout(() => {
      const count = messages.length;
      const shown = messages.splice(0).slice(-3).join(". ");
      $(id).textContent = count > 3 ? `${count} ${what}, the latest: ${shown}` : shown;
    }, 500);
  };
}

const announce = announcer("status", "changes");
const announceEvent = announcer("heard", "events");

// --- Formatting ---

/** Formats a size in binary units, as policies have their limits. */
function formatSize(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let power = 0;
  while (power < 4 && bytes / 1024 ** power >= 1024) power += 1;
  const amount = (bytes / 1024 ** power).toLocaleString("en", { maximumFractionDigits: 1 });
  return `${amount} ${units[power]}`;
}

/** Formats the size of a file that is too large or too small; in bytes if it looks like a limit. */
function formatExactly(bytes, limits) {
  const text = formatSize(bytes);
  return limits.some((limit) => formatSize(limit) === text) ? `${bytes.toLocaleString("en")} bytes` : text;
}

function formatDuration(seconds) {
  const whole = Math.max(1, Math.ceil(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.ceil(whole / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Formats progress, rate and remaining time; the last two only when known. */
function figures({ loaded, total, rate, remaining, idle = 0 }) {
  const parts = [`${formatSize(loaded)} of ${formatSize(total)}`];
  if (idle >= IDLE) {
    const since = formatDuration(Math.floor(idle));
    // The last byte counts only once S3 has answered.
    return `${parts[0]} · ${loaded < total - 1 ? "S3 has taken nothing" : "all sent, no answer from S3"} for ${since}`;
  }
  if (rate > 0) parts.push(`${formatSize(rate)}/s`);
  if (rate > 0 && Number.isFinite(remaining)) parts.push(`${formatDuration(remaining)} left`);
  return parts.join(" · ");
}

const timeParts = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const formatTime = new Intl.DateTimeFormat("en", timeParts).format;
const formatSecond = new Intl.DateTimeFormat("en", { ...timeParts, second: "2-digit" }).format;

// --- Users: each has a client, so that an upload continues as the user who started it ---

/** URL of the service, which may be mounted under a path of another app. */
const baseUrl = new URL("..", import.meta.url).href;
const tokens = new Map();
const clients = new Map();

async function loadTokens() {
  const response = await fetch(`${baseUrl}demo/users`);
  if (!response.ok) throw new Error(`the service answered ${response.status}`);
  for (const { user, token } of (await response.json()).users) tokens.set(user, token);
}

function addUser(user) {
  const getToken = async ({ refresh }) => {
    if (refresh) await loadTokens();
    return tokens.get(user);
  };
  clients.set(user, createClient({ baseUrl, getToken, scope: user, maxUploads: CONCURRENT_UPLOADS }));
  const radio = Object.assign(document.createElement("input"), { type: "radio", name: "user", value: user });
  radio.addEventListener("change", () => showUser(user));
  const label = document.createElement("label");
  label.append(radio, user);
  $("users").append(label);
  return radio;
}

function showUser(user) {
  notice();
  if (user !== view.user) $("objects").replaceChildren();
  for (const place of document.querySelectorAll(".current-user")) place.textContent = user;
  view = { user, objects: new Map(), cursor: null };
  view.ready = loadPolicies();
  $("empty").hidden = true;
  showUnfinished();
  loadPage();
  followEvents();
}

// --- Policies: shown before files are chosen ---

let policies = [];
const policyNamed = (name) => policies.find((policy) => policy.name === name);

async function loadPolicies() {
  const { user } = view;
  try {
    const listed = await clients.get(user).listPolicies();
    if (view.user !== user) return;
    const { value } = $("policy");
    policies = listed;
    $("policy").replaceChildren(...policies.map(({ name }) => new Option(name)));
    $("policy").value = (policyNamed(value) ?? policyNamed("default") ?? policies[0])?.name;
    showPolicy();
  } catch (error) {
    if (view.user === user) notice(`Could not load the upload policies of ${user}: ${error.message}`);
  }
}

function showPolicy() {
  const policy = policyNamed($("policy").value);
  if (!policy) return;
  $("policy-choice").hidden = policies.length < 2;
  $("limits").textContent = `${typesOf(policy)}, ${sizesOf(policy)}`;
  $("files").accept = allTypes(policy) ? "" : policy.content_types.join(",");
  const possible = policy.checksum !== "off" && checksumFor(policy);
  $("checksum").disabled = !possible || policy.checksum === "required";
  if ($("checksum").disabled) $("checksum").checked = policy.checksum === "required";
}

const allTypes = (policy) => policy.content_types.includes("*/*");
const sizesOf = ({ min_size, max_size }) =>
  min_size > 0 ? `${formatSize(min_size)} to ${formatSize(max_size)}` : `up to ${formatSize(max_size)}`;

/** Tells whether a browser runs such a file: HTML, SVG, XML or JavaScript. No wildcard of a policy allows it. */
const isActive = (type) => /\+xml$|^text\/(html|xml|xsl|rdf)$|\/xml$|(java|ecma|j|live|vb)script/.test(type);

function typesOf(policy) {
  if (!allTypes(policy)) return policy.content_types.join(", ");
  const named = policy.content_types.filter(isActive);
  return `Any type except HTML, SVG, XML and JavaScript${named.length ? ` (but ${named.join(", ")})` : ""}`;
}
const checksumFor = (policy) => CHECKSUMS.find((algorithm) => policy.checksum_algorithms.includes(algorithm));

/** Returns why a policy refuses a file, as far as the page can tell, or null. The service decides. */
function refusal(policy, { type, size }) {
  const { name, min_size, max_size, content_types } = policy;
  if (size > max_size || size < min_size) {
    const exact = formatExactly(size, [min_size, max_size]);
    return `it is ${exact}, and policy “${name}” allows ${sizesOf(policy)}`;
  }
  if (!type || content_types.includes(type)) return null;
  if (isActive(type)) {
    return `it is ${type}. Browsers run HTML, SVG, XML and JavaScript, so policy “${name}” must name such a type exactly`;
  }
  // Formats have several names, and the service decides which it accepts: refuse only other kinds.
  const kinds = new Set(["application", "*", ...content_types.map((pattern) => pattern.split("/")[0])]);
  const sameKind = allTypes(policy) || content_types.some((pattern) => pattern.startsWith("application/"));
  if (sameKind || kinds.has(type.split("/")[0])) return null;
  return `it is ${type}, and policy “${name}” allows ${content_types.join(", ")}`;
}

// --- Uploads: the module runs a few at a time and queues the others ---

const uploads = [];
const STATES = {
  queued: "waiting",
  hashing: "computing the checksum",
  creating: "starting",
  completing: "verifying",
  stored: "done",
  cancelled: "cancelled",
};
const over = ({ state }) => state === "stored" || state === "failed" || state === "cancelled";
const active = (item) => !over(item) && item.state !== "paused";

/** Tells whether a policy keeps folders: in keys that the page chooses, or in those that the service makes. */
const keepsFolders = (policy) => Boolean(policy?.client_keys || policy?.keeps_folders);

/** Adds files. `path` is the place of a file in a folder, or empty. */
async function addFiles(list) {
  const [files, { user, ready }] = [[...list], view];
  await ready;
  if (files.some(({ path }) => path) && !keepsFolders(policyNamed($("policy").value))) {
    notice(`Policy “${$("policy").value}” chooses keys itself: the files are uploaded, their folders are not kept.`);
  }
  for (const { file, path } of files) {
    const offer = offers.find((each) => isSameFile(each, file) && isSamePlace(each, path));
    const place = offer ? offer.path : path;
    const policy = policyNamed(offer ? offer.policy : $("policy").value);
    const checksum = offer ? offer.checksum : $("checksum").checked ? checksumFor(policy) : null;
    const relativeKey = offer ? offer.relative_key : path && policy?.client_keys ? keyOf(path) : null;
    const name = relativeKey ?? (place && keepsFolders(policy) ? keyOf(place) : file.name);
    const item = { file, name, user, policy, checksum, relativeKey, place, task: null };
    Object.assign(item, { mayRetry: false, state: "queued", note: "" });
    Object.assign(item, { loaded: 0, total: file.size, rate: null, remaining: null, idle: 0 });
    item.row = uploadRow(item);
    uploads.push(item);
    $("uploads").append(item.row);
    const reason = policy && refusal(policy, file);
    if (reason) finish(item, "failed", reason);
    else start(item);
  }
}

async function start(item) {
  const update = (changes) => {
    Object.assign(item, changes);
    render(item);
    renderOverall();
  };
  const options = {
    policy: item.policy?.name,
    checksum: item.checksum,
    ...(item.relativeKey && { relative_key: item.relativeKey }),
    ...(item.place && { filename: item.place }),
    onProgress: (progress) => update({ ...progress, note: "" }),
    onRetry: ({ error }) => update({ note: `trying again: ${error.message}`, rate: null }),
    onState: (state) => over({ state }) || update({ state, note: "", rate: null }), // `finish` reports the end
  };
  update({ state: "queued", note: "" });
  item.task = clients.get(item.user).upload(item.file, options);
  showUnfinished();
  try {
    const { object } = await item.task;
    finish(item, "stored");
    if (view.user === item.user) addObjects([object]);
  } catch (error) {
    item.mayRetry = !(error.problem && REFUSED.has(error.status));
    if (error.code === "aborted") finish(item, "cancelled");
    else finish(item, "failed", error.message);
  }
}

function finish(item, state, note = "") {
  Object.assign(item, { state, note, task: null, rate: null });
  if (state !== "failed") item.mayRetry = false;
  render(item);
  renderOverall();
  showUnfinished();
  announce(`${item.name}: ${stateText(item)}`);
}

// --- Rows: one upload and its buttons ---

function uploadRow(item) {
  const { file, name, user } = item;
  const row = fromTemplate("upload-row", { name, size: formatSize(file.size), user });
  Object.assign(row.dataset, { user, name });
  row.querySelector(".thumb").append(thumbnail(file));
  row.querySelector("progress").setAttribute("aria-label", `Progress of ${name}`);
  row.querySelector(".toggle").addEventListener("click", () => {
    if (item.state === "failed") start(item);
    else if (item.state === "paused") item.task.resume();
    else item.task.pause();
    announce(`${name}: ${stateText(item)}`);
  });
  row.querySelector(".end").addEventListener("click", () => (over(item) ? dismiss([item]) : item.task.cancel()));
  return row;
}

const extensionOf = (name) => /\.([^.]{1,4})$/.exec(name)?.[1].toUpperCase() ?? "";

/** Returns a preview of an image, from the local file, or the extension of another file. */
function thumbnail(file) {
  const { name, type } = file;
  if (!type.startsWith("image/")) return extensionOf(name);
  const image = Object.assign(new Image(), { alt: "", src: URL.createObjectURL(file) });
  image.addEventListener("load", () => URL.revokeObjectURL(image.src));
  image.addEventListener("error", () => {
    URL.revokeObjectURL(image.src);
    image.replaceWith(extensionOf(name)); // not an image that this browser can show
  });
  return image;
}

function stateText({ state, note, loaded, total }) {
  const percent = `${total ? Math.min(99, Math.floor((100 * loaded) / total)) : 0} %`; // “done” stands for 100
  if (state === "failed") return `failed: ${note}`;
  if (state === "paused") return loaded ? `paused at ${percent}` : "paused before anything arrived";
  if (state === "uploading") return `uploading ${percent}${note && `, ${note}`}`;
  return STATES[state];
}

function render(item) {
  const { row, state, name } = item;
  row.dataset.state = state;
  row.querySelector(".state").textContent = stateText(item);
  row.querySelector(".figures").textContent = state === "uploading" && item.loaded ? figures(item) : "";
  row.querySelector("progress").value = state === "stored" ? 1 : item.loaded / (item.total || 1);
  const toggle = row.querySelector(".toggle");
  const end = row.querySelector(".end");
  const hidden = over(item) && !item.mayRetry;
  hide(toggle, hidden, end);
  label(toggle, state === "failed" ? "Retry" : state === "paused" ? "Resume" : "Pause", name);
  label(end, over(item) ? "Dismiss" : "Cancel", name);
}

function label(button, action, name) {
  if (button.textContent === action && button.hasAttribute("aria-label")) return;
  button.textContent = action;
  button.setAttribute("aria-label", `${action} ${name}`); // Firefox before 119 has no `ariaLabel`
}

/** Hides a button; if it has the focus, the other button gets it. */
function hide(button, hidden, other) {
  const focused = document.activeElement === button;
  button.hidden = hidden;
  if (hidden && focused) other.focus();
}

function dismiss(items) {
  const last = uploads.indexOf(items.at(-1));
  const others = [...uploads.slice(last + 1), ...uploads.slice(0, last).reverse()];
  const next = others.find((item) => !items.includes(item));
  for (const item of items) {
    item.row.remove();
    uploads.splice(uploads.indexOf(item), 1);
  }
  (next?.row.querySelector(".end") ?? $("files")).focus();
  renderOverall();
  showUnfinished();
}

// --- Overall progress ---

function renderOverall() {
  const sum = (items, value) => items.reduce((all, item) => all + value(item), 0);
  const count = (state) => uploads.filter((item) => item.state === state).length;
  const counted = uploads.filter(({ state }) => state !== "cancelled" && state !== "failed");
  const total = sum(counted, (item) => item.total);
  const loaded = sum(counted, (item) => item.loaded);
  // Paused uploads have no rate and do not count towards the remaining time.
  const running = counted.filter(active);
  const rate = sum(running, (item) => (item.idle < IDLE ? (item.rate ?? 0) : 0));
  const remaining = sum(running, (item) => item.total - item.loaded) / rate;
  const ended = ["failed", "cancelled"].map((state) => (count(state) ? `, ${count(state)} ${state}` : ""));
  const counts = `${count("stored")} of ${uploads.length} done${ended.join("")}`;
  $("overall").hidden = !uploads.length;
  $("overall-text").textContent = counted.length ? `${counts} · ${figures({ loaded, total, rate, remaining })}` : counts;
  $("overall-progress").hidden = !counted.length;
  $("overall-progress").value = total ? loaded / total : 1; // empty files only
  $("pause-all").textContent = running.length ? "Pause all" : "Resume all";
  $("clear").hidden = !uploads.some(over);
  hide($("pause-all"), uploads.every(over), $("clear"));
}

// --- Unfinished uploads: started in this browser and not running in this page ---

let offers = [];
let wanted = null; // the offer whose file is being chosen

const isSameFile = ({ filename, size, last_modified }, file) =>
  filename === file.name && size === file.size && last_modified === file.lastModified;

const isSamePlace = (offer, path) => !path || offer.path === path || offer.relative_key === keyOf(path);

function showUnfinished() {
  const { user } = view;
  const mine = uploads.filter((item) => item.user === user && item.mayRetry);
  offers = clients.get(user).unfinished().filter((offer) => !mine.some(({ file }) => isSameFile(offer, file)));
  const shown = new Map([...$("offers").children].map((row) => [row.dataset.id, row]));
  const kept = new Set(offers.map(({ id }) => id));
  for (const [id, row] of shown) if (!kept.has(id)) removeOffer(row);
  for (const offer of offers) {
    if (shown.has(offer.id)) continue;
    const row = offerRow(offer, user);
    $("offers").append(row);
    showArrived(offer, row, user);
  }
  $("unfinished").hidden = !offers.length;
}

/** Shows how much of an upload arrived. Removes the offer if the upload cannot be resumed. */
async function showArrived({ id, size }, row, user) {
  const client = clients.get(user);
  try {
    const { status, parts } = await client.getUpload(id);
    const arrived = (parts ?? []).reduce((all, part) => all + part.size, 0);
    if (status === "uploading" || status === "pending") {
      row.querySelector(".arrived").textContent = `${arrived ? formatSize(arrived) : "nothing"} of ${formatSize(size)} arrived`;
    }
    if (status === "aborted") client.forget(id);
  } catch (error) {
    if (GONE.has(error.code)) client.forget(id);
  }
  showUnfinished();
}

function removeOffer(row) {
  const next = (row.nextElementSibling ?? row.previousElementSibling)?.querySelector(".choose");
  if (row.contains(document.activeElement)) (next ?? $("files")).focus();
  row.remove();
}

function offerRow(offer, user) {
  const { id, filename, size, started_at, expires_at } = offer;
  const [started, ends] = [started_at, expires_at].map((time) => formatTime(new Date(time)));
  const texts = { thumb: extensionOf(filename), name: filename, arrived: formatSize(size), started, ends };
  const row = fromTemplate("offer-row", texts);
  row.dataset.id = id;
  const [choose, discard] = row.querySelectorAll("button");
  label(choose, "Choose file", filename);
  label(discard, "Discard", filename);
  choose.addEventListener("click", () => {
    wanted = offer;
    $("same-file").click();
  });
  discard.addEventListener("click", async () => {
    if (!confirm(`Discard the unfinished upload of ${filename}? What has arrived is deleted.`)) return;
    notice();
    try {
      await clients.get(user).discard(id);
      announce(`${filename}: discarded`);
    } catch (error) {
      notice(`Could not discard ${filename}: ${error.message}`);
    }
    showUnfinished();
  });
  return row;
}

$("same-file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  const same = file && isSameFile(wanted, file);
  notice(same ? "" : `That is another file. To resume ${wanted.filename}, choose the same file, unchanged.`);
  if (same) addFiles([{ file, path: "" }]);
  target.value = "";
});

// --- Objects: of one user at a time; a response for a previous view is dropped ---

let view = { user: null, objects: new Map(), cursor: null };

async function loadPage() {
  const mine = view;
  $("more").hidden = true;
  try {
    const client = clients.get(mine.user);
    const { objects, cursor } = await client.listObjects({ cursor: mine.cursor, limit: OBJECTS_PER_PAGE });
    if (mine !== view) return;
    if (!mine.cursor) $("objects").replaceChildren(...view.objects.values()); // replaces the earlier list
    view.cursor = cursor;
    addObjects(objects);
  } catch (error) {
    if (mine === view) notice(`Could not list the objects of ${mine.user}: ${error.message}`);
  }
}

function addObjects(objects) {
  for (const object of objects) {
    if (view.objects.has(object.key)) removeObject(object.key);
    // Insert the row, newest first, without moving others: a row that moves loses the focus.
    const stored = new Date(object.last_modified);
    const older = [...$("objects").rows].find((row) => new Date(row.querySelector("time").dateTime) < stored);
    const row = objectRow(object);
    $("objects").insertBefore(row, older ?? null);
    view.objects.set(object.key, row);
  }
  showEnd();
}

function removeObject(key) {
  view.objects.get(key)?.remove();
  view.objects.delete(key);
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
  const tab = window.open("about:blank"); // during the click: later, it would be blocked as a pop-up
  if (!tab) throw new Error("the browser blocked the new tab");
  tab.opener = null;
  try {
    const { url } = await clients.get(user).download(key, { disposition: "inline" });
    tab.location.replace(url);
  } catch (error) {
    tab.close();
    if (error.code !== "content_type_not_allowed") throw error;
    // The service does not show pages and scripts: save it instead.
    const { url } = await clients.get(user).download(key);
    location.assign(url);
  }
}

async function deleteObject(user, key, row) {
  if (!confirm(`Delete ${key.split("/").pop()}? It cannot be restored.`)) return;
  await clients.get(user).deleteObject(key);
  announce(`${key.split("/").pop()}: deleted`);
  if (view.user !== user) return;
  const next = (row.nextElementSibling ?? row.previousElementSibling)?.querySelector(".delete");
  if (row.contains(document.activeElement)) (next ?? $("objects-heading")).focus();
  removeObject(key);
  showEnd();
}

// --- Events: of one user at a time, as the service sends them ---

const following = { user: null, source: null, ids: new Set() };

/** Follows the events of the shown user while the page is visible. A browser has six connections to one server. */
function followEvents() {
  const { user } = view;
  if (following.user !== user) {
    following.source?.close();
    Object.assign(following, { user, source: null, ids: new Set() });
    $("events").replaceChildren();
    $("no-events").hidden = false;
  }
  if (document.hidden) {
    following.source?.close();
    following.source = null;
  }
  if (following.source || document.hidden) return;
  const source = new EventSource(`${baseUrl}demo/events?user=${encodeURIComponent(user)}`);
  following.source = source;
  source.addEventListener("message", ({ data }) => addEvent(JSON.parse(data)));
  source.addEventListener("error", () => {
    // Otherwise the browser connects again by itself.
    if (source.readyState === EventSource.CLOSED) notice(`Could not follow the events of ${user}. Reload the page to try again.`);
  });
}

function addEvent({ id, type, timestamp, data }) {
  if (following.ids.has(id)) return; // each connection starts with the latest ones
  following.ids.add(id);
  const { key, size } = data.object;
  const verdict = verdictOf(type, data);
  const texts = { type, verdict, key, size: size === undefined ? "" : formatSize(size), time: formatSecond(new Date(timestamp)) };
  const row = fromTemplate("event-row", texts);
  Object.assign(row.dataset, { type, verified: data.verified });
  Object.assign(row.querySelector("time"), { dateTime: timestamp, title: timestamp });
  row.querySelector(".key").title = key;
  $("events").prepend(row);
  if ($("events").children.length > MAX_EVENTS) $("events").lastElementChild.remove();
  $("no-events").hidden = true;
  announceEvent(`${key.split("/").pop()}: ${type}${verdict && `, ${verdict}`}`);
}

function verdictOf(type, { verified, reason, scan }) {
  if (reason) return reason.detail;
  if (scan) return `${scan.tag}: ${scan.value}`;
  return type === "object.deleted" ? "" : verified ? "verified" : "not verified";
}

document.addEventListener("visibilitychange", () => view.user && followEvents());

// --- Folders ---

/** Returns a path as an object key: in Unicode NFC, without characters that keys must not have. */
const keyOf = (path) => path.normalize("NFC").replace(/[\p{Cc}\p{Cs}\\\ufffe\uffff]/gu, "_");

/**
 * Returns the files of a drop, also those in dropped folders, each with its path in the folder.
 * Call it during the event: afterwards, the browser has emptied the drop.
 */
async function droppedFiles(transfer) {
  const items = [...transfer.items].filter(({ kind }) => kind === "file");
  const dropped = items.map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  const found = await Promise.all(
    dropped.map(({ entry, file }) => (entry?.isDirectory ? filesBelow(entry) : [{ file, path: "" }])),
  );
  return found.flat();
}

async function filesBelow(folder) {
  const reader = folder.createReader();
  const read = () => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  const files = [];
  // Entries come in batches, until one is empty.
  for (let entries = await read(); entries.length; entries = await read()) {
    for (const entry of entries) {
      if (entry.isDirectory) files.push(...(await filesBelow(entry)));
      else {
        const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
        files.push({ file, path: entry.fullPath.replace(/^\//, "") });
      }
    }
  }
  return files;
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
  notice();
  droppedFiles(event.dataTransfer).then(addFiles, (error) => notice(`Could not read the folder: ${error.message}`));
});
for (const id of ["files", "folder"]) {
  $(id).addEventListener("change", ({ target }) => {
    notice();
    addFiles([...target.files].map((file) => ({ file, path: file.webkitRelativePath })));
    target.value = ""; // allows choosing the same file again
  });
}
$("choose-folder").addEventListener("click", () => $("folder").click());
$("choose-folder").hidden = !("webkitdirectory" in $("folder")); // some phones have no folders
$("clear").addEventListener("click", () => dismiss(uploads.filter(over)));
$("pause-all").addEventListener("click", () => {
  const running = uploads.filter(active);
  for (const { task } of running) task.pause();
  if (!running.length) for (const { state, task } of uploads) if (state === "paused") task.resume();
  announce(running.length ? "All uploads paused" : "All uploads resumed");
});
$("policy").addEventListener("change", showPolicy);
$("more").addEventListener("click", loadPage);
$("refresh").addEventListener("click", () => showUser(view.user));
window.addEventListener("beforeunload", (event) => {
  if (uploads.some(active)) event.preventDefault();
});

try {
  await loadTokens();
  const [radio] = [...tokens.keys()].map(addUser);
  radio.click();
  for (const id of ["files", "choose-folder", "refresh"]) $(id).disabled = false;
} catch (error) {
  notice(`Could not load the demo users: ${error.message}. Reload the page to try again.`);
}
