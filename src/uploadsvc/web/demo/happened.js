/** The panel “What just happened”: the requests of an upload, its receipt and its events. Secrets stay out of the page. */

import { curlOf } from "./curl.js";
import { eventRow, onEvent } from "./events.js";
import { $, announce, formatSecond, formatSize, fromTemplate, notice } from "./page.js";
import { checked, decoded } from "./receipts.js";
import { Recorder } from "./recorder.js";
import { baseUrl, tokenOf, userOf } from "./users.js";

const MAX_EVENTS = 200;
const DRAWN_TOGETHER = 50; // milliseconds

const rows = new WeakMap(); // by request
const verdicts = new WeakMap(); // by upload
const events = [];
const recorder = new Recorder({ baseUrl, userOf, onChange: draw });
let user = null;
let chosen = null; // the upload to show; the latest if it is null
let shown = null;
let timer = 0;

recorder.start();
onEvent((event) => {
  if (events.some(({ id }) => id === event.id)) return; // events are sent again when their user is shown again
  events.push(event);
  events.splice(0, events.length - MAX_EVENTS);
  draw();
});

/** Shows the uploads of a user. */
export function showHappened(name) {
  user = name;
  chosen = null;
  draw();
}

/** Draws soon, because many changes come at the same time. */
function draw() {
  timer ||= setTimeout(() => {
    timer = 0;
    drawNow();
  }, DRAWN_TOGETHER);
}

function drawNow() {
  const mine = recorder.uploads.filter((upload) => upload.shown && upload.user === user);
  if (!mine.includes(chosen)) chosen = null;
  const upload = chosen ?? mine[0] ?? null;
  $("nothing-happened").hidden = mine.length > 0;
  $("happened").hidden = !upload;
  drawChoice(mine, upload);
  if (upload !== shown) $("requests").replaceChildren();
  shown = upload;
  if (!upload) return;
  for (const sent of upload.sent) drawRequest(sent);
  $("more-requests").hidden = !upload.more;
  $("more-requests").textContent = `And ${upload.more} more requests of the same kinds.`;
  drawReceipt(upload);
  const its = events.filter(({ data }) => upload.key && data.object.key === upload.key);
  $("its-events").replaceChildren(...its.map(eventRow));
  for (const row of $("its-events").children) row.dataset.testid = "its-event";
  $("its-events-part").hidden = !its.length;
}

function drawChoice(mine, upload) {
  const select = $("happened-upload");
  $("happened-choice").hidden = mine.length < 2;
  const names = mine.map(({ name }) => name);
  const old = [...select.options].map(({ textContent }) => textContent);
  if (names.join("\n") !== old.join("\n")) select.replaceChildren(...names.map((name) => new Option(name)));
  select.selectedIndex = mine.indexOf(upload);
}

$("happened-upload").addEventListener("change", ({ target }) => {
  const mine = recorder.uploads.filter((upload) => upload.shown && upload.user === user);
  chosen = mine[target.selectedIndex];
  drawNow();
});

// --- Requests ---

function drawRequest(sent) {
  let row = rows.get(sent);
  if (!row) {
    row = requestRow(sent);
    rows.set(sent, row);
  }
  if (!row.isConnected) $("requests").append(row);
  const { status, code, milliseconds } = sent;
  const waiting = status === null;
  row.dataset.outcome = waiting ? "waiting" : status >= 200 && status < 300 ? "good" : "bad";
  row.querySelector(".status").textContent = waiting ? "…" : [status || "no response", code].filter(Boolean).join(" ");
  row.querySelector(".took").textContent = waiting ? "" : `${Math.round(milliseconds).toLocaleString("en")} ms`;
}

function requestRow(sent) {
  const { what, method, path } = sent;
  const row = fromTemplate("request-row", { what, method, path, curl: curlOf(sent, { secrets: false }) });
  for (const [name, secrets] of [["copy", false], ["copy-secrets", true]]) {
    const button = row.querySelector(`.${name}`);
    button.setAttribute("aria-label", `${button.textContent}: ${what}`);
    button.addEventListener("click", () => copy(curlOf(sent, { secrets }), "Command"));
  }
  return row;
}

// --- The receipt ---

/** Claims that are times, in Unix seconds. */
const TIMES = new Set(["iat", "exp", "replaceable_until"]);

const NEVER_ENDS = 253_402_300_799;

function claimText(name, value) {
  if (name === "replaceable_until" && value === null) return "null: nobody can replace the bytes";
  if (value === NEVER_ENDS) return `${value}: always`;
  if (TIMES.has(name)) return `${value}: ${formatSecond(new Date(value * 1000))}`;
  if (name === "size") return `${value}: ${formatSize(value)}`;
  return typeof value === "string" ? value : JSON.stringify(value);
}

async function drawReceipt(upload) {
  $("receipt").hidden = !upload.receipt;
  if (!upload.receipt || $("receipt").dataset.jti === decoded(upload.receipt).claims.jti) return;
  const { claims } = decoded(upload.receipt);
  $("receipt").dataset.jti = claims.jti;
  $("verdict").textContent = "Checking …";
  delete $("verdict").dataset.valid;
  $("claims").replaceChildren(
    ...Object.entries(claims).map(([name, value]) => fromTemplate("claim", { claim: name, value: claimText(name, value) })),
  );
  if (!verdicts.has(upload)) verdicts.set(upload, checked(upload.receipt, { baseUrl, user: upload.user }));
  const verdict = await verdicts.get(upload).catch(() => {
    verdicts.delete(upload);
    return { valid: null, words: "Not checked: the service’s keys could not be loaded." };
  });
  if (shown !== upload) return;
  $("verdict").textContent = verdict.words;
  $("verdict").dataset.valid = String(verdict.valid);
}

$("copy-receipt").addEventListener("click", () => shown && copy(shown.receipt, "Receipt"));
$("copy-token").addEventListener("click", () => copy(`TOKEN='${tokenOf(user)}'`, `TOKEN='…' of ${user}`));

/** Copies a text, and says so. Pages without HTTPS have no clipboard, but an old command. */
async function copy(text, what) {
  notice();
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else copyByCommand(text);
  } catch {
    notice("Could not copy: the browser did not allow it.");
    return;
  }
  announce(`${what}: copied`);
  $("copied").textContent = `${what} copied to the clipboard.`;
}

function copyByCommand(text) {
  const area = Object.assign(document.createElement("textarea"), { value: text, className: "unseen" });
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  if (!done) throw new Error("not allowed");
}
