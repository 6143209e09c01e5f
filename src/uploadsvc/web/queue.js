/**
 * A queue of uploads for a user interface: files can be added, paused, resumed, retried, cancelled and removed.
 * `dropzone.js` and the React hook render it. It does not access the page, and can be imported without a browser.
 */

import { createClient, UploadError } from "./uploadsvc.js";

/**
 * @typedef {import("./uploadsvc.js").UploadClient} UploadClient
 * @typedef {import("./uploadsvc.js").ClientOptions} ClientOptions
 * @typedef {import("./uploadsvc.js").Completed} Completed
 * @typedef {import("./uploadsvc.js").TransferOptions} TransferOptions
 * @typedef {import("./uploadsvc.js").UploadRequest} UploadRequest
 * @typedef {import("./uploadsvc.js").UploadStatus} UploadStatus
 * @typedef {import("./uploadsvc.js").UploadTask} UploadTask
 *
 * @typedef {object} QueueItem one file of the queue. Each change creates a new object; `id` stays the same.
 * @property {string} id
 * @property {File | Blob} file
 * @property {string} name the file's name, with its folders if it has any
 * @property {string} note note to show beside the name
 * @property {UploadStatus} state
 * @property {number} loaded bytes
 * @property {number} total bytes
 * @property {number | null} rate bytes per second; null while unknown
 * @property {number | null} remaining seconds; null while unknown
 * @property {number} idle seconds since the last bytes were sent
 * @property {UploadError | null} error why it failed, or is being retried
 * @property {boolean} retryable whether `retry` may help
 * @property {Completed | null} result the object and its receipt
 *
 * @typedef {object} QueueSnapshot
 * @property {readonly QueueItem[]} items
 * @property {number} loaded bytes of all files except failed and cancelled ones
 * @property {number} total bytes of those
 * @property {number} rate bytes per second of all running uploads
 * @property {number | null} remaining seconds; null while unknown
 * @property {number} stored number of stored files
 * @property {number} failed number of failed files
 * @property {number} cancelled number of cancelled files
 * @property {boolean} busy whether an upload is waiting or running
 *
 * @typedef {object} QueueEvents
 * @property {(item: QueueItem, result: Completed) => void} [onDone] after each stored file
 * @property {(item: QueueItem, error: UploadError) => void} [onError] after each failed file
 * @property {(items: readonly QueueItem[]) => void} [onIdle] when no upload is waiting, running or paused any more
 *
 * @typedef {{ client?: UploadClient } & ClientOptions & QueueEvents & QueueRequest} QueueOptions
 * @typedef {Omit<UploadRequest, "filename" | "relative_key">
 *   & Pick<TransferOptions, "concurrency" | "retries" | "timeout">} QueueRequest
 *
 * @typedef {QueueRequest & Pick<UploadRequest, "relative_key"> & { client?: UploadClient }} FileOptions
 *
 * @typedef {object} AddedFile
 * @property {File | Blob} file
 * @property {string} [path] its path in a folder
 * @property {string} [name] name to show instead of its path
 * @property {string} [note] note to show beside the name
 * @property {FileOptions} [options] options of this file, which override the queue's
 * @property {UploadError} [refused] error with which it fails at once; nothing is sent
 *
 * @typedef {File | Blob | AddedFile} Added
 */

/** Default of `maxUploads`. */
const CONCURRENT_UPLOADS = 3;

/** Statuses for which a retry would be refused again. */
const REFUSED = new Set([403, 413, 415, 422]);

/** @param {{ state: UploadStatus }} item whether it has ended */
export const isOver = ({ state }) => state === "stored" || state === "failed" || state === "cancelled";

/** @param {{ state: UploadStatus }} item whether it is waiting or running */
export const isActive = (item) => !isOver(item) && item.state !== "paused";

/**
 * Calls one of the page's functions: a bug in it does not stop the other files.
 * @param {Function | undefined} callback @param {unknown[]} values
 */
function notify(callback, ...values) {
  try {
    callback?.(...values);
  } catch (error) {
    reportError(error);
  }
}

/** @type {QueueSnapshot} */
const EMPTY = Object.freeze({
  items: Object.freeze([]), loaded: 0, total: 0, rate: 0, remaining: null, stored: 0, failed: 0, cancelled: 0,
  busy: false,
});

/** Uploads files a few at a time, and notifies listeners of every change. Its methods may be detached from it. */
export class UploadQueue {
  /** @type {QueueOptions} */
  #options;
  /** @type {UploadClient | null} */
  #client = null;
  /** @type {Map<string, QueueItem>} */
  #items = new Map();
  /** @type {Map<string, UploadTask>} */
  #tasks = new Map();
  /** The request for each file. @type {Map<string, { filename: string, options: FileOptions, refused: boolean }>} */
  #requests = new Map();
  /** @type {Set<() => void>} */
  #listeners = new Set();
  #snapshot = EMPTY;
  #count = 0;

  /** @param {QueueOptions} [options] of the client and of every upload, and callbacks */
  constructor(options = {}) {
    this.#options = options;
  }

  /** The client that uploads. It is created on first use, so that a server can create a queue. @returns {UploadClient} */
  get client() {
    const { baseUrl, getToken, credentials, storage, scope, maxUploads = CONCURRENT_UPLOADS } = this.#options;
    const latest = getToken && ((/** @type {{ refresh: boolean }} */ how) => this.#token(how));
    this.#client ??=
      this.#options.client ?? createClient({ baseUrl, getToken: latest, credentials, storage, scope, maxUploads });
    return this.#client;
  }

  /** Calls the `getToken` of the latest options. @param {{ refresh: boolean }} how */
  #token(how) {
    return this.#options.getToken?.(how) ?? null;
  }

  /** Replaces the callbacks, and the options of files that are added later. The client stays the same. @param {QueueOptions} options */
  configure = (options) => {
    this.#options = options;
  };

  /** Calls a listener after every change. @param {() => void} listener @returns {() => void} unsubscribes */
  subscribe = (listener) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** The current state: the same object until something changes. */
  snapshot = () => this.#snapshot;

  /** Adds files and starts them. @param {Iterable<Added>} files @returns {string[]} their ids */
  add = (files) => {
    /** @type {Map<string, UploadError | undefined>} */
    const ids = new Map();
    for (const added of files) {
      const { file, path = "", note = "", options = {}, refused, ...given } =
        added instanceof Blob ? /** @type {AddedFile} */ ({ file: added }) : added;
      const id = `${(this.#count += 1)}`;
      const folders = path || ("webkitRelativePath" in file && file.webkitRelativePath) || "";
      const filename = folders || ("name" in file ? file.name : "");
      this.#items.set(id, {
        id, file, name: given.name ?? filename, note, state: "queued", loaded: 0, total: file.size, rate: null,
        remaining: null, idle: 0, error: null, retryable: false, result: null,
      });
      this.#requests.set(id, { filename, options, refused: Boolean(refused) });
      ids.set(id, refused);
    }
    this.#changed();
    for (const [id, error] of ids) {
      if (error) this.#end(id, { state: "failed", error });
      else this.#start(id);
    }
    return [...ids.keys()];
  };

  /** @param {string} id */
  pause = (id) => this.#tasks.get(id)?.pause();

  /** @param {string} id */
  resume = (id) => this.#tasks.get(id)?.resume();

  /** Cancels an upload, and deletes what has arrived. @param {string} id @returns {Promise<void>} */
  cancel = async (id) => this.#tasks.get(id)?.cancel();

  /** Retries a failed upload, unless it was added as refused. Parts that have arrived are not sent again. @param {string} id */
  retry = (id) => {
    const item = this.#items.get(id);
    if (this.#requests.get(id)?.refused) return;
    if (item?.state === "failed" || item?.state === "cancelled") this.#start(id);
  };

  /** Removes a file from the queue, and cancels its upload if it is running. @param {string} id */
  remove = (id) => {
    const item = this.#items.get(id);
    if (item && !isOver(item)) this.#tasks.get(id)?.cancel();
    this.#drop(id);
    this.#changed();
  };

  pauseAll = () => this.#tasks.forEach((task) => task.pause());

  resumeAll = () => this.#tasks.forEach((task) => task.resume());

  cancelAll = async () => {
    await Promise.all([...this.#tasks.values()].map((task) => task.cancel()));
  };

  /** Removes stored, failed and cancelled files from the queue. */
  clear = () => {
    for (const [id, item] of this.#items) if (isOver(item)) this.#drop(id);
    this.#changed();
  };

  /** @param {string} id */
  #drop(id) {
    this.#items.delete(id);
    this.#requests.delete(id);
  }

  /** @param {string} id */
  async #start(id) {
    const item = /** @type {QueueItem} */ (this.#items.get(id));
    const { filename, options } = /** @type {{ filename: string, options: FileOptions }} */ (this.#requests.get(id));
    const { client, ...own } = options;
    const { client: _1, baseUrl: _2, getToken: _3, credentials: _4, storage: _5, scope: _6, maxUploads: _7,
      onDone: _8, onError: _9, onIdle: _10, ...request } = this.#options;
    /** @type {Partial<QueueItem>} */
    let ended;
    this.#update(id, { state: "queued", error: null, rate: null, remaining: null, idle: 0 });
    try {
      const task = (client ?? this.client).upload(item.file, {
        ...request,
        ...own,
        filename: filename || null,
        onProgress: (progress) => this.#update(id, progress),
        onRetry: ({ error }) => this.#update(id, { error, rate: null }),
        onState: (state) => isOver({ state }) || this.#update(id, { state, error: null, rate: null }),
      });
      this.#tasks.set(id, task);
      const result = await task;
      ended = { state: "stored", result, loaded: item.total };
    } catch (cause) {
      const error = cause instanceof UploadError ? cause : new UploadError("failed", String(cause), { cause });
      if (error.code === "aborted") ended = { state: "cancelled", error: null };
      else ended = { state: "failed", error, retryable: !(error.problem && REFUSED.has(error.status)) };
    }
    this.#end(id, ended);
  }

  /** @param {string} id @param {Partial<QueueItem>} changes */
  #end(id, changes) {
    this.#tasks.delete(id);
    this.#update(id, { ...changes, rate: null, remaining: null, idle: 0 });
    const item = this.#items.get(id);
    const { onDone, onError, onIdle } = this.#options;
    if (item?.result) notify(onDone, item, item.result);
    else if (item?.error) notify(onError, item, item.error);
    if (!this.#tasks.size) notify(onIdle, this.#snapshot.items);
  }

  /** @param {string} id @param {Partial<QueueItem>} changes */
  #update(id, changes) {
    const item = this.#items.get(id);
    if (!item) return; // removed meanwhile
    this.#items.set(id, { ...item, ...changes });
    this.#changed();
  }

  #changed() {
    const items = [...this.#items.values()];
    /** @param {readonly QueueItem[]} of @param {(item: QueueItem) => number} value */
    const sum = (of, value) => of.reduce((all, item) => all + value(item), 0);
    const counted = items.filter(({ state }) => state !== "failed" && state !== "cancelled");
    const running = counted.filter(isActive);
    const rate = sum(running, (item) => item.rate ?? 0);
    this.#snapshot = {
      items,
      loaded: sum(counted, (item) => item.loaded),
      total: sum(counted, (item) => item.total),
      rate,
      remaining: rate ? sum(running, (item) => item.total - item.loaded) / rate : null,
      stored: items.filter(({ state }) => state === "stored").length,
      failed: items.filter(({ state }) => state === "failed").length,
      cancelled: items.filter(({ state }) => state === "cancelled").length,
      busy: running.length > 0,
    };
    for (const listener of this.#listeners) notify(listener);
  }
}

/** Creates a queue. @param {QueueOptions} [options] */
export const createQueue = (options) => new UploadQueue(options);
