/** Records the requests of uploads, as the page sends them: to the service, and to S3. */

/**
 * @typedef {object} Sent a request
 * @property {string} method
 * @property {string} url
 * @property {[string, string][]} headers
 * @property {{ text?: string, name?: string, size?: number, offset?: number, form?: [string, string][] }} body a text;
 *   or a file, or the part of it at `offset`; with `form`, after these fields
 * @property {string} token bearer token, or empty
 * @property {string} id the upload's id, or empty
 * @property {boolean} toStorage
 * @property {string} its purpose
 * @property {string} path to show
 * @property {number | null} status null until there is an answer; 0 if there is none
 * @property {string} code the problem's, or S3's
 * @property {number} milliseconds
 *
 * @typedef {object} Upload
 * @property {string} name
 * @property {string} key
 * @property {string} user
 * @property {string} receipt
 * @property {Sent[]} sent
 * @property {number} more requests that are not in `sent`
 * @property {boolean} shown whether it does more than query an earlier upload
 */

const MAX_UPLOADS = 20;
const MAX_SENT = 60;

export class Recorder {
  /** Latest first. @type {Upload[]} */
  uploads = [];
  #base;
  #userOf;
  #onChange;
  /** By their id. @type {Map<string, Upload>} */
  #known = new Map();
  /** By URL of S3. @type {Map<string, { upload: Upload, part: number, offset: number }>} */
  #targets = new Map();
  /** Of parts, in bytes. @type {Map<Upload, number>} */
  #partSizes = new Map();

  /**
   * @param {{ baseUrl: string, userOf: (token: string) => string, onChange: (upload: Upload) => void }} options
   */
  constructor({ baseUrl, userOf, onChange }) {
    this.#base = `${baseUrl}v1/uploads`;
    this.#userOf = userOf;
    this.#onChange = onChange;
  }

  /** Starts to record. Call it before the first upload. */
  start() {
    const send = globalThis.fetch.bind(globalThis);
    globalThis.fetch = async (resource, init = {}) => {
      const recorded = this.#asked(String(resource), init);
      try {
        const response = await send(resource, init);
        if (recorded) await this.#answered(recorded, response.clone());
        return response;
      } catch (error) {
        if (recorded) this.#ended(recorded, 0);
        throw error;
      }
    };
    const recorder = this;
    globalThis.XMLHttpRequest = class extends XMLHttpRequest {
      #method = "";
      #url = "";
      #headers = [];

      open(method, url, ...rest) {
        [this.#method, this.#url, this.#headers] = [method, url, []];
        super.open(method, url, ...rest);
      }

      setRequestHeader(name, value) {
        this.#headers.push([name, value]);
        super.setRequestHeader(name, value);
      }

      send(body) {
        const request = { method: this.#method, url: this.#url, headers: this.#headers };
        const recorded = recorder.#stored(request, body);
        if (recorded) {
          this.addEventListener("loadend", () => {
            const code = this.status >= 400 ? (/<Code>([^<]+)<\/Code>/.exec(this.responseText)?.[1] ?? "") : "";
            recorder.#ended(recorded, this.status, code);
          });
        }
        super.send(body);
      }
    };
  }

  /** @param {string} url @param {RequestInit} init */
  #asked(url, { method = "GET", headers = {}, body }) {
    if (!url.startsWith(this.#base)) return null;
    const [, id = "", action = ""] = new URL(url).pathname.slice(new URL(this.#base).pathname.length).split("/");
    if (!id && method !== "POST") return null; // a list
    const text = body === undefined ? undefined : String(body);
    const pairs = Object.entries(headers);
    const token = (pairs.find(([name]) => name === "Authorization")?.[1] ?? "").replace("Bearer ", "");
    const upload = (id && this.#known.get(decodeURIComponent(id))) || this.#add(id ? "" : JSON.parse(text ?? "{}").filename, token);
    if (id) this.#known.set(decodeURIComponent(id), upload);
    if (method !== "GET") upload.shown = true;
    const what = {
      "POST ": "Create the upload",
      "GET ": "Get the status and the uploaded parts",
      "DELETE ": "Cancel the upload",
      "POST parts": "Get URLs for parts",
      "POST complete": "Complete and verify the upload",
    }[`${method} ${action}`];
    const path = `/v1/uploads${id && "/{id}"}${action && `/${action}`}`;
    return this.#begin(upload, {
      method, url, headers: pairs, body: { text }, token, id: decodeURIComponent(id), toStorage: false, what: what ?? action, path,
    });
  }

  /** @param {string} name @param {string} token @returns {Upload} */
  #add(name, token) {
    const upload = { name: name ?? "", key: "", user: this.#userOf(token), receipt: "", sent: [], more: 0, shown: false };
    this.uploads.unshift(upload);
    for (const old of this.uploads.splice(MAX_UPLOADS)) {
      for (const map of [this.#known, this.#targets]) {
        for (const [name, value] of map) if ((value.upload ?? value) === old) map.delete(name);
      }
      this.#partSizes.delete(old);
    }
    return upload;
  }

  /** @param {{ method: string, url: string, headers: [string, string][] }} request @param {Blob | FormData} body */
  #stored({ method, url, headers }, body) {
    const target = body instanceof FormData ? this.#ofForm(body) : this.#targets.get(url);
    if (!target) return null;
    const { upload, part, offset } = target;
    const name = upload.name.split("/").pop();
    const { origin, pathname } = new URL(url);
    const path = `${origin}${pathname}${part ? `?partNumber=${part}` : ""}`;
    const what = part ? `Send part ${part} to S3` : "Send the file to S3";
    /** @type {Sent["body"]} */
    let content;
    if (body instanceof FormData) content = { name, form: [...body].filter(([, value]) => typeof value === "string") };
    else content = { name, size: body.size, ...(part && { offset }) };
    return this.#begin(upload, { method, url, headers, body: content, token: "", id: "", toStorage: true, what, path });
  }

  /** All forms go to one URL. @param {FormData} form */
  #ofForm(form) {
    const upload = this.uploads.find(({ key }) => key && key === form.get("key"));
    return upload && { upload, part: 0, offset: 0 };
  }

  /** @param {Upload} upload @param {Omit<Sent, "status" | "code" | "milliseconds">} request */
  #begin(upload, request) {
    const sent = { ...request, status: null, code: "", milliseconds: 0 };
    // For a file with thousands of parts, the first few requests are enough.
    if (upload.sent.length >= MAX_SENT && !/complete$/.test(request.path)) upload.more += 1;
    else upload.sent.push(sent);
    this.#onChange(upload);
    return { upload, sent, began: performance.now() };
  }

  /** @param {{ upload: Upload, sent: Sent, began: number }} recorded @param {Response} response */
  async #answered(recorded, response) {
    const { upload, sent } = recorded;
    const answer = (await response.json().catch(() => null)) ?? {};
    if (answer.id) this.#known.set(answer.id, upload);
    if (answer.key) upload.key = answer.key;
    upload.name ||= upload.key.split("/").pop();
    if (answer.part_size) this.#partSizes.set(upload, answer.part_size);
    if (answer.receipt) Object.assign(upload, { receipt: answer.receipt, key: answer.object.key });
    const size = this.#partSizes.get(upload) ?? 0;
    if (answer.url) this.#targets.set(answer.url, { upload, part: 0, offset: 0 });
    for (const { url, part_number: part } of sent.method === "POST" ? (answer.parts ?? []) : []) {
      this.#targets.set(url, { upload, part, offset: (part - 1) * size });
    }
    this.#ended(recorded, response.status, answer.code ?? "");
  }

  /** @param {{ upload: Upload, sent: Sent, began: number }} recorded @param {number} status @param {string} [code] */
  #ended({ upload, sent, began }, status, code = "") {
    Object.assign(sent, { status, code, milliseconds: performance.now() - began });
    this.#onChange(upload);
  }
}
