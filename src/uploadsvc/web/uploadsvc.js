/**
 * Uploads from a browser, straight to S3, through an uploadsvc service. One module, no dependencies.
 *
 *     import { createClient } from "./uploadsvc.js";
 *     const client = createClient({ baseUrl: "https://uploads.example.com", getToken });
 *     const { object, receipt } = await client.upload(file, { onProgress: ({ loaded, total }) => … });
 *
 * Requests and answers are those of the HTTP API, in its own words (`/docs` on the service describes them).
 */

/**
 * @typedef {object} ClientOptions
 * @property {string} [baseUrl] where the service is; left out, this page's own origin
 * @property {(options: { refresh: boolean }) => string | null | Promise<string | null>} [getToken] the bearer
 *   token of the moment; asked again with `refresh: true`, once, when the service answers 401
 * @property {RequestCredentials} [credentials] "include" where a cookie says who calls, on another origin.
 *   S3 is never sent a cookie or the token.
 *
 * @typedef {{ loaded: number, total: number }} Progress bytes of the file; they are equal once all are sent
 *
 * @typedef {object} UploadRequest what `POST /v1/uploads` is asked; the service decides what is left out
 * @property {string | null} [filename] left out, the file's
 * @property {string | null} [content_type] left out, the file's
 * @property {string | null} [policy]
 * @property {"auto" | "put" | "post" | null} [method]
 * @property {string | null} [relative_key]
 * @property {Record<string, string> | null} [metadata]
 * @property {{ algorithm: string, value: string } | null} [checksum]
 * @property {boolean | null} [overwrite]
 * @property {number | null} [expires_in] seconds
 *
 * @typedef {{ signal?: AbortSignal, onProgress?: (progress: Progress) => void }} TransferOptions
 *
 * @typedef {{ key: string, size: number, etag: string, last_modified: string }} ListedObject
 * @typedef {ListedObject & { bucket: string, content_type: string, version_id: string | null,
 *   checksum: { algorithm: string, value: string } | null, metadata: Record<string, string> }} StoredObject
 * @typedef {{ object: StoredObject, receipt: string, replaceable_until: string | null }} Completed
 *
 * @typedef {{ id: string, key: string, url: string }} UploadBase
 * @typedef {UploadBase & { method: "put", headers: Record<string, string> }} PutUpload
 * @typedef {UploadBase & { method: "post", fields: Record<string, string> }} PostUpload
 *
 * @typedef {{ type: string, title: string, status: number, detail?: string, code: string,
 *   errors?: { field: string, detail: string }[] }} Problem
 */

/** Whatever went wrong, under a stable `code`. */
export class UploadError extends Error {
  /**
   * @param {string} code the problem's `code`, or "network_error", "aborted" (by you), "storage_rejected"
   *   (by S3), "http_error" (something other than the service answered)
   * @param {string} message
   * @param {{ status?: number, problem?: Problem | null, cause?: unknown }} [details]
   */
  constructor(code, message, { status = 0, problem = null, cause } = {}) {
    super(message, { cause });
    this.name = "UploadError";
    this.code = code;
    /** The HTTP status; 0 when there was no answer. */
    this.status = status;
    /** The whole `application/problem+json`, where the service sent one. */
    this.problem = problem;
  }
}

const aborted = () => new UploadError("aborted", "The upload was cancelled");

/**
 * Sends a file's bytes to S3. By XMLHttpRequest, because fetch tells no upload progress.
 * @param {string} method
 * @param {string} url
 * @param {{ body: Blob | FormData, size: number, headers?: Record<string, string> } & TransferOptions} what
 * @returns {Promise<void>}
 */
function send(method, url, { body, size, headers = {}, signal, onProgress }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted());
    const xhr = new XMLHttpRequest();
    const abort = () => xhr.abort();
    signal?.addEventListener("abort", abort);
    xhr.open(method, url);
    // Content-Type among them: it is signed, and for a file without a type the browser would send none.
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    // A form's other fields come before the file, and are not progress.
    xhr.upload.onprogress = ({ loaded, total }) =>
      onProgress?.({ loaded: Math.max(0, loaded - (total - size)), total: size });
    xhr.onload = () => {
      if (xhr.status >= 200 && xhr.status < 300) {
        onProgress?.({ loaded: size, total: size });
        return resolve();
      }
      const reason = /<Code>([^<]+)<\/Code>/.exec(xhr.responseText)?.[1] ?? "no reason given";
      const message = `The storage refused the file: ${reason} (${xhr.status})`;
      reject(new UploadError("storage_rejected", message, { status: xhr.status }));
    };
    xhr.onerror = () => reject(new UploadError("network_error", "The connection to the storage failed"));
    xhr.onabort = () => reject(aborted());
    xhr.onloadend = () => signal?.removeEventListener("abort", abort);
    xhr.send(body);
  });
}

/** How the bytes travel, for each `method` that the service may answer with. */
const transfers = {
  /** @param {PutUpload} upload @param {Blob} file @param {TransferOptions} options */
  put: ({ url, headers }, file, options) =>
    send("PUT", url, { body: file, size: file.size, headers, ...options }),

  /** @param {PostUpload} upload @param {Blob} file @param {TransferOptions} options */
  post({ url, fields }, file, options) {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append("file", file); // last: S3 reads no field after it
    return send("POST", url, { body: form, size: file.size, ...options });
  },
};

/** @param {ClientOptions} [options] */
export function createClient({ baseUrl = "", getToken, credentials = "same-origin" } = {}) {
  const base = baseUrl.replace(/\/+$/, "");

  /**
   * @param {string} method @param {string} path
   * @param {{ body?: object, signal?: AbortSignal, refresh?: boolean }} [options]
   * @returns {Promise<any>}
   */
  async function call(method, path, { body, signal, refresh = false } = {}) {
    const token = await getToken?.({ refresh });
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body) headers["Content-Type"] = "application/json";
    const init = { method, headers, credentials, signal, body: JSON.stringify(body) };
    let response, answer;
    try {
      response = await fetch(base + path, init);
      const isJson = /^application\/(problem\+)?json\b/.test(response.headers.get("Content-Type") ?? "");
      answer = isJson ? await response.json() : null;
    } catch (cause) {
      if (signal?.aborted) throw aborted();
      throw new UploadError("network_error", "The upload service could not be reached", { cause });
    }
    const { status } = response;
    if (response.ok && (answer || status === 204)) return answer;
    if (status === 401 && getToken && !refresh) return call(method, path, { body, signal, refresh: true });
    if (answer?.code) {
      throw new UploadError(answer.code, answer.detail ?? answer.title, { status, problem: answer });
    }
    throw new UploadError("http_error", `Not an answer of the upload service (${status})`, { status });
  }

  return {
    /**
     * Uploads one file: asks for a place, sends the bytes to S3, and has the service verify what landed.
     * @param {File | Blob} file
     * @param {UploadRequest & TransferOptions} [options]
     * @returns {Promise<Completed>} `receipt` is a JWT that your own backend can check
     */
    async upload(file, { signal, onProgress, ...request } = {}) {
      const filename = file instanceof File ? file.name : null;
      const body = { filename, content_type: file.type || null, size: file.size, ...request };
      const upload = await call("POST", "/v1/uploads", { body, signal });
      const resource = `/v1/uploads/${encodeURIComponent(upload.id)}`;
      /** @type {Record<string, (upload: any, file: Blob, options: TransferOptions) => Promise<void>>} */
      const { [upload.method]: transfer } = transfers;
      try {
        if (!transfer) throw new UploadError("method_not_available", `Unknown method: ${upload.method}`);
        await transfer(upload, file, { signal, onProgress });
        return await call("POST", `${resource}/complete`, { body: {}, signal });
      } catch (error) {
        // Nobody will go on with it. If the service cannot be told, the upload just expires.
        if (signal?.aborted || !transfer) call("DELETE", resource).catch(() => {});
        throw error;
      }
    },

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
