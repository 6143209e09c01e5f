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
export function useUpload(options?: QueueOptions | UploadQueue): Uploads;
export type QueueItem = import("./queue.js").QueueItem;
export type QueueOptions = import("./queue.js").QueueOptions;
export type QueueSnapshot = import("./queue.js").QueueSnapshot;
/**
 * the functions never change, so they may be dependencies of an effect
 */
export type UploadActions = {
    add: UploadQueue["add"];
    pause: UploadQueue["pause"];
    resume: UploadQueue["resume"];
    retry: UploadQueue["retry"];
    cancel: UploadQueue["cancel"];
    remove: UploadQueue["remove"];
    pauseAll: UploadQueue["pauseAll"];
    resumeAll: UploadQueue["resumeAll"];
    cancelAll: UploadQueue["cancelAll"];
    clear: UploadQueue["clear"];
    queue: UploadQueue;
};
export type Uploads = QueueSnapshot & UploadActions;
import { UploadQueue } from "./queue.js";
