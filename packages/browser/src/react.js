"use client";

import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { UploadQueue } from "./queue.js";

/**
 * @typedef {import("./queue.js").QueueItem} QueueItem
 * @typedef {import("./queue.js").QueueOptions} QueueOptions
 * @typedef {import("./queue.js").QueueSnapshot} QueueSnapshot
 *
 * @typedef {object} UploadActions the functions never change, so they may be dependencies of an effect
 * @property {UploadQueue["add"]} add
 * @property {UploadQueue["pause"]} pause
 * @property {UploadQueue["resume"]} resume
 * @property {UploadQueue["retry"]} retry
 * @property {UploadQueue["cancel"]} cancel
 * @property {UploadQueue["remove"]} remove
 * @property {UploadQueue["pauseAll"]} pauseAll
 * @property {UploadQueue["resumeAll"]} resumeAll
 * @property {UploadQueue["cancelAll"]} cancelAll
 * @property {UploadQueue["clear"]} clear
 * @property {UploadQueue} queue
 *
 * @typedef {QueueSnapshot & UploadActions} Uploads
 */

/**
 * Uploads files, and renders again at each change. Uploads continue after the component is unmounted: to show the same
 * list again, pass a queue that was created outside.
 *
 * `getToken`, callbacks and the options of uploads may change with every render. The service, `scope` and `maxUploads`
 * are those of the first file: give the component another `key` to change them.
 * @param {QueueOptions | UploadQueue} [options] @returns {Uploads}
 */
export function useUpload(options = {}) {
  const [own] = useState(() => (options instanceof UploadQueue ? null : new UploadQueue(options)));
  const queue = options instanceof UploadQueue ? options : /** @type {UploadQueue} */ (own);
  useEffect(() => {
    if (!(options instanceof UploadQueue)) queue.configure(options);
  });
  const snapshot = useSyncExternalStore(queue.subscribe, queue.snapshot, queue.snapshot);
  return useMemo(() => ({ ...snapshot, ...actionsOf(queue) }), [snapshot, queue]);
}

/** @param {UploadQueue} queue @returns {UploadActions} */
function actionsOf(queue) {
  const { add, pause, resume, retry, cancel, remove, pauseAll, resumeAll, cancelAll, clear } = queue;
  return { add, pause, resume, retry, cancel, remove, pauseAll, resumeAll, cancelAll, clear, queue };
}
