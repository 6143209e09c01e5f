/** Unfinished uploads: started in this browser, and not running in this page. */

import { $, announce, formatSize, formatTime, fromTemplate, label, notice, removeRow } from "./page.js";
import { clientOf } from "./users.js";
import { explain } from "./words.js";

const GONE = new Set(["not_found", "upload_expired"]);

let offers = [];
let wanted = null; // the offer whose file is being chosen
let shownUser = null;
let listed = () => [];

const isSameFile = ({ filename, size, last_modified }, file) =>
  filename === file.name && size === file.size && last_modified === file.lastModified;

/** Returns a path as an object key: in Unicode NFC, without characters that keys must not have. */
export const keyOf = (path) => path.normalize("NFC").replace(/[\p{Cc}\p{Cs}\\\ufffe\uffff]/gu, "_");

const isSamePlace = (offer, path) => !path || offer.path === path || offer.relative_key === keyOf(path);

/** Returns the unfinished upload of a file, if there is one. */
export const offerOf = (file, path) => offers.find((each) => isSameFile(each, file) && isSamePlace(each, path));

/** Shows a user's unfinished uploads, without those that the list can retry. */
export function showOffers(user = shownUser) {
  shownUser = user;
  const files = listed(user);
  offers = clientOf(user).unfinished().filter((offer) => !files.some((file) => isSameFile(offer, file)));
  const shown = new Map([...$("offers").children].map((row) => [row.dataset.id, row]));
  const kept = new Set(offers.map(({ id }) => id));
  for (const [id, row] of shown) if (!kept.has(id)) removeRow(row, ".choose", $("dropzone"));
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
  const client = clientOf(user);
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
  if (row.isConnected) showOffers();
}

function offerRow(offer, user) {
  const { id, filename, size, started_at, expires_at } = offer;
  const [started, ends] = [started_at, expires_at].map((time) => formatTime(new Date(time)));
  const thumb = /\.([^.]{1,4})$/.exec(filename)?.[1].toUpperCase() ?? "";
  const row = fromTemplate("offer-row", { thumb, name: filename, arrived: formatSize(size), started, ends });
  row.dataset.id = id;
  const [choose, discard] = row.querySelectorAll("button");
  label(choose, "Choose file", filename);
  label(discard, "Discard", filename);
  choose.addEventListener("click", () => {
    wanted = offer;
    $("same-file").click();
  });
  discard.addEventListener("click", async () => {
    if (!confirm(`Discard the unfinished upload of ${filename}? Its uploaded parts are deleted.`)) return;
    notice();
    try {
      await clientOf(user).discard(id);
      announce(`${filename}: discarded`);
    } catch (error) {
      notice(`Could not discard ${filename}: ${explain(error)}`);
    }
    showOffers();
  });
  return row;
}

/**
 * Calls `add` with the file of an offer, once it is chosen. `retryable` returns a user's files that the list can retry.
 */
export function connectOffers({ add, retryable }) {
  listed = retryable;
  $("same-file").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    const same = file && isSameFile(wanted, file);
    notice(same ? "" : `This is a different file. To resume ${wanted.filename}, choose the same file, unchanged.`);
    if (same) add(file);
    target.value = "";
  });
}
