/**
 * Upload files from a browser straight to S3 through an uploadsvc service. One module, no dependencies.
 *
 *     import { createClient } from "./uploadsvc.js";
 *     const client = createClient({ baseUrl: "https://uploads.example.com", getToken });
 *     const { object, receipt } = await client.upload(file, { onProgress: ({ loaded, total }) => … });
 *
 * Await what `upload` returns, or pause, resume and cancel it. A large file is sent in parts, several at a
 * time. Failed requests are retried. If the page closes during an upload, choose the same file again to
 * resume it.
 *
 * A file must not change while it is sent: the module checks its size and date before it completes an upload.
 * With `checksum: "crc32"`, S3 also compares the bytes.
 *
 * Runs in browsers of 2023 and later: Chrome and Edge 111, Firefox 115, Safari 16.4, also on phones.
 *
 * Requests and responses have the field names of the HTTP API, which `/docs` on the service describes.
 * A page's content security policy needs the service and the bucket in `connect-src`. With `blob:` in
 * `worker-src`, checksums are computed in a worker; without it, in the page.
 *
 * Sections: types, limits, errors, waiting, the service's API, requests to S3, checksums, state kept
 * across reloads, concurrency and progress, retries, sending a file, creating an upload, running an upload,
 * the task, the client.
 */

// --- Types ---

/**
 * @typedef {object} ClientOptions
 * @property {string} [baseUrl] URL of the service; the page's own origin by default
 * @property {(options: { refresh: boolean }) => string | null | Promise<string | null>} [getToken] returns the
 *   current bearer token; called once more with `refresh: true` when the service answers 401
 * @property {RequestCredentials} [credentials] "include" to send cookies to a service on another origin.
 *   S3 never receives a cookie or the token.
 * @property {Memory | null} [storage] where unfinished uploads are saved: `localStorage` by default, if
 *   available; null saves nothing. Tokens and URLs are never saved.
 * @property {string} [scope] name of the current user, where several people share a browser: uploads saved in
 *   one scope are not offered in another
 * @property {number} [maxUploads] files to upload at a time; unlimited by default
 *
 * @typedef {Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">} Memory
 *
 * @typedef {Client} UploadClient what `createClient` returns
 *
 * @typedef {"queued" | "hashing" | "creating" | "uploading" | "paused" | "completing" | "stored" | "failed"
 *   | "cancelled"} UploadStatus the last three are final
 *
 * @typedef {object} Progress
 * @property {number} loaded bytes of the file; may go down when some must be sent again
 * @property {number} total bytes; equal to `loaded` once all are sent
 * @property {number | null} rate bytes per second over the last seconds; null while unknown
 * @property {number | null} remaining seconds at that rate; null while unknown
 * @property {number} idle seconds since the last bytes were sent; reported every second while S3 takes none
 *
 * @typedef {object} Retry a failed request that will be sent again
 * @property {number} attempt number of consecutive failures
 * @property {number} delay seconds until the next try; less if the browser comes back online
 * @property {UploadError} error
 *
 * @typedef {"crc32" | "sha256"} OwnAlgorithm checksums that this module computes
 *
 * @typedef {object} UploadRequest body of `POST /v1/uploads`; the service chooses what is omitted
 * @property {string | null} [filename] by default, the file's, with its folders (`photos/2026/a.jpg`) if it was
 *   chosen in one; they are kept if the policy has `keeps_folders`
 * @property {string | null} [content_type] by default, the file's, with `charset=utf-8` if it is UTF-8 text
 * @property {string | null} [policy]
 * @property {"auto" | "put" | "post" | "multipart" | null} [method]
 * @property {string | null} [relative_key]
 * @property {Record<string, string> | null} [metadata]
 * @property {OwnAlgorithm | Checksum | null} [checksum] checksum for S3 to verify: an algorithm, to have it
 *   computed here, or the value for the whole file (checksums of parts are computed here)
 * @property {boolean | null} [overwrite]
 * @property {number | null} [expires_in] seconds
 *
 * @typedef {object} TransferOptions
 * @property {AbortSignal} [signal] cancels the upload, as `cancel` does
 * @property {(progress: Progress) => void} [onProgress]
 * @property {(state: UploadStatus) => void} [onState] called at each change
 * @property {(retry: Retry) => void} [onRetry]
 * @property {number} [concurrency] parts to send at a time; 4 by default
 * @property {number} [retries] consecutive retries of a request before the upload fails; 12 by default, which
 *   take some minutes. Retries while the browser is offline do not count.
 * @property {number} [timeout] seconds without activity after which a request fails; 60 by default
 *
 * @typedef {{ algorithm: string, value: string }} Checksum the value is in base64
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
 * @typedef {object} UploadState response of `GET /v1/uploads/{id}`
 * @property {"pending" | "uploading" | "stored" | "aborted"} status
 * @property {string} key
 * @property {number | null} part_size
 * @property {number | null} part_count
 * @property {{ part_number: number, size: number, etag: string }[] | null} parts parts that arrived
 *
 * @typedef {object} Unfinished a multipart upload started in this browser; upload the same file with the same
 *   options to resume it
 * @property {string} id
 * @property {string} key the whole object key
 * @property {string} filename
 * @property {string | null} path the file with its folders, to pass as `filename`; null if it was not in one
 * @property {string} content_type
 * @property {number} size bytes
 * @property {number} last_modified `File.lastModified`, in milliseconds
 * @property {string | null} policy
 * @property {string | null} relative_key
 * @property {OwnAlgorithm | null} checksum the algorithm to pass again; null if none was named
 * @property {string} started_at
 * @property {string} expires_at end of the time in which it can be resumed
 *
 * @typedef {object} Policy rules for one kind of upload; sizes are in bytes, durations in seconds
 * @property {string} name
 * @property {number} min_size
 * @property {number} max_size
 * @property {string[]} content_types media types and ranges, such as `image/*`
 * @property {("put" | "post" | "multipart")[]} methods
 * @property {number} expires_in
 * @property {number} max_expires_in
 * @property {boolean} client_keys whether requests may set `relative_key`
 * @property {boolean} keeps_folders whether keys keep the folders of `filename`
 * @property {boolean} overwrite
 * @property {string[]} metadata names that requests may set
 * @property {"off" | "optional" | "required"} checksum
 * @property {string[]} checksum_algorithms
 *
 * @typedef {{ type: string, title: string, status: number, detail?: string, code: string,
 *   errors?: { field: string, detail: string }[], quota?: ExceededQuota }} Problem
 *
 * @typedef {object} ExceededQuota the quota that an upload does not fit into, with `quota_exceeded`
 * @property {"bytes_per_day" | "unfinished_uploads"} name
 * @property {number} limit bytes, or uploads
 * @property {number} left bytes, or uploads
 * @property {string | null} frees_at when the upload would fit; null if it never does
 */

/**
 * @typedef {object} Service shared by a client and its uploads
 * @property {Api} api
 * @property {ResumeStore} resumeStore
 * @property {ChecksumWorker} checksums
 * @property {Semaphore} slots
 * @property {Set<string>} answered origins, of the service and of S3, whose responses this page could read
 *
 * @typedef {object} TaskOptions `TransferOptions` with defaults filled in
 * @property {((progress: Progress) => void) | undefined} onProgress
 * @property {((state: UploadStatus) => void) | undefined} onState
 * @property {((retry: Retry) => void) | undefined} onRetry
 * @property {number} concurrency
 * @property {number} retries
 * @property {number} timeout
 *
 * @typedef {{ method: string, url: string, headers?: Record<string, string>,
 *   body: Blob | FormData }} StorageRequest
 */

// --- Limits ---

const MIB = 1024 ** 2;

/** Parts sent at a time. */
const CONCURRENCY = 4;

/** Part URLs requested at once. */
const SIGNED_AT_ONCE = 100;

/** Consecutive retries: some minutes in all. */
const RETRIES = 12;

/** Retries of a host that has never answered: most likely it does not allow this page. */
const RETRIES_AT_FIRST = 4;

/** Retries of `getToken` before the service has accepted a token for the upload: rather a mistake than an outage. */
const TOKEN_RETRIES_AT_FIRST = 2;

/** Milliseconds before the first retry, at most; each later delay is twice as long. */
const FIRST_DELAY = 500;
const MAX_DELAY = 30_000;

/** S3 may take minutes to assemble the parts, and the service reports so every few seconds. */
const MIN_COMPLETE_RETRIES = 60;

/** Seconds without activity. */
const TIMEOUT = 60;

/** Seconds without activity once an upload is paused. */
const PAUSED_TIMEOUT = 5;

/** Milliseconds over which the rate is measured. */
const RATE_WINDOW = 8000;

/** Milliseconds between reports while S3 takes no bytes. */
const IDLE_REPORT = 1000;

/** Largest text file that is read to find its encoding. */
const DECODED = 8 * MIB;

/** Largest file whose checksum is computed before the upload; above it, each part's is computed on the way. */
const HASHED_FIRST = 64 * MIB;

/** Times to send a file when completion reports that it is not stored. */
const MAX_ROUNDS = 3;

// --- Errors ---

/** The upload no longer exists. */
const GONE = new Set(["not_found", "upload_expired", "upload_aborted"]);

/** The upload can never be completed. */
const LOST = new Set([...GONE, "object_exists", "verification_failed", "content_mismatch"]);

/** S3's codes for bytes damaged or delayed in transit. */
const DAMAGED_IN_TRANSIT = new Set(["RequestTimeout", "BadDigest", "IncompleteBody"]);

/** Any failure, identified by a stable `code`. */
export class UploadError extends Error {
  /**
   * @param {string} code the problem's `code`, or "network_error", "aborted" (by the page),
   *   "storage_rejected" (by S3), "token_unavailable" (`getToken` failed), "file_unreadable" (changed or
   *   deleted), "checksum_unavailable" (not computable in this browser), "http_error" (response did not come
   *   from the service)
   * @param {string} message
   * @param {{ status?: number, problem?: Problem | null, cause?: unknown, retryAfter?: number,
   *   reason?: string, origin?: string }} [details]
   */
  constructor(code, message, details = {}) {
    const { status = 0, problem = null, cause, retryAfter = 0, reason = "", origin = "" } = details;
    super(message, { cause });
    this.name = "UploadError";
    this.code = code;
    /** HTTP status; 0 without a response. */
    this.status = status;
    /** The `application/problem+json` response, if there was one. */
    this.problem = problem;
    /** Seconds to wait, from the service's `Retry-After`. */
    this.retryAfter = retryAfter;
    /** S3's error code, if there was one. */
    this.reason = reason;
    /** Origin that did not respond. */
    this.origin = origin;
  }
}

const aborted = () => new UploadError("aborted", "The upload was cancelled");

/** @param {unknown} [cause] @param {string} [more] end of the message */
const unreadable = (cause, more = "") =>
  new UploadError("file_unreadable", `The file cannot be read: it was changed, moved or deleted${more}`, { cause });

/**
 * The browser does not tell whether a host is down or does not allow the page, so the message names both.
 * @param {string} host @param {string} whose start of the second cause
 * @param {string} origin @param {Set<string>} answered @param {unknown} [cause]
 */
function unanswered(host, whose, origin, answered, cause) {
  const page = globalThis.location?.origin;
  // A page's own origin needs no CORS, and a host that has answered allows the page.
  const asks = page && page !== origin && !answered.has(origin);
  const refused = asks ? `, or ${whose}does not allow pages of ${page} (its CORS setting)` : "";
  return new UploadError("network_error", `The ${host} did not answer${refused}`, { cause, origin });
}

/** @template T @param {Promise<T>} reading @returns {Promise<T>} */
async function readable(reading) {
  try {
    return await reading;
  } catch (cause) {
    throw unreadable(cause);
  }
}

/** @param {unknown} error @returns {error is UploadError} whether the same request may succeed later */
function isTransient(error) {
  if (!(error instanceof UploadError)) return false;
  const { code, status, reason } = error;
  if (code === "network_error" || code === "token_unavailable") return true;
  // S3 answers 400 to a slow body, and 409 to two simultaneous writes.
  if (code === "storage_rejected") {
    return status >= 500 || [408, 409, 429].includes(status) || DAMAGED_IN_TRANSIT.has(reason);
  }
  return status === 429 || (status >= 500 && !["storage_denied", "storage_misconfigured"].includes(code));
}

/**
 * Tells whether S3 refused a URL or form because it has expired. S3 servers differ in how they say so.
 * @param {unknown} error @param {number} expiry expected time of expiry, in milliseconds
 */
function isExpired(error, expiry) {
  if (!(error instanceof UploadError)) return false;
  if (error.code === "network_error") return Date.now() >= expiry; // the page may not read the refusal
  return error.code === "storage_rejected" && (error.status === 403 || /expired/i.test(error.reason));
}

/** @param {unknown} error whether it may hide a refusal: some stores send no CORS headers with a 404 */
const isUnreadable = (error) => error instanceof UploadError && error.code === "network_error";

/** @param {unknown} error whether the service needs the other kind of checksum: of the file, or of its parts */
function needsOtherChecksum(error) {
  if (!(error instanceof UploadError)) return false;
  if (error.code === "method_not_available") return true;
  return error.problem?.errors?.some(({ field }) => field === "checksum.value") ?? false;
}

// --- Waiting ---

/**
 * Waits until the time is over or the browser comes back online.
 * @param {number} milliseconds @param {AbortSignal} signal @returns {Promise<void>}
 */
function pauseFor(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(aborted());
    const done = () => {
      clearTimeout(timer);
      globalThis.removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      if (signal.aborted) reject(aborted());
      else resolve();
    };
    const timer = setTimeout(done, milliseconds);
    globalThis.addEventListener("online", done);
    signal.addEventListener("abort", done);
  });
}

/**
 * Waits for a promise, or throws "aborted" as soon as the signal is aborted.
 * @template T @param {Promise<T>} promise @param {AbortSignal} signal @returns {Promise<T>}
 */
function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(aborted());
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/**
 * Aborts a controller as soon as a signal is. Safari before 17.4 has no `AbortSignal.any`.
 * @param {AbortController} controller @param {AbortSignal | undefined} signal
 * @returns {() => void} call it once the controller is no longer needed
 */
function abortWith(controller, signal) {
  const abort = () => controller.abort();
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort);
  return () => signal?.removeEventListener("abort", abort);
}

/** Calls one of the page's callbacks. @param {Function | undefined} callback @param {unknown} argument */
function notify(callback, argument) {
  try {
    callback?.(argument);
  } catch (error) {
    reportError(error); // a bug in the page does not end the upload
  }
}

// --- The service's API ---

/** https://www.rfc-editor.org/rfc/rfc6750#section-2.1 */
const TOKEN = /^[\w.~+/-]+=*$/;

/** @param {{ id: string }} upload */
const pathOf = ({ id }) => `/v1/uploads/${encodeURIComponent(id)}`;

/** Calls the service, and refreshes the token when it has expired. */
class Api {
  #getToken;
  #credentials;
  #answered;
  #url;
  #origin;

  /** @param {ClientOptions} options @param {Set<string>} answered gains the service's origin */
  constructor({ baseUrl = "", getToken, credentials = "same-origin" }, answered) {
    this.#getToken = getToken;
    this.#credentials = credentials;
    this.#answered = answered;
    this.#url = baseUrl.replace(/\/+$/, "");
    this.#origin = new URL(this.#url || "/", globalThis.location.href).origin;
  }

  /** URL of the service. */
  get base() {
    return this.#url || this.#origin;
  }

  /**
   * @param {string} method @param {string} path
   * @param {{ body?: object, signal?: AbortSignal, timeout?: number, refresh?: boolean }} [options]
   * @returns {Promise<any>}
   */
  async call(method, path, options = {}) {
    const { response, answer } = await this.#fetch(method, path, options);
    const { status } = response;
    if (response.ok && (answer || status === 204)) return answer;
    if (status === 401 && this.#getToken && !options.refresh) {
      return this.call(method, path, { ...options, refresh: true });
    }
    const details = { status, retryAfter: Number(response.headers.get("Retry-After")) || 0 };
    if (answer?.code) {
      throw new UploadError(answer.code, answer.detail ?? answer.title, { ...details, problem: answer });
    }
    const message = `The response did not come from the upload service (${status})`;
    throw new UploadError("http_error", message, details);
  }

  /**
   * @param {string} method @param {string} path
   * @param {{ body?: object, signal?: AbortSignal, timeout?: number, refresh?: boolean }} options
   * @returns {Promise<{ response: Response, answer: any }>} `answer` is null unless it is JSON
   */
  async #fetch(method, path, { body, signal, timeout = TIMEOUT, refresh = false }) {
    const token = await this.#token(refresh);
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body) headers["Content-Type"] = "application/json";
    const controller = new AbortController();
    const letGo = abortWith(controller, signal);
    const timer = setTimeout(() => controller.abort(), timeout * 1000);
    const init = {
      method,
      headers,
      credentials: this.#credentials,
      signal: controller.signal,
      body: JSON.stringify(body),
    };
    try {
      const response = await fetch(this.#url + path, init);
      this.#answered.add(this.#origin);
      const isJson = /^application\/(problem\+)?json\b/.test(response.headers.get("Content-Type") ?? "");
      return { response, answer: isJson ? await response.json() : null };
    } catch (cause) {
      if (signal?.aborted) throw aborted();
      throw unanswered("upload service", "", this.#origin, this.#answered, cause);
    } finally {
      clearTimeout(timer);
      letGo();
    }
  }

  /** @param {boolean} refresh @returns {Promise<string | null>} */
  async #token(refresh) {
    let token;
    try {
      token = await this.#getToken?.({ refresh });
    } catch (cause) {
      const why = cause instanceof Error && cause.message ? `: ${cause.message}` : "";
      throw new UploadError("token_unavailable", `getToken failed${why}`, { cause });
    }
    if (token === null || token === undefined) return null;
    // With a character that no header may have, `fetch` seems to have met a network error.
    const trimmed = String(token).trim();
    if (TOKEN.test(trimmed)) return trimmed;
    // Never the value itself: it may be secret.
    const html = trimmed.startsWith("<") ? ": it looks like an HTML page" : "";
    const message = `getToken returned something that is not a token${html}`;
    throw new UploadError("token_unavailable", `${message}. Check the URL that it fetches, and response.ok`);
  }
}

// --- Requests to S3 ---

/**
 * Sends bytes to S3, by XMLHttpRequest because fetch does not report upload progress.
 * @param {StorageRequest} request
 * @param {{ size: number, signal: AbortSignal, timeout: number, answered: Set<string>,
 *   onLoaded?: (bytes: number) => void, paused?: AbortSignal }} options `size` of the file in the request, in
 *   bytes; `timeout` in seconds without progress, which applies only with `onLoaded`, and is short once `paused`
 *   is aborted; `answered` gains S3's origin
 * @returns {Promise<void>}
 */
function send({ method, url, headers = {}, body }, { size, signal, timeout, onLoaded, answered, paused }) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(aborted());
    const xhr = new XMLHttpRequest();
    const abort = () => xhr.abort();
    let timer = 0;
    const restartTimer = () => {
      clearTimeout(timer);
      timer = setTimeout(abort, (paused?.aborted ? Math.min(timeout, PAUSED_TIMEOUT) : timeout) * 1000);
    };
    const { origin } = new URL(url);
    const failed = () => unanswered("storage", "its bucket ", origin, answered);
    signal.addEventListener("abort", abort);
    xhr.open(method, url);
    // The headers include Content-Type: it is signed, and browsers omit it for a file without a type.
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    if (onLoaded) {
      restartTimer();
      paused?.addEventListener("abort", restartTimer);
      xhr.upload.onprogress = ({ loaded, total }) => {
        restartTimer();
        // A form's other fields precede the file and do not count.
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
      paused?.removeEventListener("abort", restartTimer);
    };
    xhr.send(body);
  });
}

// --- Checksums ---

/**
 * Computes a checksum in base64, as S3 writes it. The worker runs this function's source, so it uses nothing
 * defined outside it.
 * @param {OwnAlgorithm} algorithm @param {Blob} blob @returns {Promise<string>}
 */
async function digest(algorithm, blob) {
  /** @param {Uint8Array} bytes */
  const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
  if (algorithm === "sha256") {
    return base64(new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer())));
  }
  // https://www.rfc-editor.org/rfc/rfc1952#section-8: by table, one byte at a time.
  const table = new Uint32Array(256).map((_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
    return value;
  });
  let crc = 0xffffffff;
  const block = 1024 * 1024; // yields between blocks when it runs in the page
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

/** Computes checksums in a worker, or in the page if its security policy forbids workers. */
class ChecksumWorker {
  /** Null if no worker can be started. @type {Worker | null | undefined} */
  #worker;
  /** @type {Map<number, { resolve: (value: string) => void, reject: (reason: unknown) => void }>} */
  #pending = new Map();
  #count = 0;

  /** @param {OwnAlgorithm} algorithm @param {Blob} blob @returns {Promise<string>} */
  async compute(algorithm, blob) {
    if (algorithm === "sha256" && !globalThis.crypto?.subtle) {
      throw new UploadError("checksum_unavailable", "Browsers compute SHA-256 on HTTPS pages only");
    }
    if (algorithm !== "sha256" && algorithm !== "crc32") {
      throw new UploadError("checksum_unavailable", `The browser module cannot compute ${algorithm}`);
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
    const worker = (this.#worker ??= this.#start());
    return new Promise((resolve, reject) => {
      if (!worker) return reject();
      this.#count += 1;
      this.#pending.set(this.#count, { resolve, reject });
      worker.postMessage({ number: this.#count, algorithm, blob });
    });
  }

  #start() {
    const listen = `onmessage = ({ data: { number, algorithm, blob } }) => digest(algorithm, blob).then(
      (value) => postMessage({ number, value }), () => postMessage({ number }));`;
    const source = `const digest = ${digest};\n${listen}`;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    try {
      const worker = new Worker(url);
      worker.onmessage = ({ data: { number, value } }) => {
        const { resolve, reject } = this.#pending.get(number) ?? {};
        this.#pending.delete(number);
        if (value === undefined) reject?.(null);
        else resolve?.(value);
      };
      worker.onerror = (event) => {
        event.preventDefault();
        this.#worker = null;
        for (const { reject } of this.#pending.values()) reject(null);
        this.#pending.clear();
      };
      return worker;
    } catch {
      return null;
    }
  }
}

// --- State kept across reloads ---

/**
 * Returns a string by which to recognize a file and its options, or null: a blob without name and date cannot
 * be told from another.
 * @param {string} base @param {File | Blob} file @param {UploadRequest} request
 */
function fingerprintOf(base, file, request) {
  if (!(file instanceof File)) return null;
  const { expires_in, ...same } = request;
  const path = folderPathOf(file, request);
  // The page and the browser can both tell the folders.
  if (path) delete same.filename;
  // With a key of its own, a file is the same whether it was chosen alone or in its folder.
  const facts = [(!request.relative_key && path) || file.name, file.lastModified];
  return JSON.stringify([base, facts, file.size, file.type, same]);
}

/**
 * Returns a file's name with its folders, or null if it is in none.
 * @param {File} file @param {UploadRequest} request
 */
function folderPathOf(file, { filename = file.webkitRelativePath }) {
  return filename?.endsWith(`/${file.name}`) ? filename : null;
}

/** Start of every name in the page's storage. */
const STORAGE_PREFIX = "uploadsvc:";

/** Saves unfinished uploads by the fingerprint of their file, as far as the browser permits. */
class ResumeStore {
  #storage;
  #scope;
  /** Fingerprints of files that this page is uploading. @type {Set<string>} */
  #claimed = new Set();

  /** @param {Memory | null | undefined} storage @param {string} scope */
  constructor(storage, scope) {
    this.#storage = storage;
    this.#scope = STORAGE_PREFIX + JSON.stringify([scope]);
    if (storage === undefined) {
      // Merely reading `localStorage` throws where cookies are blocked.
      this.#storage = this.#attempt(() => globalThis.localStorage) ?? null;
    }
  }

  /**
   * Reserves a fingerprint for one task: a file chosen twice at the same time is two uploads.
   * @param {string} fingerprint @returns {boolean} whether it was free
   */
  claim(fingerprint) {
    if (this.#claimed.has(fingerprint)) return false;
    this.#claimed.add(fingerprint);
    return true;
  }

  /** @param {string} fingerprint */
  release(fingerprint) {
    this.#claimed.delete(fingerprint);
  }

  /** @param {string} fingerprint @returns {Unfinished | null} */
  get(fingerprint) {
    return this.#attempt(() => JSON.parse(this.#storage?.getItem(this.#scope + fingerprint) ?? "null"));
  }

  /** @param {string} fingerprint @param {Unfinished} upload */
  set(fingerprint, upload) {
    this.#attempt(() => this.#storage?.setItem(this.#scope + fingerprint, JSON.stringify(upload)));
  }

  /** @param {string} id */
  forget(id) {
    for (const [name, upload] of this.#entries()) {
      if (upload.id === id) this.#attempt(() => this.#storage?.removeItem(name));
    }
  }

  /** Lists uploads that this page is not running, latest first; forgets expired ones. @returns {Unfinished[]} */
  list() {
    const [live, expired] = [/** @type {Unfinished[]} */ ([]), /** @type {Unfinished[]} */ ([])];
    for (const [name, upload] of this.#entries()) {
      if (this.#claimed.has(name.slice(this.#scope.length))) continue;
      (Date.parse(upload.expires_at) > Date.now() ? live : expired).push(upload);
    }
    for (const { id } of expired) this.forget(id);
    return live.sort((a, b) => Date.parse(b.started_at) - Date.parse(a.started_at));
  }

  /** @returns {[string, Unfinished][]} */
  #entries() {
    /** @type {[string, Unfinished][]} */
    const found = [];
    this.#attempt(() => {
      for (let index = 0; index < (this.#storage?.length ?? 0); index += 1) {
        const name = this.#storage?.key(index);
        if (!name?.startsWith(this.#scope)) continue;
        const upload = this.get(name.slice(this.#scope.length));
        if (upload) found.push([name, upload]);
      }
    });
    return found;
  }

  /** @template T @param {() => T} action @returns {T | null} */
  #attempt(action) {
    try {
      return action();
    } catch {
      return null; // storage is full or forbidden; the upload works without it
    }
  }
}

// --- Concurrency and progress ---

/** Limits the number of concurrent tasks. */
class Semaphore {
  #free;
  /** @type {(() => void)[]} */
  #waiting = [];

  /** @param {number} count */
  constructor(count) {
    this.#free = count;
  }

  /** @param {AbortSignal} signal @returns {Promise<void>} */
  async acquire(signal) {
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

  release() {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free += 1;
  }
}

/** Counts bytes and measures their rate. */
class ProgressMeter {
  /** Bytes of parts that arrived. */
  #done = 0;
  /** Bytes sent of each part on its way. @type {Map<number, number>} */
  #inFlight = new Map();
  /** Bytes sent, including those sent in vain. */
  sent = 0;
  /** @type {[number, number][]} times, and the bytes sent by then */
  #samples = [];
  /** When bytes were last sent. */
  #moved = performance.now();

  /** @param {number} total */
  constructor(total) {
    this.total = total;
  }

  /** @param {number} bytes that arrived before */
  start(bytes) {
    this.#done = bytes;
    this.#inFlight.clear();
    this.#samples = [];
  }

  /** Counts time from now. */
  begin() {
    this.#moved = performance.now();
    this.#samples.push([this.#moved, this.sent]);
  }

  /** @param {number} part @param {number} bytes of it that were sent */
  move(part, bytes) {
    this.sent += Math.max(0, bytes - (this.#inFlight.get(part) ?? 0));
    this.#inFlight.set(part, bytes);
    this.#moved = performance.now();
    this.#samples.push([this.#moved, this.sent]);
  }

  /** @param {number} part @param {number} bytes its size; 0 if it failed */
  end(part, bytes) {
    if (bytes) this.move(part, bytes);
    this.#inFlight.delete(part);
    this.#done += bytes;
  }

  /** @returns {Progress} */
  read() {
    let loaded = this.#done;
    for (const bytes of this.#inFlight.values()) loaded += bytes;
    // The last byte counts only once S3 has answered: the browser has sent it when it is in a buffer.
    if (this.#inFlight.size) loaded = Math.max(0, Math.min(loaded, this.total - 1));
    const now = performance.now();
    while (now - (this.#samples[0]?.[0] ?? now) > RATE_WINDOW) this.#samples.shift();
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    // Until now, not until the last sample: the rate falls while nothing is sent.
    const rate = first && last && last[0] > first[0] ? (1000 * (last[1] - first[1])) / (now - first[0]) : null;
    const left = this.total - loaded;
    const remaining = left === 0 ? 0 : rate ? left / rate : null;
    return { loaded, total: this.total, rate, remaining, idle: (now - this.#moved) / 1000 };
  }
}

// --- Retries ---

/** Calls the service and retries whatever may succeed later. */
class Retrier {
  #service;
  #file;
  #options;
  /** Whether the service has accepted a token for this upload. */
  #accepted = false;

  /** @param {Service} service @param {Blob} file @param {TaskOptions} options */
  constructor(service, file, options) {
    this.#service = service;
    this.#file = file;
    this.#options = options;
  }

  /**
   * Calls the service once.
   * @param {string} method @param {string} path
   * @param {{ body?: object, signal?: AbortSignal }} [options]
   * @returns {Promise<any>}
   */
  async call(method, path, options) {
    const answer = await this.#service.api.call(method, path, { ...options, timeout: this.#options.timeout });
    this.#accepted = true;
    return answer;
  }

  /**
   * Repeats `work` until it succeeds or should not be tried again.
   * @template T @param {() => Promise<T>} work @param {AbortSignal} signal @param {number} [retries]
   * @returns {Promise<T>}
   */
  async run(work, signal, retries) {
    for (let failures = 0; ; ) {
      try {
        return await work();
      } catch (error) {
        failures = await this.recover(error, failures, signal, retries);
      }
    }
  }

  /**
   * Waits before the next try, or throws the error if there should be none.
   * @param {unknown} error @param {number} failures consecutive failures before this one
   * @param {AbortSignal} signal @param {number} [retries]
   * @returns {Promise<number>} consecutive failures
   */
  async recover(error, failures, signal, retries = this.#options.retries) {
    if (signal.aborted) throw aborted();
    if (!isTransient(error)) throw error;
    const failed = /** @type {UploadError} */ (error);
    if (failed.code === "network_error") await readable(this.#file.slice(0, 1).arrayBuffer());
    const offline = navigator.onLine === false;
    if (failures >= this.#limit(failed, retries) && !offline) throw error;
    const longest = offline ? MAX_DELAY : Math.min(MAX_DELAY, FIRST_DELAY * 2 ** failures);
    // Jitter spreads requests that failed together.
    const delay = Math.max(longest * (0.5 + Math.random() / 2), failed.retryAfter * 1000);
    const attempt = failures + (offline ? 0 : 1);
    notify(this.#options.onRetry, { attempt, delay: delay / 1000, error: failed });
    await pauseFor(delay, signal);
    return attempt;
  }

  /** @param {UploadError} error @param {number} retries @returns {number} */
  #limit(error, retries) {
    // "storage_unavailable" may mean that S3 is still assembling the parts; only then the higher limit applies.
    const limit = error.code === "storage_unavailable" ? retries : Math.min(retries, this.#options.retries);
    if (error.code === "token_unavailable" && !this.#accepted) {
      // With a cause, `getToken` threw it; without, it returned no token, and would again.
      return error.cause === undefined ? 0 : Math.min(limit, TOKEN_RETRIES_AT_FIRST);
    }
    const unknown = error.code === "network_error" && !this.#service.answered.has(error.origin);
    return unknown ? Math.min(limit, RETRIES_AT_FIRST) : limit;
  }
}

// --- Sending a file ---

/** Sends requests for one file, and tracks which parts arrived and the progress. */
class Transfer {
  /** Parts that arrived. A file sent in one request is part 1. @type {Set<number>} */
  arrived = new Set();
  #meter;
  #service;
  #options;
  #chosen;
  /** Requests on their way. */
  #running = 0;
  #reporter = 0;

  /** @param {Service} service @param {Blob} file @param {TaskOptions} options */
  constructor(service, file, options) {
    this.file = file;
    this.#service = service;
    this.#options = options;
    this.#meter = new ProgressMeter(file.size);
    this.#chosen = this.#version();
  }

  /**
   * Throws "file_unreadable" if the file is no longer the one that was chosen. Browsers read a file while they
   * send it: without this check, a file that is written meanwhile could be stored as a mix of old and new bytes.
   */
  async checkUnchanged() {
    // Chromium then compares the file's date with that at its choice. In Safari, size and date are current.
    const { byteLength } = await readable(this.file.slice(-1).arrayBuffer());
    if (byteLength !== Math.min(1, this.file.size) || this.#version() !== this.#chosen) throw unreadable();
  }

  #version() {
    const { file } = this;
    return `${file.size} ${file instanceof File ? file.lastModified : ""}`;
  }

  get progress() {
    return this.#meter.read();
  }

  /** Bytes sent so far, including those sent in vain. */
  get sent() {
    return this.#meter.sent;
  }

  /** Calls `onProgress`. */
  report() {
    notify(this.#options.onProgress, this.progress);
  }

  /** Forgets which parts arrived. */
  restart() {
    this.arrived.clear();
    this.#meter.start(0);
  }

  /** Continues from what S3 already has. @param {MultipartUpload} upload @param {UploadState} state */
  restore(upload, state) {
    let bytes = 0;
    for (const { part_number, size } of state.parts ?? []) {
      if (size !== this.slice(upload, part_number).size) continue;
      this.arrived.add(part_number);
      bytes += size;
    }
    if (state.status === "stored") {
      for (let number = 1; number <= upload.part_count; number += 1) this.arrived.add(number);
      bytes = this.file.size;
    }
    this.#meter.start(bytes);
  }

  /** @param {MultipartUpload} upload @param {number} number @returns {Blob} one part of the file */
  slice({ part_size }, number) {
    return this.file.slice((number - 1) * part_size, number * part_size);
  }

  /**
   * Sends one request and counts its bytes as part `number`.
   * @param {number} number @param {number} size
   * @param {StorageRequest} request @param {AbortSignal} signal
   * @param {{ silent?: boolean, paused?: AbortSignal }} [how] `silent` counts the bytes only once all have
   *   arrived; once `paused` is aborted, the request must not stall
   */
  async send(number, size, request, signal, { silent = false, paused } = {}) {
    /** @param {number} bytes */
    const onLoaded = (bytes) => {
      this.#meter.move(number, bytes);
      this.report();
    };
    this.#start();
    try {
      const { answered } = this.#service;
      const { timeout } = this.#options;
      const listener = silent ? {} : { onLoaded };
      await send(request, { size, signal, timeout, answered, ...listener, ...(paused && { paused }) });
      this.arrived.add(number);
      this.#meter.end(number, size);
    } catch (error) {
      this.#meter.end(number, 0);
      throw error;
    } finally {
      this.#stop();
      this.report();
    }
  }

  /** Reports, while requests run, that S3 takes no bytes: no progress event does. */
  #start() {
    this.#running += 1;
    if (this.#running > 1) return;
    this.#meter.begin();
    this.#reporter = setInterval(() => {
      if (1000 * this.progress.idle >= IDLE_REPORT) this.report();
    }, IDLE_REPORT);
  }

  #stop() {
    this.#running -= 1;
    if (!this.#running) clearInterval(this.#reporter);
  }
}

/** Sends a file in one request: a PUT or a form. */
class SingleSender {
  /** Whether S3 refused a PUT because the key is taken: by this file, or by another. */
  existed = false;
  #transfer;
  #retrier;

  /** @param {Transfer} transfer @param {Retrier} retrier */
  constructor(transfer, retrier) {
    this.#transfer = transfer;
    this.#retrier = retrier;
  }

  /**
   * @param {Upload} upload
   * @param {() => Promise<Upload>} recreate creates the upload again when its URL has expired
   * @param {AbortSignal} signal
   */
  async send(upload, recreate, signal) {
    const transfer = this.#transfer;
    let failures = 0;
    let refused = 0;
    let tried = false;
    let silent = false;
    while (!transfer.arrived.has(1)) {
      const { sent } = transfer;
      try {
        await transfer.send(1, transfer.file.size, this.#request(upload), signal, { silent });
      } catch (error) {
        // Without a progress listener a form needs no preflight, which some stores do not answer.
        silent = upload.method === "post" && transfer.sent === sent;
        if (error instanceof UploadError && error.status === 412) {
          // Either an earlier try arrived and its response was lost, or the key is taken. Completion tells.
          this.existed = true;
          transfer.arrived.add(1);
        } else if (isExpired(error, Date.parse(upload.expires_at)) && refused < 2) {
          refused += 1;
          // An earlier try may have arrived with its response lost.
          if (tried && (await this.#isStored(upload, signal))) transfer.arrived.add(1);
          else upload = await recreate();
        } else {
          failures = await this.#retrier.recover(error, failures, signal);
        }
        tried = true;
      }
    }
  }

  /** @param {Upload} upload @param {AbortSignal} signal */
  async #isStored(upload, signal) {
    const ask = () => this.#retrier.call("GET", pathOf(upload), { signal });
    /** @type {UploadState} */
    const { status } = await this.#retrier.run(ask, signal);
    return status === "stored";
  }

  /** @param {Upload} upload @returns {StorageRequest} */
  #request(upload) {
    const { file } = this.#transfer;
    if (upload.method === "put") return { ...upload, method: "PUT", body: file };
    if (upload.method !== "post") {
      throw new UploadError("method_not_available", `Unknown method: ${upload.method}`);
    }
    const form = new FormData();
    for (const [name, value] of Object.entries(upload.fields)) form.append(name, value);
    form.append("file", file); // last: S3 ignores fields after it
    return { url: upload.url, method: "POST", body: form };
  }
}

/** Sends a file in parts, several at a time, and requests their URLs in batches. */
class PartSender {
  #transfer;
  #retrier;
  #checksums;
  #algorithm;
  #concurrency;
  #life;
  /** @type {Map<number, SignedPart>} */
  #signed = new Map();
  #signedUntil;
  /** @type {Promise<unknown> | null} */
  #signing = null;

  /**
   * @param {Transfer} transfer @param {Retrier} retrier @param {ChecksumWorker} checksums
   * @param {MultipartUpload} upload
   * @param {{ algorithm: OwnAlgorithm | null, concurrency: number, life: AbortSignal }} options `algorithm` of
   *   the parts' checksums; `life` is aborted on cancellation
   */
  constructor(transfer, retrier, checksums, upload, { algorithm, concurrency, life }) {
    this.#transfer = transfer;
    this.#retrier = retrier;
    this.#checksums = checksums;
    this.#algorithm = algorithm;
    this.#concurrency = concurrency;
    this.#life = life;
    this.upload = upload;
    this.#signedUntil = Date.parse(upload.expires_at);
    for (const part of upload.parts) this.#signed.set(part.part_number, part);
  }

  /**
   * Sends all parts that have not arrived. A pause starts no other part, and lets those on their way arrive: S3
   * does not keep half a part.
   * @param {AbortSignal} signal aborted on pause and on cancellation
   */
  async send(signal) {
    const missing = Array.from({ length: this.upload.part_count }, (_, index) => index + 1).filter(
      (number) => !this.#transfer.arrived.has(number),
    );
    const [sending, waiting] = [new AbortController(), new AbortController()];
    const links = [
      abortWith(sending, this.#life),
      abortWith(waiting, signal),
      abortWith(waiting, sending.signal),
    ];
    const sendNext = async () => {
      for (let number = missing.shift(); number !== undefined; number = missing.shift()) {
        if (waiting.signal.aborted) throw aborted();
        if (await this.#sendPart(number, missing, waiting.signal, sending.signal)) continue;
        missing.length = 0; // S3 no longer knows the upload; completion tells whether it is stored or lost
      }
    };
    const lanes = Array.from({ length: Math.min(this.#concurrency, missing.length) }, sendNext);
    try {
      await Promise.all(lanes);
    } catch (error) {
      if (!signal.aborted) sending.abort();
      await Promise.allSettled(lanes);
      throw error;
    } finally {
      for (const unlink of links) unlink();
    }
  }

  /**
   * @param {number} number @param {readonly number[]} following
   * @param {AbortSignal} signal aborted when this part need not be started or tried again
   * @param {AbortSignal} sending aborted when it must not be sent to its end
   * @returns {Promise<boolean>} whether S3 still knows the upload
   */
  async #sendPart(number, following, signal, sending) {
    const body = this.#transfer.slice(this.upload, number);
    for (let failures = 0, refused = 0; ; ) {
      try {
        const { url, headers } = await this.#signedPart(number, following, signal);
        const request = { method: "PUT", url, headers, body };
        await this.#transfer.send(number, body.size, request, sending, { paused: signal });
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
        if (failures === 1 && isUnreadable(error) && (await this.#isOver(signal))) return false;
        failures = await this.#retrier.recover(error, failures, signal);
      }
    }
  }

  /** @param {AbortSignal} signal @returns {Promise<boolean>} whether S3 has completed or forgotten the upload */
  async #isOver(signal) {
    try {
      /** @type {UploadState} */
      const { status } = await this.#retrier.call("GET", pathOf(this.upload), { signal });
      return status === "stored" || status === "aborted";
    } catch {
      return false; // the next try tells more
    }
  }

  /**
   * @param {number} number @param {readonly number[]} following @param {AbortSignal} signal
   * @returns {Promise<SignedPart>}
   */
  async #signedPart(number, following, signal) {
    if (this.#algorithm) {
      const computing = this.#checksums.compute(this.#algorithm, this.#transfer.slice(this.upload, number));
      return this.#sign([number], signal, [await unlessAborted(computing, signal)]);
    }
    // The browser's clock may be wrong. Then S3 refuses the URL, or URLs are requested more often.
    if (Date.now() >= this.#signedUntil) this.#signed.clear();
    for (;;) {
      const part = this.#signed.get(number);
      if (part) return part;
      const numbers = [number, ...following.slice(0, SIGNED_AT_ONCE - 1)];
      this.#signing ??= this.#sign(numbers, signal).finally(() => (this.#signing = null));
      await this.#signing;
    }
  }

  /**
   * @param {number[]} part_numbers @param {AbortSignal} signal @param {string[]} [checksums]
   * @returns {Promise<SignedPart>} the first of them
   */
  async #sign(part_numbers, signal, checksums) {
    const body = { part_numbers, ...(checksums && { checksums }) };
    const path = `${pathOf(this.upload)}/parts`;
    /** @type {{ parts: SignedPart[], expires_at: string }} */
    const { parts, expires_at } = await this.#retrier.call("POST", path, { body, signal });
    if (!checksums) {
      this.#signedUntil = Date.parse(expires_at);
      for (const part of parts) this.#signed.set(part.part_number, part);
    }
    return /** @type {SignedPart} */ (parts[0]);
  }
}

// --- Creating an upload ---

/**
 * Returns the type of a file. UTF-8 text gets a `charset`: browsers show text without one in a legacy encoding.
 * ASCII needs none, HTML declares its own, and other text is left as it is.
 * @param {Blob} file @returns {Promise<string | null>}
 */
async function typeOf(file) {
  const { type, size } = file;
  if (!/^text\/(?!html$|javascript$|xml$)[^;]+$/.test(type) || size > DECODED) return type || null;
  const bytes = new Uint8Array(await readable(file.arrayBuffer()));
  if (bytes.every((byte) => byte < 0x80)) return type;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return `${type}; charset=utf-8`;
  } catch {
    return type;
  }
}

/** Creates the upload of one file, or resumes the one that an earlier page started. */
class UploadStarter {
  #service;
  #file;
  #request;
  #retrier;
  #enter;
  #fingerprint;
  #life;

  /**
   * @param {Service} service @param {Blob} file @param {UploadRequest} request @param {Retrier} retrier
   * @param {{ enter: (state: UploadStatus) => void, fingerprint: string | null, life: AbortSignal }} task
   *   as for `Uploader`
   */
  constructor(service, file, request, retrier, { enter, fingerprint, life }) {
    this.#service = service;
    this.#file = file;
    this.#request = request;
    this.#retrier = retrier;
    this.#enter = enter;
    this.#fingerprint = fingerprint;
    this.#life = life;
  }

  /** Algorithm of the parts' checksums. @returns {OwnAlgorithm | null} */
  get algorithm() {
    const { checksum } = this.#request;
    const algorithm = typeof checksum === "string" ? checksum : checksum?.algorithm;
    return /** @type {OwnAlgorithm | undefined} */ (algorithm) ?? null;
  }

  /**
   * Resumes a saved upload of the same file, if there is one.
   * @returns {Promise<{ upload: MultipartUpload, state: UploadState } | null>}
   */
  async resume() {
    const { resumeStore } = this.#service;
    const saved = this.#fingerprint ? resumeStore.get(this.#fingerprint) : null;
    if (!saved) return null;
    this.#enter("creating");
    try {
      /** @type {UploadState} */
      const state = await this.#retrier.run(() => this.#retrier.call("GET", pathOf(saved)), this.#life);
      const { part_size, part_count } = state;
      const fits = part_size && part_count === Math.max(1, Math.ceil(this.#file.size / part_size));
      if (fits && state.status !== "aborted") {
        /** @type {MultipartUpload} */
        const upload = {
          method: "multipart",
          id: saved.id,
          key: state.key,
          expires_at: saved.started_at, // URLs are not saved; request new ones
          upload_expires_at: saved.expires_at,
          part_size,
          part_count,
          parts: [],
        };
        return { upload, state };
      }
    } catch (error) {
      if (!(error instanceof UploadError) || !GONE.has(error.code)) throw error;
    }
    resumeStore.forget(saved.id);
    return null;
  }

  /** @returns {Promise<Upload>} */
  async create() {
    const { checksum } = this.#request;
    const computed = typeof checksum === "string";
    const upload = await (computed ? this.#createWithChecksum(checksum) : this.#post(checksum));
    if (upload.method === "multipart") this.#save(upload);
    return upload;
  }

  /**
   * Creates an upload with a checksum computed here: the file's in advance, or each part's when it is sent.
   * @param {OwnAlgorithm} algorithm @returns {Promise<Upload>}
   */
  async #createWithChecksum(algorithm) {
    const small = this.#file.size <= HASHED_FIRST;
    const partwise = !small || this.#request.method === "multipart";
    const ofParts = () => this.#post({ algorithm, value: null });
    const ofFile = async () => this.#post(await this.#hashed(algorithm));
    try {
      return await (partwise ? ofParts() : ofFile());
    } catch (error) {
      if (!needsOtherChecksum(error)) throw error;
      // Browsers need all bytes in memory for SHA-256: too many for a large file.
      if (partwise && !small && algorithm === "sha256") throw error;
      return await (partwise ? ofFile() : ofParts());
    }
  }

  /**
   * @param {{ algorithm: string, value: string | null } | null | undefined} checksum
   * @returns {Promise<Upload>}
   */
  async #post(checksum) {
    this.#enter("creating");
    const filename = this.#file instanceof File ? this.#file.webkitRelativePath || this.#file.name : null;
    const { checksum: _, ...request } = this.#request;
    const content_type = request.content_type === undefined ? await typeOf(this.#file) : null;
    const base = { filename, content_type, size: this.#file.size, ...request };
    const body = checksum ? { ...base, checksum } : base;
    // Cancellation ends the retries but not the call: only an upload whose id is known can be aborted.
    return this.#retrier.run(() => this.#retrier.call("POST", "/v1/uploads", { body }), this.#life);
  }

  /** @param {OwnAlgorithm} algorithm @returns {Promise<Checksum>} */
  async #hashed(algorithm) {
    this.#enter("hashing");
    const value = await this.#service.checksums.compute(algorithm, this.#file);
    return { algorithm, value };
  }

  /** @param {MultipartUpload} upload */
  #save({ id, key, upload_expires_at }) {
    if (!this.#fingerprint || !(this.#file instanceof File)) return;
    const { name, type, size, lastModified } = this.#file;
    this.#service.resumeStore.set(this.#fingerprint, {
      id,
      key,
      filename: name,
      path: folderPathOf(this.#file, this.#request),
      content_type: type,
      size,
      last_modified: lastModified,
      policy: this.#request.policy ?? null,
      relative_key: this.#request.relative_key ?? null,
      checksum: typeof this.#request.checksum === "string" ? this.#request.checksum : null,
      started_at: new Date().toISOString(),
      expires_at: upload_expires_at,
    });
  }
}

// --- Running an upload ---

/** Runs one upload: creates or resumes it, sends the file, completes it. Running it again continues it. */
class Uploader {
  /** @type {Upload | null} */
  upload = null;
  #service;
  #options;
  #enter;
  #retrier;
  #transfer;
  #starter;
  #single;
  /** @type {PartSender | null} of a multipart upload */
  #parts = null;
  /** @type {Promise<Upload> | null} */
  #started = null;
  #life;

  /**
   * @param {Service} service @param {File | Blob} file @param {UploadRequest} request
   * @param {TaskOptions} options
   * @param {{ enter: (state: UploadStatus) => void, fingerprint: string | null, life: AbortSignal }} task
   *   `enter` reports a state; `fingerprint` is null to save nothing; `life` is aborted on cancellation
   */
  constructor(service, file, request, options, task) {
    this.#service = service;
    this.#options = options;
    this.#enter = task.enter;
    this.#life = task.life;
    this.#retrier = new Retrier(service, file, options);
    this.#transfer = new Transfer(service, file, options);
    this.#starter = new UploadStarter(service, file, request, this.#retrier, task);
    this.#single = new SingleSender(this.#transfer, this.#retrier);
  }

  get progress() {
    return this.#transfer.progress;
  }

  /** @param {AbortSignal} signal aborted on pause and on cancellation @returns {Promise<Completed>} */
  async run(signal) {
    // Not aborted by a pause: a second request would create a second upload.
    this.#started ??= this.#start().catch((error) => {
      this.#started = null;
      throw error;
    });
    await unlessAborted(this.#started, signal);
    for (let rounds = 1; ; rounds += 1) {
      this.#enter("uploading");
      this.#transfer.report();
      await this.#send(signal);
      await this.#checkFile();
      this.#enter("completing");
      try {
        return await this.#complete(signal);
      } catch (error) {
        if (!(error instanceof UploadError) || error.code !== "upload_incomplete") throw error;
        if (this.#single.existed) {
          const message = "An object with this key already exists";
          throw new UploadError("object_exists", message, { status: 409 });
        }
        if (rounds >= Math.min(MAX_ROUNDS, this.#options.retries)) throw error;
        await pauseFor(FIRST_DELAY * 2 ** rounds, signal);
        await this.#reload(signal);
      }
    }
  }

  /** Aborts the upload at the service, once it is created. Failures are ignored: the upload expires. */
  async abort() {
    const upload = await this.#started?.catch(() => null);
    if (!upload) return;
    this.#service.resumeStore.forget(upload.id);
    const never = new AbortController().signal;
    await this.#retrier.run(() => this.#retrier.call("DELETE", pathOf(upload)), never).catch(() => {});
  }

  /** Cleans up if the upload can never be completed. @param {unknown} error why it failed */
  abandon(error) {
    const { upload } = this;
    if (!upload || !(error instanceof UploadError) || !LOST.has(error.code)) return;
    this.#service.resumeStore.forget(upload.id);
    if (!GONE.has(error.code) && upload.method === "multipart") {
      this.#service.api.call("DELETE", pathOf(upload)).catch(() => {});
    }
  }

  /** @returns {Promise<Upload>} */
  async #start() {
    const resumed = await this.#starter.resume();
    if (resumed) this.#transfer.restore(resumed.upload, resumed.state);
    return this.#use(resumed?.upload ?? (await this.#starter.create()));
  }

  /** @param {Upload} upload */
  #use(upload) {
    this.upload = upload;
    if (upload.method === "multipart") {
      const { concurrency } = this.#options;
      const options = { algorithm: this.#starter.algorithm, concurrency, life: this.#life };
      const { checksums } = this.#service;
      this.#parts = new PartSender(this.#transfer, this.#retrier, checksums, upload, options);
    }
    return upload;
  }

  /** @param {AbortSignal} signal */
  async #send(signal) {
    if (this.#parts) return this.#parts.send(signal);
    const recreate = () => {
      this.#started = this.#starter.create().then((upload) => this.#use(upload));
      return this.#started;
    };
    await this.#single.send(/** @type {Upload} */ (this.upload), recreate, signal);
  }

  /** @param {AbortSignal} signal @returns {Promise<Completed>} */
  #complete(signal) {
    const path = `${pathOf(/** @type {Upload} */ (this.upload))}/complete`;
    const { retries: asked } = this.#options;
    const retries = asked && Math.max(asked, MIN_COMPLETE_RETRIES);
    return this.#retrier.run(() => this.#retrier.call("POST", path, { body: {}, signal }), signal, retries);
  }

  /** Deletes what was sent if the file has changed meanwhile. */
  async #checkFile() {
    try {
      await this.#transfer.checkUnchanged();
    } catch (error) {
      const upload = /** @type {Upload} */ (this.upload);
      this.#service.resumeStore.forget(upload.id);
      this.#started = null; // sending the file again needs a new upload
      const kept = () => unreadable(error, ". The bytes may remain in S3, without a receipt");
      await this.#retrier.call("DELETE", pathOf(upload)).catch(() => Promise.reject(kept()));
      throw error;
    }
  }

  /** Asks the service again which parts arrived. @param {AbortSignal} signal */
  async #reload(signal) {
    this.#transfer.restart();
    if (!this.#parts) return;
    const { upload } = this.#parts;
    const ask = () => this.#retrier.call("GET", pathOf(upload), { signal });
    this.#transfer.restore(upload, await this.#retrier.run(ask, signal));
  }
}

// --- The task ---

/**
 * One upload. Await it, or pause, resume and cancel it. `client.upload` returns one.
 * @implements {PromiseLike<Completed>}
 */
export class UploadTask {
  #service;
  #file;
  #onState;
  #uploader;
  /** Null if this task saves nothing. @type {string | null} */
  #fingerprint;
  /** @type {UploadStatus} */
  #state = "queued";
  /** Aborted on cancellation. */
  #life = new AbortController();
  /** Aborted on cancellation and on pause; replaced on resume. */
  #run = new AbortController();
  /** Set while paused. @type {{ open: () => void, opened: Promise<void> } | null} */
  #gate = null;

  /** @param {Service} service @param {File | Blob} file @param {UploadRequest & TransferOptions} options */
  constructor(service, file, options) {
    const { signal, onProgress, onState, onRetry, concurrency, retries, timeout, ...request } = options;
    this.#service = service;
    this.#file = file;
    this.#onState = onState;
    const fingerprint = fingerprintOf(service.api.base, file, request);
    this.#fingerprint = fingerprint && service.resumeStore.claim(fingerprint) ? fingerprint : null;
    const filled = {
      onProgress,
      onState,
      onRetry,
      concurrency: Math.max(1, concurrency ?? CONCURRENCY),
      retries: retries ?? RETRIES,
      timeout: timeout ?? TIMEOUT,
    };
    this.#uploader = new Uploader(service, file, request, filled, {
      enter: (state) => this.#enter(state),
      fingerprint: this.#fingerprint,
      life: this.#life.signal,
    });
    signal?.addEventListener("abort", () => this.cancel(), { signal: this.#life.signal });
    if (signal?.aborted) this.#life.abort();
    /** The promise behind `then`. */
    this.promise = this.#live();
  }

  get file() {
    return this.#file;
  }

  get state() {
    return this.#state;
  }

  /** Current progress, as passed to `onProgress`. */
  get progress() {
    return this.#uploader.progress;
  }

  /** Id of the upload; null until it is created. */
  get id() {
    return this.#uploader.upload?.id ?? null;
  }

  /**
   * Stops sending and keeps what arrived. Parts on their way still arrive, unless they stall. A file sent in one
   * request is sent again from its start. Does nothing once the upload has ended.
   */
  pause() {
    if (this.#gate || this.#isOver) return;
    let open = () => {};
    const opened = new Promise((/** @type {(value: void) => void} */ resolve) => (open = resolve));
    this.#enter("paused");
    this.#gate = { open, opened };
    this.#run.abort();
  }

  /** Continues a paused upload. */
  resume() {
    const gate = this.#gate;
    if (!gate || this.#isOver) return;
    this.#gate = null;
    this.#enter("queued");
    gate.open();
  }

  /**
   * Cancels the upload, even a failed one, and deletes the parts that arrived. Awaiting it throws "aborted".
   * @returns {Promise<void>} settled once the service has answered; if it cannot be reached, the upload expires
   */
  async cancel() {
    if (this.#state === "stored" || this.#state === "cancelled") return;
    const wasOver = this.#isOver;
    this.#gate?.open();
    this.#gate = null;
    if (!wasOver) this.#enter("cancelled");
    this.#life.abort();
    this.#run.abort();
    await this.#uploader.abort();
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
    notify(this.#onState, state);
  }

  /** @returns {Promise<Completed>} */
  async #live() {
    await null; // the page gets the task before the first callback
    try {
      const completed = await this.#runUntilDone();
      this.#gate = null;
      this.#enter("stored");
      this.#service.resumeStore.forget(this.id ?? "");
      return completed;
    } catch (error) {
      if (this.#life.signal.aborted) {
        this.#enter("cancelled");
        throw aborted();
      }
      this.#gate = null;
      this.#enter("failed");
      this.#uploader.abandon(error);
      throw error;
    } finally {
      if (this.#fingerprint) this.#service.resumeStore.release(this.#fingerprint);
    }
  }

  /** Runs the upload, again after each pause. @returns {Promise<Completed>} */
  async #runUntilDone() {
    for (;;) {
      await this.#gate?.opened;
      if (this.#life.signal.aborted) throw aborted();
      this.#run = new AbortController();
      const { signal } = this.#run;
      try {
        return await this.#runInSlot(signal);
      } catch (error) {
        // An aborted run means a pause, perhaps resumed already.
        if (!signal.aborted || this.#life.signal.aborted) throw error;
      }
    }
  }

  /** @param {AbortSignal} signal @returns {Promise<Completed>} */
  async #runInSlot(signal) {
    const { slots } = this.#service;
    await slots.acquire(signal);
    try {
      return await this.#uploader.run(signal);
    } finally {
      slots.release();
    }
  }
}

// --- The client ---

/** Uploads files and manages the caller's uploads and objects. Its methods may be detached from it. */
class Client {
  /** @type {Service} */
  #service;

  /** @param {ClientOptions} options */
  constructor(options) {
    const { storage, scope = "", maxUploads } = options;
    /** @type {Set<string>} */
    const answered = new Set();
    this.#service = {
      api: new Api(options, answered),
      resumeStore: new ResumeStore(storage, scope),
      checksums: new ChecksumWorker(),
      slots: new Semaphore(maxUploads ?? Infinity),
      answered,
    };
  }

  /**
   * Uploads one file: creates an upload, sends the bytes to S3, and has the service verify the object.
   * Resumes a multipart upload of the same file that this browser started before.
   * @param {File | Blob} file
   * @param {UploadRequest & TransferOptions} [options]
   * @returns {UploadTask} resolves to the object and a `receipt`, a JWT that your backend can verify
   */
  upload = (file, options = {}) => new UploadTask(this.#service, file, options);

  /**
   * Lists the uploads that this browser can resume and this page is not running, latest first.
   * @returns {Unfinished[]}
   */
  unfinished = () => this.#service.resumeStore.list();

  /**
   * Stops offering an unfinished upload. Its parts stay in S3 until they expire.
   * @param {string} id
   * @returns {void}
   */
  forget = (id) => this.#service.resumeStore.forget(id);

  /**
   * Aborts an unfinished upload: S3 deletes its parts.
   * @param {string} id
   * @returns {Promise<void>}
   */
  discard = async (id) => {
    try {
      await this.#service.api.call("DELETE", pathOf({ id }));
    } catch (error) {
      if (!(error instanceof UploadError) || !GONE.has(error.code)) throw error;
    }
    this.#service.resumeStore.forget(id);
  };

  /**
   * Lists the caller's upload policies, to show and check before sending a file.
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<Policy[]>}
   */
  listPolicies = async ({ signal } = {}) =>
    (await this.#service.api.call("GET", "/v1/policies", signal && { signal })).policies;

  /**
   * Returns the current state of an upload.
   * @param {string} id
   * @returns {Promise<UploadState>}
   */
  getUpload = (id) => this.#service.api.call("GET", pathOf({ id }));

  /**
   * Lists a page of the caller's objects. Pass `cursor` back for the next page, until it is null.
   * @param {{ prefix?: string, cursor?: string | null, limit?: number, signal?: AbortSignal }} [options]
   * @returns {Promise<{ objects: ListedObject[], cursor: string | null }>}
   */
  listObjects = ({ prefix, cursor, limit, signal } = {}) => {
    const query = new URLSearchParams();
    if (prefix) query.set("prefix", prefix);
    if (cursor) query.set("cursor", cursor);
    if (limit) query.set("limit", String(limit));
    return this.#service.api.call("GET", `/v1/objects?${query}`, signal && { signal });
  };

  /**
   * Deletes an object.
   * @param {string} key the whole key
   * @returns {Promise<void>}
   */
  deleteObject = (key) => this.#service.api.call("DELETE", `/v1/object?${new URLSearchParams({ key })}`);

  /**
   * Deletes up to 1,000 objects. A result with a `problem` says why its object is not deleted.
   * @param {string[]} keys the whole keys
   * @returns {Promise<{ results: { key: string, problem?: Problem }[] }>}
   */
  deleteObjects = (keys) => this.#service.api.call("POST", "/v1/objects/delete", { body: { keys } });

  /**
   * Returns a temporary URL for one object, valid for anyone who has it.
   * @param {string} key the whole key
   * @param {{ disposition?: "inline" | "attachment", filename?: string, expires_in?: number }} [options]
   * @returns {Promise<{ url: string, expires_at: string }>}
   */
  download = (key, options) => this.#service.api.call("POST", "/v1/downloads", { body: { key, ...options } });
}

/** Creates a client of one service. @param {ClientOptions} [options] */
export function createClient(options = {}) {
  return new Client(options);
}
