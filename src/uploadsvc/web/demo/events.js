/** The events of one user at a time, as the service sends them. */

import { $, announcer, formatSecond, formatSize, fromTemplate, notice } from "./page.js";
import { baseUrl } from "./users.js";

const MAX_EVENTS = 50;
const announceEvent = announcer("heard", "events");
const following = { user: null, source: null, ids: new Set() };
const listeners = [];

/** Calls a function with each event. */
export const onEvent = (listener) => listeners.push(listener);

/** Follows a user's events while the page is visible. A browser has six connections to one server. */
export function followEvents(user) {
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
    if (source.readyState === EventSource.CLOSED) notice(`Could not receive the events of ${user}. Reload the page to try again.`);
  });
}

function addEvent(event) {
  const { id, type, data } = event;
  if (following.ids.has(id)) return; // each connection starts with the latest ones
  following.ids.add(id);
  const { key } = data.object;
  const verdict = verdictOf(event);
  $("events").prepend(eventRow(event));
  if ($("events").children.length > MAX_EVENTS) $("events").lastElementChild.remove();
  $("no-events").hidden = true;
  for (const listener of listeners) listener(event);
  announceEvent(`${key.split("/").pop()}: ${type}${verdict && `, ${verdict}`}`);
}

/** Returns a row that shows an event. */
export function eventRow(event) {
  const { type, timestamp, data } = event;
  const { key, size } = data.object;
  const texts = { type, verdict: verdictOf(event), key, size: size === undefined ? "" : formatSize(size) };
  const row = fromTemplate("event-row", { ...texts, time: formatSecond(new Date(timestamp)) });
  Object.assign(row.dataset, { type, verified: data.verified });
  Object.assign(row.querySelector("time"), { dateTime: timestamp, title: timestamp });
  row.querySelector(".key").title = key;
  return row;
}

function verdictOf({ type, data: { verified, reason, scan } }) {
  if (reason) return reason.detail;
  if (scan) return `${scan.tag}: ${scan.value}`;
  return type === "object.deleted" ? "" : verified ? "verified" : "not verified";
}

document.addEventListener("visibilitychange", () => following.user && followEvents(following.user));
