/** The objects of one user at a time. A response for a previous view is dropped. */

import { $, announce, formatSize, formatTime, fromTemplate, label, notice, removeRow } from "./page.js";
import { clientOf } from "./users.js";
import { explain } from "./words.js";

const OBJECTS_PER_PAGE = 50;

let view = { user: null, rows: new Map(), cursor: null };

/** Lists a user's objects again. */
export function showObjects(user) {
  if (user !== view.user) $("objects").replaceChildren();
  view = { user, rows: new Map(), cursor: null };
  $("empty").hidden = true;
  loadPage();
}

async function loadPage() {
  const mine = view;
  $("more").hidden = true;
  try {
    const page = { cursor: mine.cursor, limit: OBJECTS_PER_PAGE };
    const { objects, cursor } = await clientOf(mine.user).listObjects(page);
    if (mine !== view) return;
    if (!mine.cursor) $("objects").replaceChildren(...view.rows.values()); // replaces the earlier list
    view.cursor = cursor;
    addObjects(mine.user, objects);
  } catch (error) {
    if (mine === view) notice(`Could not list the objects of ${mine.user}: ${explain(error)}`);
  }
}

/** Adds a user's objects, if that user is shown. */
export function addObjects(user, objects) {
  if (view.user !== user) return;
  for (const object of objects) {
    if (view.rows.has(object.key)) removeObject(object.key);
    // Insert the row, newest first, without moving others: a row that moves loses the focus.
    const stored = new Date(object.last_modified);
    const older = [...$("objects").rows].find((row) => new Date(row.querySelector("time").dateTime) < stored);
    const row = objectRow(object);
    $("objects").insertBefore(row, older ?? null);
    view.rows.set(object.key, row);
  }
  showEnd();
}

function removeObject(key) {
  const row = view.rows.get(key);
  if (row) removeRow(row, ".delete", $("objects-heading"));
  view.rows.delete(key);
}

function showEnd() {
  $("empty").hidden = view.rows.size > 0 || view.cursor !== null;
  $("more").hidden = view.cursor === null;
}

function objectRow({ key, size, last_modified }) {
  const time = formatTime(new Date(last_modified));
  const name = key.split("/").pop();
  const row = fromTemplate("object-row", { name, key, size: formatSize(size), time });
  row.dataset.key = key;
  row.querySelector(".name").title = name;
  row.querySelector(".key").title = key;
  Object.assign(row.querySelector("time"), { dateTime: last_modified, title: last_modified });
  const { user } = view;
  for (const [action, act] of Object.entries({ open: openObject, delete: deleteObject })) {
    const button = row.querySelector(`.${action}`);
    label(button, button.textContent, name);
    button.addEventListener("click", () => {
      notice();
      act(user, key).catch((error) => notice(`Could not ${action} ${name}: ${explain(error)}`));
    });
  }
  return row;
}

async function openObject(user, key) {
  const tab = window.open("about:blank"); // during the click: later, it would be blocked as a pop-up
  if (!tab) throw new Error("the browser blocked the new tab");
  tab.opener = null;
  try {
    const { url } = await clientOf(user).download(key, { disposition: "inline" });
    tab.location.replace(url);
  } catch (error) {
    tab.close();
    if (error.code !== "content_type_not_allowed") throw error;
    // The service does not show pages and scripts: save it instead.
    const { url } = await clientOf(user).download(key);
    location.assign(url);
  }
}

async function deleteObject(user, key) {
  const name = key.split("/").pop();
  if (!confirm(`Delete ${name}? It cannot be restored.`)) return;
  await clientOf(user).deleteObject(key);
  announce(`${name}: deleted`);
  if (view.user !== user) return;
  removeObject(key);
  showEnd();
}

$("more").addEventListener("click", loadPage);
