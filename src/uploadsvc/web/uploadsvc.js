/**
 * Uploads from a browser, straight to S3, through an uploadsvc service. One module, no dependencies.
 *
 *     import { createClient } from "./uploadsvc.js";
 *     const client = createClient({ baseUrl: "https://uploads.example.com", getToken });
 *     const { object, receipt } = await client.upload(file, { onProgress: ({ loaded, total }) => … });
 *
 * What `upload` returns can be awaited, and paused, resumed and cancelled meanwhile. A large file goes in
 * parts, several at a time; what fails on its way is tried again; and a file that was being uploaded when the
 * page went away goes on where it was when it is chosen again.
 *
 * Requests and answers are those of the HTTP API, in its own words (`/docs` on the service describes them).
 * A page's content security policy needs the service and the bucket in `connect-src`, and, for checksums to
 * be computed beside the page and not in it, `blob:` in `worker-src`.
 */

/**
 * @typedef {object} ClientOptions
 * @property {string} [baseUrl] where the service is; left out, this page's own origin
 * @property {(options: { refresh: boolean }) => string | null | Promise<string | null>} [getToken] the bearer
 *   token of the moment; asked again with `refresh: true`, once, when the service answers 401
 * @property {RequestCredentials} [credentials] "include" where a cookie says who calls, on another origin.
 *   S3 is never sent a cookie or the token.
 * @property {Memory | null} [storage] where unfinished uploads are remembered: `localStorage`, unless it
 *   cannot be used; null remembers nothing. Neither tokens nor URLs are written there.
 * @property {string} [scope] whose uploads these are, where several people use one browser: what is
 *   remembered for one is not offered to another
 * @property {number} [maxUploads] so many files at a time, the others wait; left out, all at once
 *
 * @typedef {Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">} Memory
 *
 * @typedef {"queued" | "hashing" | "creating" | "uploading" | "paused" | "completing" | "stored" | "failed"
 *   | "cancelled"} UploadStatus the last three are final
 *
 * @typedef {object} Progress
 * @property {number} loaded bytes of the file; they are fewer than before when some must be sent again
 * @property {number} total bytes; equal to `loaded` once all are sent
 * @property {number | null} rate bytes a second, of the last seconds; null until there is a figure
 * @property {number | null} remaining seconds, at that rate
 *
 * @typedef {object} Retry a request that failed and will be tried again
 * @property {number} attempt how often it failed in a row
 * @property {number} delay seconds until it is tried again; sooner, should the browser come back online
 * @property {UploadError} error
 *
 * @typedef {"crc32" | "sha256"} OwnAlgorithm checksums that are computed here
 *
 * @typedef {object} UploadRequest what `POST /v1/uploads` is asked; the service decides what is left out
 * @property {string | null} [filename] left out, the file's
 * @property {string | null} [content_type] left out, the file's
 * @property {string | null} [policy]
 * @property {"auto" | "put" | "post" | "multipart" | null} [method]
 * @property {string | null} [relative_key]
 * @property {Record<string, string> | null} [metadata]
 * @property {OwnAlgorithm | Checksum | null} [checksum] that S3 shall compare: the name of one that is
 *   computed here, in a worker, or one that you computed (of the whole file; the parts' are computed here)
 * @property {boolean | null} [overwrite]
 * @property {number | null} [expires_in] seconds
 *
 * @typedef {object} TransferOptions
 * @property {AbortSignal} [signal] cancels, as `cancel` does
 * @property {(progress: Progress) => void} [onProgress]
 * @property {(state: UploadStatus) => void} [onState] called at each change
 * @property {(retry: Retry) => void} [onRetry]
 * @property {number} [concurrency] parts at a time; 4 by default
 * @property {number} [retries] how often a request is tried again, in a row, before the upload fails; 12 by
 *   default, which is some minutes. Tries while the browser is offline do not count.
 * @property {number} [timeout] seconds without a sign of life after which a request has failed; 60 by default
 *
 * @typedef {{ algorithm: string, value: string }} Checksum its bytes in base64
 * @typedef {{ key: string, size: number, etag: string, last_modified: string }} ListedObject
 * @typedef {ListedObject & { bucket: string, content_type: string, version_id: string | null,
 *   checksum: Checksum | null, metadata: Record<string, string> }} StoredObject
 * @typedef {{ object: StoredObject, receipt: string, replaceable_until: string | null }} Completed
 *
 * @typedef {{ part_number: number, size: number, url: string, headers: Record<string, string> }} SignedPart
 * @typedef {{ id: string, key: string, expires_at: string, upload_expires_at: string }} UploadBase
 * @typedef {UploadBase & { method: "put", url: string, headers: Record<string, string> }} PutUpload
 * @typedef {UploadBase & { method: "post", url: string, fields: Record<string, string> }} PostUpload
 * @typedef {UploadBase & { method: "multipart", part_size: number, part_count: number,
 *   parts: SignedPart[] }} MultipartUpload
 * @typedef {PutUpload | PostUpload | MultipartUpload} Upload
 *
 * @typedef {object} UploadState what `GET /v1/uploads/{id}` answers
 * @property {"pending" | "uploading" | "stored" | "aborted"} status
 * @property {string} key
 * @property {number | null} part_size
 * @property {number | null} part_count
 * @property {{ part_number: number, size: number, etag: string }[] | null} parts those that arrived
 *
 * @typedef {object} Unfinished a multipart upload that was begun in this browser; upload the same file, with
 *   the same options, to go on with it
 * @property {string} id
 * @property {string} key the whole object key
 * @property {string} filename
 * @property {string} content_type
 * @property {number} size bytes
 * @property {number} last_modified of the file, in milliseconds as `File.lastModified` has it
 * @property {string | null} policy
 * @property {OwnAlgorithm | null} checksum where its name was given, to be given again
 * @property {string} started_at
 * @property {string} expires_at until when one can go on
 *
 * @typedef {object} Policy what one kind of upload may be; sizes are bytes, durations seconds
 * @property {string} name
 * @property {number} min_size
 * @property {number} max_size
 * @property {string[]} content_types media types and ranges, such as `image/*`
 * @property {("put" | "post" | "multipart")[]} methods
 * @property {number} expires_in
 * @property {number} max_expires_in
 * @property {boolean} client_keys whether `relative_key` may be given
 * @property {boolean} overwrite
 * @property {string[]} metadata the names that may be given
 * @property {"off" | "optional" | "required"} checksum
 * @property {string[]} checksum_algorithms
 *
 * @typedef {{ type: string, title: string, status: number, detail?: string, code: string,
 *   errors?: { field: string, detail: string }[] }} Problem
 */

const MIB = 1024 ** 2;

/** Parts at a time, and how many URLs are asked for at once. */
const CONCURRENCY = 4;
const SIGNED_AT_ONCE = 100;

/** How often in a row: some minutes, all in all. */
const RETRIES = 12;

/** A host that never answered is more likely one that does not let this page call it. */
const RETRIES_AT_FIRST = 4;

/** Milliseconds: the first retry comes after half a second or less, each next after twice as long. */
const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;

/** S3 may take minutes to put parts together, and the service says so every few seconds. */
const LEAST_COMPLETE_RETRIES = 60;

/** Seconds without a sign of life. */
const TIMEOUT = 60;

/** Milliseconds whose bytes make the rate. */
const RATE_WINDOW = 8000;

/** Up to this size a checksum is computed before the upload begins; above, part by part while it goes on. */
const HASHED_FIRST = 64 * MIB;

/** The upload is no more; another one has to be created. */
const GONE = new Set(["not_found", "upload_expired", "upload_aborted"]);

/** S3's words for bytes that did not come through whole; sent again they may. */
const DAMAGED_ON_THE_WAY = new Set(["RequestTimeout", "BadDigest", "IncompleteBody"]);

/** So often is the whole sent again when the service says that it is not there. */
const MOST_ROUNDS = 3;

/** It can never be completed, however often one tries. */
const LOST = new Set([...GONE, "object_exists", "verification_failed"]);

/** Whatever went wrong, under a stable `code`. */
export class UploadError extends Error {
  /**
   * @param {string} code the problem's `code`, or "network_error", "aborted" (by you), "storage_rejected"
   *   (by S3), "token_unavailable" (your `getToken` failed), "file_unreadable" (it changed or is gone),
   *   "checksum_unavailable" (this browser cannot compute it here), "http_error" (something other than the
   *   service answered)
   * @param {string} message
   * @param {{ status?: number, problem?: Problem | null, cause?: unknown, retryAfter?: number,
   *   reason?: string, origin?: string }} [details]
   */
  constructor(code, message, details = {}) {
    const { status = 0, problem = null, cause, retryAfter = 0, reason = "", origin = "" } = details;
    super(message, { cause });
    this.name = "UploadError";
    this.code = code;
    /** The HTTP status; 0 when there was no answer. */
    this.status = status;
    /** The whole `application/problem+json`, where the service sent one. */
    this.problem = problem;
    /** Seconds that the service asks to wait. */
    this.retryAfter = retryAfter;
    /** S3's own code, where it sent one. */
    this.reason = reason;
    /** Who did not answer, where nobody did. */
    this.origin = origin;
  }
}

const aborted = () => new UploadError("aborted", "The upload was cancelled");

/** @param {unknown} error @returns {error is UploadError} whether the same request may succeed later */
function isTransient(error) {
  if (!(error instanceof UploadError)) return false;
  const { code, status, reason } = error;
  if (code === "network_error" || code === "token_unavailable") return true;
  // S3 answers 400 to a body that came too slowly, and 409 to two writes at once.
  if (code === "storage_rejected") {
    return status >= 500 || [408, 409, 429].includes(status) || DAMAGED_ON_THE_WAY.has(reason);
  }
  return status === 429 || (status >= 500 && !["storage_denied", "storage_misconfigured"].includes(code));
}

/**
 * Waits; not longer than until the browser comes back online.
 * @param {number} milliseconds @param {AbortSignal} signal @returns {Promise<void>}
 */
function pauseFor(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(aborted());
    const over = () => {
      clearTimeout(timer);
      globalThis.removeEventListener("online", over);
      signal.removeEventListener("abort", over);
      if (signal.aborted) reject(aborted());
      else resolve();
    };
    const timer = setTimeout(over, milliseconds);
    globalThis.addEventListener("online", over);
    signal.addEventListener("abort", over);
  });
}

/** @template T @param {Promise<T>} promise @param {AbortSignal} signal @returns {Promise<T>} or `aborted` */
function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(aborted());
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** @param {Function | undefined} callback @param {unknown} argument */
function tell(callback, argument) {
  try {
    callback?.(argument);
  } catch (error) {
    reportError(error); // the page's own fault; the upload goes on
  }
}

/**
 * @typedef {{ method: string, url: string, headers?: Record<string, string>,
 *   body: Blob | FormData }} StorageRequest
 */

/**
 * Sends bytes to S3. By XMLHttpRequest, because fetch tells no upload progress.
 * @param {StorageRequest} request
 * @param {{ size: number, signal: AbortSignal, timeout: number, answered: Set<string>,
 *   onLoaded?: ((bytes: number) => void) | undefined }} options of the file in it, the bytes; the seconds that
 *   it may stay silent; without `onLoaded` nobody listens, and it may take its time
 * @returns {Promise<void>}
 */
function send({ method, url, headers = {}, body }, { size, signal, timeout, onLoaded, answered }) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(aborted());
    const xhr = new XMLHttpRequest();
    const abort = () => xhr.abort();
    let timer = 0;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(abort, timeout * 1000);
    };
    const { origin } = new URL(url);
    const failed = () => new UploadError("network_error", "The connection to the storage failed", { origin });
    signal.addEventListener("abort", abort);
    xhr.open(method, url);
    // Content-Type among them: it is signed, and for a file without a type the browser would send none.
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    if (onLoaded) {
      alive();
      xhr.upload.onprogress = ({ loaded, total }) => {
        alive();
        // A form's other fields come before the file, and are not progress.
        onLoaded(Math.max(0, loaded - (total - size)));
      };
    }
    xhr.onload = () => {
      answered.add(origin);
      if (xhr.status >= 200 && xhr.status < 300) return resolve();
      const reason = /<Code>([^<]+)<\/Code>/.exec(xhr.responseText)?.[1] ?? "";
      const message = `The storage refused the file: ${reason || "no reason given"} (${xhr.status})`;
      reject(new UploadError("storage_rejected", message, { status: xhr.status, reason }));
    };
    xhr.onerror = () => reject(failed());
    xhr.onabort = () => reject(signal.aborted ? aborted() : failed());
    xhr.onloadend = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    };
    xhr.send(body);
  });
}

/**
 * Computes a checksum as S3 writes it, in base64. Its source is also what the worker runs: it refers to
 * nothing around it.
 * @param {OwnAlgorithm} algorithm @param {Blob} blob @returns {Promise<string>}
 */
async function digest(algorithm, blob) {
  /** @param {Uint8Array} bytes */
  const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
  if (algorithm === "sha256") {
    return base64(new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer())));
  }
  // https://www.rfc-editor.org/rfc/rfc1952#section-8: a table, and a byte at a time.
  const table = new Uint32Array(256).map((_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
    return value;
  });
  let crc = 0xffffffff;
  const block = 1024 * 1024; // a page that has to do this itself gets a breath between two
  for (let start = 0; start < blob.size; start += block) {
    const bytes = new Uint8Array(await blob.slice(start, start + block).arrayBuffer());
    for (let index = 0; index < bytes.length; index += 1) {
      crc = /** @type {number} */ (table[(crc ^ /** @type {number} */ (bytes[index])) & 0xff]) ^ (crc >>> 8);
    }
  }
  const whole = new Uint8Array(4);
  new DataView(whole.buffer).setUint32(0, ~crc >>> 0);
  return base64(whole);
}

/** Has checksums computed in a worker, or in the page where its security policy allows no worker. */
class Digests {
  /** @type {Worker | null | undefined} */
  #worker;
  /** @type {Map<number, { resolve: (value: string) => void, reject: (reason: unknown) => void }>} */
  #asked = new Map();
  #count = 0;

  /** @param {OwnAlgorithm} algorithm @param {Blob} blob @returns {Promise<string>} */
  async compute(algorithm, blob) {
    if (algorithm === "sha256" && !globalThis.crypto?.subtle) {
      throw new UploadError("checksum_unavailable", "Browsers compute SHA-256 on pages of https alone");
    }
    if (algorithm !== "sha256" && algorithm !== "crc32") {
      throw new UploadError("checksum_unavailable", `${algorithm} cannot be computed here`);
    }
    try {
      return await this.#inWorker(algorithm, blob);
    } catch {
      if (!this.#worker) return await readable(digest(algorithm, blob));
      throw unreadable();
    }
  }

  /** @param {OwnAlgorithm} algorithm @param {Blob} blob @returns {Promise<string>} */
  #inWorker(algorithm, blob) {
    const worker = (this.#worker ??= this.#open());
    return new Promise((resolve, reject) => {
      if (!worker) return reject();
      this.#count += 1;
      this.#asked.set(this.#count, { resolve, reject });
      worker.postMessage({ number: this.#count, algorithm, blob });
    });
  }

  #open() {
    const listen = `onmessage = ({ data: { number, algorithm, blob } }) => digest(algorithm, blob).then(
      (value) => postMessage({ number, value }), () => postMessage({ number }));`;
    const source = `const digest = ${digest};\n${listen}`;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    try {
      const worker = new Worker(url);
      worker.onmessage = ({ data: { number, value } }) => {
        const { resolve, reject } = this.#asked.get(number) ?? {};
        this.#asked.delete(number);
        if (value === undefined) reject?.(null);
        else resolve?.(value);
      };
      worker.onerror = (event) => {
        event.preventDefault();
        this.#worker = null;
        for (const { reject } of this.#asked.values()) reject(null);
        this.#asked.clear();
      };
      return worker;
    } catch {
      return null;
    }
  }
}

/** @param {unknown} [cause] */
const unreadable = (cause) =>
  new UploadError("file_unreadable", "The file cannot be read: it changed, moved or is gone", { cause });

/** @template T @param {Promise<T>} reading @returns {Promise<T>} */
async function readable(reading) {
  try {
    return await reading;
  } catch (cause) {
    throw unreadable(cause);
  }
}

/** Remembers unfinished uploads, as far as the browser lets it. */
class Notebook {
  static #PREFIX = "uploadsvc:";
  #storage;
  #scope;

  /** @param {Memory | null | undefined} storage @param {string} scope */
  constructor(storage, scope) {
    this.#storage = storage;
    this.#scope = Notebook.#PREFIX + JSON.stringify([scope]);
    if (storage === undefined) {
      // Where cookies are blocked, to look at it is an error already.
      this.#storage = this.#softly(() => globalThis.localStorage) ?? null;
    }
  }

  /** @template T @param {() => T} what @returns {T | null} */
  #softly(what) {
    try {
      return what();
    } catch {
      return null; // full, or forbidden: then nothing is remembered
    }
  }

  /** @param {string} fingerprint @returns {Unfinished | null} */
  get(fingerprint) {
    return this.#softly(() => JSON.parse(this.#storage?.getItem(this.#scope + fingerprint) ?? "null"));
  }

  /** @param {string} fingerprint @param {Unfinished} upload */
  set(fingerprint, upload) {
    this.#softly(() => this.#storage?.setItem(this.#scope + fingerprint, JSON.stringify(upload)));
  }

  /** @param {string} id */
  forget(id) {
    for (const [name, upload] of this.#entries()) {
      if (upload.id === id) this.#softly(() => this.#storage?.removeItem(name));
    }
  }

  /** @param {Set<string>} active fingerprints to leave out @returns {Unfinished[]} the latest first */
  list(active) {
    const [live, dead] = [/** @type {Unfinished[]} */ ([]), /** @type {Unfinished[]} */ ([])];
    for (const [name, upload] of this.#entries()) {
      if (active.has(name.slice(this.#scope.length))) continue;
      (Date.parse(upload.expires_at) > Date.now() ? live : dead).push(upload);
    }
    for (const { id } of dead) this.forget(id);
    return live.sort((a, b) => Date.parse(b.started_at) - Date.parse(a.started_at));
  }

  /** @returns {[string, Unfinished][]} */
  #entries() {
    /** @type {[string, Unfinished][]} */
    const found = [];
    this.#softly(() => {
      for (let index = 0; index < (this.#storage?.length ?? 0); index += 1) {
        const name = this.#storage?.key(index);
        if (!name?.startsWith(this.#scope)) continue;
        const upload = this.get(name.slice(this.#scope.length));
        if (upload) found.push([name, upload]);
      }
    });
    return found;
  }
}

/** Lets so many in at a time. */
class Slots {
  #free;
  /** @type {(() => void)[]} */
  #waiting = [];

  /** @param {number} count */
  constructor(count) {
    this.#free = count;
  }

  /** @param {AbortSignal} signal @returns {Promise<void>} */
  async take(signal) {
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise((/** @type {(value?: unknown) => void} */ resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(aborted());
      };
      const enter = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(enter);
    });
  }

  give() {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free += 1;
  }
}

/** Counts bytes, and how fast they go. */
class Meter {
  /** Those of what is done, and of what is on its way, by part. */
  #done = 0;
  /** @type {Map<number, number>} */
  #underWay = new Map();
  /** Bytes that went over the line, those sent in vain too. */
  carried = 0;
  /** @type {[number, number][]} times and the bytes carried by then */
  #samples = [];

  /** @param {number} total */
  constructor(total) {
    this.total = total;
  }

  /** @param {number} bytes that arrived before */
  start(bytes) {
    this.#done = bytes;
    this.#underWay.clear();
    this.#samples = [];
  }

  /** @param {number} part @param {number} bytes */
  move(part, bytes) {
    this.carried += Math.max(0, bytes - (this.#underWay.get(part) ?? 0));
    this.#underWay.set(part, bytes);
    const now = performance.now();
    this.#samples.push([now, this.carried]);
    while (now - (this.#samples[0]?.[0] ?? now) > RATE_WINDOW) this.#samples.shift();
  }

  /** @param {number} part @param {number} bytes that it had, all of them; 0 when it failed */
  end(part, bytes) {
    if (bytes) this.move(part, bytes);
    this.#underWay.delete(part);
    this.#done += bytes;
  }

  /** @returns {Progress} */
  read() {
    let loaded = this.#done;
    for (const bytes of this.#underWay.values()) loaded += bytes;
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    const seconds = first && last ? (last[0] - first[0]) / 1000 : 0;
    const rate = first && last && seconds > 0 ? (last[1] - first[1]) / seconds : null;
    const left = this.total - loaded;
    return { loaded, total: this.total, rate, remaining: left === 0 ? 0 : rate ? left / rate : null };
  }
}

/**
 * @typedef {object} Service what a client shares with its uploads
 * @property {(method: string, path: string, options?: { body?: object, signal?: AbortSignal,
 *   timeout?: number }) => Promise<any>} call
 * @property {string} base where it is
 * @property {Notebook} notebook
 * @property {Digests} digests
 * @property {Slots} slots
 * @property {Set<string>} active fingerprints of files that are being uploaded from this page
 * @property {Set<string>} answered origins, the service's and S3's, that let this page read an answer
 */

/**
 * One upload: await it, or pause, resume and cancel it. `client.upload` makes them.
 * @implements {PromiseLike<Completed>}
 */
export class UploadTask {
  /** @type {Service} */
  #service;
  #file;
  #request;
  #options;
  #meter;
  #fingerprint;
  #remembers = false;
  /** @type {UploadStatus} */
  #state = "queued";
  /** Ends for good when the upload is cancelled; `#run` when it is paused too. */
  #life = new AbortController();
  #run = new AbortController();
  /** @type {{ open: () => void, opened: Promise<void> } | null} while paused */
  #gate = null;
  /** @type {Promise<Upload> | null} */
  #begun = null;
  /** @type {Upload | null} */
  #upload = null;
  /** @type {OwnAlgorithm | null} of the parts */
  #partChecksum = null;
  /** Parts that arrived; of an upload by one request, "part 1" is the file. @type {Set<number>} */
  #arrived = new Set();
  /** @type {Map<number, SignedPart>} */
  #signed = new Map();
  #signedUntil = Infinity;
  /** @type {Promise<unknown> | null} */
  #signing = null;
  #refusedAsThere = false;

  /** @param {Service} service @param {File | Blob} file @param {UploadRequest & TransferOptions} options */
  constructor(service, file, options) {
    const { signal, onProgress, onState, onRetry, concurrency, retries, timeout, ...request } = options;
    this.#service = service;
    this.#file = file;
    this.#request = request;
    this.#options = {
      onProgress,
      onState,
      onRetry,
      concurrency: Math.max(1, concurrency ?? CONCURRENCY),
      retries: retries ?? RETRIES,
      timeout: timeout ?? TIMEOUT,
    };
    this.#meter = new Meter(file.size);
    const { expires_in, ...same } = request;
    const facts = file instanceof File ? [file.webkitRelativePath || file.name, file.lastModified] : null;
    this.#fingerprint = JSON.stringify([service.base, facts, file.size, file.type, same]);
    // Without name and date one cannot tell it from another; and chosen twice at once, it is two uploads.
    if (facts && !service.active.has(this.#fingerprint)) {
      service.active.add(this.#fingerprint);
      this.#remembers = true;
    }
    signal?.addEventListener("abort", () => this.cancel(), { signal: this.#life.signal });
    if (signal?.aborted) this.#life.abort();
    /** What `then` speaks for. */
    this.promise = this.#live();
  }

  get file() {
    return this.#file;
  }

  get state() {
    return this.#state;
  }

  /** How far it is now, as `onProgress` is told. */
  get progress() {
    return this.#meter.read();
  }

  /** The upload's id, once it has one; null before. */
  get id() {
    return this.#upload?.id ?? null;
  }

  /** Gives up what is on its way, and keeps what arrived. Of an upload that is over, does nothing. */
  pause() {
    if (this.#gate || this.#isOver) return;
    let open = () => {};
    const opened = new Promise((/** @type {(value: void) => void} */ resolve) => (open = resolve));
    this.#enter("paused");
    this.#gate = { open, opened };
    this.#run.abort();
  }

  /** Goes on. */
  resume() {
    const gate = this.#gate;
    if (!gate || this.#isOver) return;
    this.#gate = null;
    this.#enter("queued");
    gate.open();
  }

  /**
   * Gives it up, and has S3 throw away what arrived; a failed one too. What awaits it is told "aborted".
   * @returns {Promise<void>} settled once the service has answered; if it cannot be told, the upload expires
   */
  async cancel() {
    if (this.#state === "stored" || this.#state === "cancelled") return;
    const wasOver = this.#isOver;
    this.#gate?.open();
    this.#gate = null;
    if (!wasOver) this.#enter("cancelled");
    this.#life.abort();
    this.#run.abort();
    // One that is just being created must be known before it can be given up.
    const upload = await this.#begun?.catch(() => null);
    if (!upload) return;
    this.#service.notebook.forget(upload.id);
    const always = new AbortController().signal;
    await this.#retrying(() => this.#call("DELETE", pathOf(upload)), always).catch(() => {});
  }

  /**
   * @template [T=Completed], [E=never]
   * @param {((value: Completed) => T | PromiseLike<T>) | null} [onFulfilled]
   * @param {((reason: any) => E | PromiseLike<E>) | null} [onRejected]
   * @returns {Promise<T | E>}
   */
  then(onFulfilled, onRejected) {
    return this.promise.then(onFulfilled, onRejected);
  }

  /**
   * @template [E=never]
   * @param {((reason: any) => E | PromiseLike<E>) | null} [onRejected]
   * @returns {Promise<Completed | E>}
   */
  catch(onRejected) {
    return this.promise.catch(onRejected);
  }

  /** @param {(() => void) | null} [onFinally] @returns {Promise<Completed>} */
  finally(onFinally) {
    return this.promise.finally(onFinally);
  }

  get #isOver() {
    return ["stored", "failed", "cancelled"].includes(this.#state);
  }

  /** @param {UploadStatus} state */
  #enter(state) {
    if (this.#state === state || this.#isOver || (this.#gate && state !== "cancelled")) return;
    this.#state = state;
    tell(this.#options.onState, state);
  }

  #report() {
    tell(this.#options.onProgress, this.#meter.read());
  }

  /** @returns {Promise<Completed>} */
  async #live() {
    await null; // whoever asked for it holds it before it first tells anything
    try {
      for (;;) {
        await this.#gate?.opened;
        if (this.#life.signal.aborted) throw aborted();
        this.#run = new AbortController();
        try {
          const completed = await this.#attempt(this.#run.signal);
          this.#gate = null;
          this.#enter("stored");
          this.#service.notebook.forget(this.#upload?.id ?? "");
          return completed;
        } catch (error) {
          // Paused, or paused and resumed already.
          if (!this.#run.signal.aborted || this.#life.signal.aborted) throw error;
        }
      }
    } catch (error) {
      if (this.#life.signal.aborted) {
        this.#enter("cancelled");
        throw aborted();
      }
      this.#gate = null;
      this.#enter("failed");
      this.#abandon(error);
      throw error;
    } finally {
      if (this.#remembers) this.#service.active.delete(this.#fingerprint);
    }
  }

  /** Leaves nothing behind of an upload that can never be completed. @param {unknown} error */
  #abandon(error) {
    const upload = this.#upload;
    if (!upload || !(error instanceof UploadError) || !LOST.has(error.code)) return;
    this.#service.notebook.forget(upload.id);
    if (!GONE.has(error.code) && upload.method === "multipart") {
      this.#service.call("DELETE", pathOf(upload)).catch(() => {});
    }
  }

  /** @param {AbortSignal} signal @returns {Promise<Completed>} */
  async #attempt(signal) {
    await this.#service.slots.take(signal);
    try {
      // Not ended by a pause: what is asked for twice would be created twice.
      this.#begun ??= this.#begin().catch((error) => {
        this.#begun = null;
        throw error;
      });
      await unlessAborted(this.#begun, signal);
      for (let rounds = 1; ; rounds += 1) {
        this.#enter("uploading");
        this.#report();
        if (this.#upload?.method === "multipart") await this.#sendParts(signal);
        else await this.#sendWhole(signal);
        this.#enter("completing");
        try {
          return await this.#complete(signal);
        } catch (error) {
          if (!(error instanceof UploadError) || error.code !== "upload_incomplete") throw error;
          if (this.#refusedAsThere) {
            const message = "There is an object under this key already";
            throw new UploadError("object_exists", message, { status: 409 });
          }
          if (rounds >= Math.min(MOST_ROUNDS, this.#options.retries)) throw error;
          await pauseFor(FIRST_DELAY * 2 ** rounds, signal);
          await this.#lookAgain(signal);
        }
      }
    } finally {
      this.#service.slots.give();
    }
  }

  /** @param {AbortSignal} signal @returns {Promise<Completed>} */
  #complete(signal) {
    const path = `${pathOf(/** @type {Upload} */ (this.#upload))}/complete`;
    const { retries: asked } = this.#options;
    const retries = asked && Math.max(asked, LEAST_COMPLETE_RETRIES);
    return this.#retrying(() => this.#call("POST", path, { body: {}, signal }), signal, retries);
  }

  /** @param {AbortSignal} signal */
  async #lookAgain(signal) {
    this.#arrived.clear();
    this.#meter.start(0);
    const upload = this.#upload;
    if (upload?.method === "multipart") {
      const state = await this.#retrying(() => this.#call("GET", pathOf(upload), { signal }), signal);
      this.#takeDown(upload, state);
    }
  }

  /** @param {MultipartUpload} upload @param {UploadState} state */
  #takeDown(upload, state) {
    let bytes = 0;
    for (const { part_number, size } of state.parts ?? []) {
      if (size !== this.#slice(upload, part_number).size) continue;
      this.#arrived.add(part_number);
      bytes += size;
    }
    if (state.status === "stored") {
      for (let number = 1; number <= upload.part_count; number += 1) this.#arrived.add(number);
      bytes = this.#file.size;
    }
    this.#meter.start(bytes);
  }

  // --- How it begins ---

  /** @returns {Promise<Upload>} */
  async #begin() {
    const upload = (await this.#takeUp()) ?? (await this.#create());
    this.#upload = upload;
    if (upload.method === "multipart") {
      this.#signedUntil = Date.parse(upload.expires_at);
      for (const part of upload.parts) this.#signed.set(part.part_number, part);
    }
    return upload;
  }

  /** Goes on with an upload of the same file. @returns {Promise<MultipartUpload | null>} */
  async #takeUp() {
    const { notebook } = this.#service;
    const known = this.#remembers ? notebook.get(this.#fingerprint) : null;
    if (!known) return null;
    this.#enter("creating");
    try {
      /** @type {UploadState} */
      const state = await this.#ask("GET", pathOf(known));
      const { part_size, part_count } = state;
      const fits = part_size && part_count === Math.max(1, Math.ceil(this.#file.size / part_size));
      if (fits && state.status !== "aborted") {
        /** @type {MultipartUpload} */
        const upload = {
          method: "multipart",
          id: known.id,
          key: state.key,
          expires_at: known.started_at, // the URLs are gone; new ones are asked for
          upload_expires_at: known.expires_at,
          part_size,
          part_count,
          parts: [],
        };
        this.#partChecksum = this.#ownAlgorithm;
        this.#takeDown(upload, state);
        return upload;
      }
    } catch (error) {
      if (!(error instanceof UploadError) || !GONE.has(error.code)) throw error;
    }
    notebook.forget(known.id);
    return null;
  }

  /** @returns {OwnAlgorithm | null} the checksum asked for, in so far as it is to be computed of parts */
  get #ownAlgorithm() {
    const { checksum } = this.#request;
    const algorithm = typeof checksum === "string" ? checksum : checksum?.algorithm;
    return /** @type {OwnAlgorithm | undefined} */ (algorithm) ?? null;
  }

  /** @returns {Promise<Upload>} */
  async #create() {
    const { checksum } = this.#request;
    const upload = await (typeof checksum === "string" ? this.#postWith(checksum) : this.#post(checksum));
    if (upload.method === "multipart") {
      this.#partChecksum = this.#ownAlgorithm;
      this.#note(upload);
    }
    return upload;
  }

  /**
   * Creates an upload with a checksum that is computed here: of the file before, or of the parts meanwhile.
   * @param {OwnAlgorithm} algorithm @returns {Promise<Upload>}
   */
  async #postWith(algorithm) {
    const small = this.#file.size <= HASHED_FIRST;
    const partwise = !small || this.#request.method === "multipart";
    const ofParts = () => this.#post({ algorithm, value: null });
    const ofFile = async () => this.#post(await this.#hashed(algorithm));
    try {
      return await (partwise ? ofParts() : ofFile());
    } catch (error) {
      if (!isOtherwise(error)) throw error;
      // A large file's SHA-256 cannot be computed: browsers want all of its bytes in memory at once.
      if (partwise && !small && algorithm === "sha256") throw error;
      return await (partwise ? ofFile() : ofParts());
    }
  }

  /**
   * @param {{ algorithm: string, value: string | null } | null | undefined} checksum
   * @returns {Promise<Upload>}
   */
  #post(checksum) {
    this.#enter("creating");
    const filename = this.#file instanceof File ? this.#file.name : null;
    const { checksum: _, ...request } = this.#request;
    const body = { filename, content_type: this.#file.type || null, size: this.#file.size, ...request };
    return this.#ask("POST", "/v1/uploads", checksum ? { ...body, checksum } : body);
  }

  /** @param {OwnAlgorithm} algorithm @returns {Promise<Checksum>} */
  async #hashed(algorithm) {
    this.#enter("hashing");
    const value = await this.#service.digests.compute(algorithm, this.#file);
    return { algorithm, value };
  }

  /** @param {MultipartUpload} upload */
  #note({ id, key, upload_expires_at }) {
    if (!this.#remembers || !(this.#file instanceof File)) return;
    const { name, type, size, lastModified } = this.#file;
    this.#service.notebook.set(this.#fingerprint, {
      id,
      key,
      filename: name,
      content_type: type,
      size,
      last_modified: lastModified,
      policy: this.#request.policy ?? null,
      checksum: typeof this.#request.checksum === "string" ? this.#request.checksum : null,
      started_at: new Date().toISOString(),
      expires_at: upload_expires_at,
    });
  }

  // --- How the bytes travel ---

  /** In one request: a PUT, or a form. @param {AbortSignal} signal */
  async #sendWhole(signal) {
    let failures = 0;
    let refused = 0;
    let sent = false;
    let silent = false;
    while (!this.#arrived.has(1)) {
      const upload = /** @type {PutUpload | PostUpload} */ (this.#upload);
      const { carried } = this.#meter;
      try {
        await this.#sendOne(1, this.#file.size, this.#wholeRequest(upload), signal, silent);
      } catch (error) {
        // Where nobody listens to its progress, a form needs no preflight, which not all stores answer.
        silent = upload.method === "post" && this.#meter.carried === carried;
        if (error instanceof UploadError && error.status === 412) {
          // The object is there: ours, whose answer was lost, or somebody's. Completion tells.
          this.#refusedAsThere = true;
          this.#arrived.add(1);
        } else if (isExpired(error, Date.parse(upload.expires_at)) && refused < 2) {
          refused += 1;
          // An earlier try may have arrived, and only its answer been lost.
          if (sent && (await this.#isThere(upload, signal))) this.#arrived.add(1);
          else this.#upload = await this.#createAnew();
        } else {
          failures = await this.#recover(error, failures, signal);
        }
        sent = true;
      }
    }
  }

  /** @returns {Promise<Upload>} */
  #createAnew() {
    this.#begun = this.#create();
    return this.#begun;
  }

  /** @param {Upload} upload @param {AbortSignal} signal */
  async #isThere(upload, signal) {
    /** @type {UploadState} */
    const { status } = await this.#retrying(() => this.#call("GET", pathOf(upload), { signal }), signal);
    return status === "stored";
  }

  /** @param {PutUpload | PostUpload} upload @returns {StorageRequest} */
  #wholeRequest(upload) {
    if (upload.method === "put") return { ...upload, method: "PUT", body: this.#file };
    if (upload.method !== "post") {
      const { method } = /** @type {{ method: string }} */ (upload);
      throw new UploadError("method_not_available", `Unknown method: ${method}`);
    }
    const form = new FormData();
    for (const [name, value] of Object.entries(upload.fields)) form.append(name, value);
    form.append("file", this.#file); // last: S3 reads no field after it
    return { url: upload.url, method: "POST", body: form };
  }

  /** In parts, several at a time. @param {AbortSignal} signal */
  async #sendParts(signal) {
    const upload = /** @type {MultipartUpload} */ (this.#upload);
    const lacking = Array.from({ length: upload.part_count }, (_, index) => index + 1).filter(
      (number) => !this.#arrived.has(number),
    );
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const sendNext = async () => {
      for (let number = lacking.shift(); number !== undefined; number = lacking.shift()) {
        if (await this.#sendPart(upload, number, lacking, either)) continue;
        lacking.length = 0; // S3 knows the upload no more; completion tells whether it is stored or lost
      }
    };
    const lanes = Array.from({ length: Math.min(this.#options.concurrency, lacking.length) }, sendNext);
    try {
      await Promise.all(lanes);
    } catch (error) {
      stop.abort();
      await Promise.allSettled(lanes);
      throw error;
    }
  }

  /**
   * @param {MultipartUpload} upload @param {number} number @param {readonly number[]} following
   * @param {AbortSignal} signal
   * @returns {Promise<boolean>} whether S3 still knows the upload
   */
  async #sendPart(upload, number, following, signal) {
    const body = this.#slice(upload, number);
    for (let failures = 0, refused = 0; ; ) {
      try {
        const { url, headers } = await this.#signedPart(upload, number, following, signal);
        await this.#sendOne(number, body.size, { method: "PUT", url, headers, body }, signal);
        return true;
      } catch (error) {
        if (error instanceof UploadError && error.code === "storage_rejected") {
          if (error.reason === "NoSuchUpload") return false;
          if (isExpired(error, Infinity) && refused < 2) {
            refused += 1;
            this.#signed.delete(number);
            continue;
          }
        }
        failures = await this.#recover(error, failures, signal);
      }
    }
  }

  /**
   * @param {MultipartUpload} upload @param {number} number @param {readonly number[]} following
   * @param {AbortSignal} signal
   * @returns {Promise<SignedPart>}
   */
  async #signedPart(upload, number, following, signal) {
    const algorithm = this.#partChecksum;
    if (algorithm) {
      const computing = this.#service.digests.compute(algorithm, this.#slice(upload, number));
      return this.#sign(upload, [number], signal, [await unlessAborted(computing, signal)]);
    }
    // By this browser's clock, which may be wrong: then S3 says so, or new ones are asked for in vain.
    if (Date.now() >= this.#signedUntil) this.#signed.clear();
    for (;;) {
      const part = this.#signed.get(number);
      if (part) return part;
      const numbers = [number, ...following.slice(0, SIGNED_AT_ONCE - 1)];
      this.#signing ??= this.#sign(upload, numbers, signal).finally(() => (this.#signing = null));
      await this.#signing;
    }
  }

  /**
   * @param {MultipartUpload} upload @param {number[]} part_numbers @param {AbortSignal} signal
   * @param {string[]} [checksums]
   * @returns {Promise<SignedPart>} the first of them
   */
  async #sign(upload, part_numbers, signal, checksums) {
    const body = { part_numbers, ...(checksums && { checksums }) };
    /** @type {{ parts: SignedPart[], expires_at: string }} */
    const { parts, expires_at } = await this.#call("POST", `${pathOf(upload)}/parts`, { body, signal });
    if (!checksums) {
      this.#signedUntil = Date.parse(expires_at);
      for (const part of parts) this.#signed.set(part.part_number, part);
    }
    return /** @type {SignedPart} */ (parts[0]);
  }

  /** @param {MultipartUpload} upload @param {number} number @returns {Blob} */
  #slice({ part_size }, number) {
    return this.#file.slice((number - 1) * part_size, number * part_size);
  }

  /**
   * Sends one request's bytes, and counts them.
   * @param {number} number @param {number} size
   * @param {StorageRequest} request @param {AbortSignal} signal
   * @param {boolean} [silent] whether to count them only once they have arrived
   */
  async #sendOne(number, size, request, signal, silent = false) {
    /** @param {number} bytes */
    const onLoaded = (bytes) => {
      this.#meter.move(number, bytes);
      // All bytes of the file are told of only once S3 has them.
      if (this.#meter.read().loaded < this.#file.size) this.#report();
    };
    try {
      const { answered } = this.#service;
      const listener = silent ? undefined : onLoaded;
      await send(request, { size, signal, timeout: this.#options.timeout, onLoaded: listener, answered });
      this.#arrived.add(number);
      this.#meter.end(number, size);
    } catch (error) {
      this.#meter.end(number, 0);
      throw error;
    } finally {
      this.#report();
    }
  }

  // --- What is tried again ---

  /**
   * @param {string} method @param {string} path
   * @param {{ body?: object, signal?: AbortSignal }} [options]
   */
  #call(method, path, options) {
    return this.#service.call(method, path, { ...options, timeout: this.#options.timeout });
  }

  /**
   * Asks the service, for as long as the upload lives.
   * @param {string} method @param {string} path @param {object} [body]
   */
  #ask(method, path, body) {
    // Without the signal: an upload whose creation is not waited for could not be given up.
    return this.#retrying(() => this.#call(method, path, body && { body }), this.#life.signal);
  }

  /**
   * @template T @param {() => Promise<T>} work @param {AbortSignal} signal @param {number} [retries]
   * @returns {Promise<T>}
   */
  async #retrying(work, signal, retries) {
    for (let failures = 0; ; ) {
      try {
        return await work();
      } catch (error) {
        failures = await this.#recover(error, failures, signal, retries);
      }
    }
  }

  /**
   * Waits for the next try, or throws what there is no use in trying again.
   * @param {unknown} error @param {number} failures in a row, before this one
   * @param {AbortSignal} signal @param {number} [retries]
   * @returns {Promise<number>} failures in a row
   */
  async #recover(error, failures, signal, retries = this.#options.retries) {
    if (signal.aborted) throw aborted();
    if (!isTransient(error)) throw error;
    const failed = /** @type {UploadError} */ (error);
    if (failed.code === "network_error") await readable(this.#file.slice(0, 1).arrayBuffer());
    const offline = navigator.onLine === false;
    const strange = failed.code === "network_error" && !this.#service.answered.has(failed.origin);
    // Only who says to be still at it is given longer than others.
    const patient = failed.code === "storage_unavailable" ? retries : Math.min(retries, this.#options.retries);
    const most = strange ? Math.min(patient, RETRIES_AT_FIRST) : patient;
    if (failures >= most && !offline) throw error;
    const longest = offline ? LONGEST_DELAY : Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** failures);
    // Jitter, so that what failed together does not come back together.
    const delay = Math.max(longest * (0.5 + Math.random() / 2), failed.retryAfter * 1000);
    const attempt = failures + (offline ? 0 : 1);
    tell(this.#options.onRetry, { attempt, delay: delay / 1000, error: failed });
    await pauseFor(delay, signal);
    return attempt;
  }
}

/** @param {{ id: string }} upload */
const pathOf = ({ id }) => `/v1/uploads/${encodeURIComponent(id)}`;

/**
 * Whether a URL or form was refused because its time was up. S3 servers differ in how they say it.
 * @param {unknown} error @param {number} ends when it should be, in milliseconds
 */
function isExpired(error, ends) {
  if (!(error instanceof UploadError)) return false;
  if (error.code === "network_error") return Date.now() >= ends; // a refusal that the page may not read
  return error.code === "storage_rejected" && (error.status === 403 || /expired/i.test(error.reason));
}

/** @param {unknown} error whether the service would take a checksum, but not so */
function isOtherwise(error) {
  if (!(error instanceof UploadError)) return false;
  if (error.code === "method_not_available") return true;
  return error.problem?.errors?.some(({ field }) => field === "checksum.value") ?? false;
}

/** @param {ClientOptions} [options] */
export function createClient(options = {}) {
  const { baseUrl = "", getToken, credentials = "same-origin", storage, scope = "", maxUploads } = options;
  const base = baseUrl.replace(/\/+$/, "");
  const { origin } = new URL(base || "/", globalThis.location.href);
  /** @type {Set<string>} */
  const answered = new Set();

  /** @param {boolean} refresh */
  async function token(refresh) {
    try {
      return await getToken?.({ refresh });
    } catch (cause) {
      throw new UploadError("token_unavailable", "There is no token to call the service with", { cause });
    }
  }

  /**
   * @param {string} method @param {string} path
   * @param {{ body?: object, signal?: AbortSignal, timeout?: number, refresh?: boolean }} [options]
   * @returns {Promise<any>}
   */
  async function call(method, path, options = {}) {
    const { body, signal, timeout = TIMEOUT, refresh = false } = options;
    const bearer = await token(refresh);
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (bearer) headers.Authorization = `Bearer ${bearer}`;
    if (body) headers["Content-Type"] = "application/json";
    const patience = AbortSignal.timeout(timeout * 1000);
    const init = {
      method,
      headers,
      credentials,
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
      body: JSON.stringify(body),
    };
    let response, answer;
    try {
      response = await fetch(base + path, init);
      answered.add(origin);
      const isJson = /^application\/(problem\+)?json\b/.test(response.headers.get("Content-Type") ?? "");
      answer = isJson ? await response.json() : null;
    } catch (cause) {
      if (signal?.aborted) throw aborted();
      throw new UploadError("network_error", "The upload service could not be reached", { cause, origin });
    }
    const { status } = response;
    if (response.ok && (answer || status === 204)) return answer;
    if (status === 401 && getToken && !refresh) return call(method, path, { ...options, refresh: true });
    const details = { status, retryAfter: Number(response.headers.get("Retry-After")) || 0 };
    if (answer?.code) {
      throw new UploadError(answer.code, answer.detail ?? answer.title, { ...details, problem: answer });
    }
    throw new UploadError("http_error", `Not an answer of the upload service (${status})`, details);
  }

  const notebook = new Notebook(storage, scope);
  /** @type {Service} */
  const service = {
    call,
    base: base || origin,
    notebook,
    digests: new Digests(),
    slots: new Slots(maxUploads ?? Infinity),
    active: new Set(),
    answered,
  };

  return {
    /**
     * Uploads one file: asks for a place, sends the bytes to S3, and has the service verify what landed.
     *
     * A large file that was being uploaded from this browser before goes on where it was.
     * @param {File | Blob} file
     * @param {UploadRequest & TransferOptions} [options]
     * @returns {UploadTask} to be awaited: `receipt` is a JWT that your own backend can check
     */
    upload: (file, options = {}) => new UploadTask(service, file, options),

    /**
     * What this browser began and did not finish, but for what is under way from this page, the latest first.
     * A page can offer to go on with it.
     * @returns {Unfinished[]}
     */
    unfinished: () => notebook.list(service.active),

    /** Offers an unfinished upload no more. Its parts stay in S3 until they expire. @param {string} id */
    forget: (id) => notebook.forget(id),

    /**
     * Gives an unfinished upload up: S3 throws its parts away.
     * @param {string} id
     * @returns {Promise<void>}
     */
    async discard(id) {
      try {
        await call("DELETE", pathOf({ id }));
      } catch (error) {
        if (!(error instanceof UploadError) || !GONE.has(error.code)) throw error;
      }
      notebook.forget(id);
    },

    /**
     * What the caller may upload, to be told and checked before a file is sent.
     * @param {{ signal?: AbortSignal }} [options]
     * @returns {Promise<Policy[]>}
     */
    async listPolicies({ signal } = {}) {
      return (await call("GET", "/v1/policies", { signal })).policies;
    },

    /** What S3 says of an upload now. @param {string} id @returns {Promise<UploadState>} */
    getUpload: (id) => call("GET", pathOf({ id })),

    /**
     * The caller's own objects, a page at a time: hand `cursor` back for the next, until it is null.
     * @param {{ prefix?: string, cursor?: string | null, limit?: number, signal?: AbortSignal }} [options]
     * @returns {Promise<{ objects: ListedObject[], cursor: string | null }>}
     */
    listObjects({ prefix, cursor, limit, signal } = {}) {
      const query = new URLSearchParams();
      if (prefix) query.set("prefix", prefix);
      if (cursor) query.set("cursor", cursor);
      if (limit) query.set("limit", String(limit));
      return call("GET", `/v1/objects?${query}`, { signal });
    },

    /** @param {string} key the whole key @returns {Promise<void>} */
    deleteObject: (key) => call("DELETE", `/v1/object?${new URLSearchParams({ key })}`),

    /**
     * A URL that serves one object for a while, to anyone who has it.
     * @param {string} key the whole key
     * @param {{ disposition?: "inline" | "attachment", filename?: string, expires_in?: number }} [options]
     * @returns {Promise<{ url: string, expires_at: string }>}
     */
    download: (key, options) => call("POST", "/v1/downloads", { body: { key, ...options } }),
  };
}
