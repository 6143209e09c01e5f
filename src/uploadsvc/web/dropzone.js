/**
 * `<uploadsvc-dropzone>`: drop or choose files and folders, and upload them in a list with pause, resume, retry and
 * cancel. Works under a strict content security policy: no inline style, no HTML from strings. Importing this module
 * defines the element; on a server, it does nothing.
 *
 *     <uploadsvc-dropzone endpoint="https://uploads.example.com" policy="photos" folders></uploadsvc-dropzone>
 *
 * Attributes: `endpoint`, `policy`, `checksum`, `accept`, `folders`, `single`, `anywhere`, `disabled`, and `lang`.
 * Properties: `getToken`, `strings`, `options`, `explain`. Events: `uploadsvc:add`, `uploadsvc:done`, `uploadsvc:error`,
 * `uploadsvc:idle` and `uploadsvc:change`. Slots: text in the drop area, and `options` below it. CSS: the custom properties
 * `--uploadsvc-…` below, and `::part()`.
 */

import { isActive, isOver, UploadQueue } from "./queue.js";

/**
 * @typedef {import("./queue.js").QueueItem} QueueItem
 * @typedef {import("./queue.js").QueueOptions} QueueOptions
 * @typedef {import("./queue.js").AddedFile} AddedFile
 * @typedef {import("./uploadsvc.js").UploadError} UploadError
 * @typedef {string | (Partial<Record<Intl.LDMLPluralRule, string>> & { other: string })} Text text with
 *   `{placeholders}`; as an object, one for each plural category of `{count}` (`Intl.PluralRules`)
 * @typedef {typeof ENGLISH} Strings
 * @typedef {object} Row
 * @property {HTMLElement} row
 * @property {HTMLElement} state
 * @property {HTMLProgressElement} progress
 * @property {HTMLButtonElement} toggle
 * @property {HTMLButtonElement} end
 * @property {QueueItem} item as it was rendered
 */

/** Texts of the element. Set `strings` to an object with some or all of these names. */
export const ENGLISH = {
  drop: "Drop files here",
  or: "or",
  choose: "choose them",
  chooseFiles: "Choose files to upload",
  chooseFolder: "Choose a folder",
  uploads: "Uploads",
  all: "All uploads",
  pause: "Pause",
  resume: "Resume",
  retry: "Retry",
  cancel: "Cancel",
  dismiss: "Dismiss",
  pauseAll: "Pause all",
  resumeAll: "Resume all",
  clear: "Clear finished",
  action: "{action} {name}",
  progressOf: "Progress of {name}",
  queued: "waiting",
  hashing: "computing the checksum",
  creating: "starting",
  uploading: "{percent} · {loaded} of {total}",
  rate: "{rate}/s",
  left: "{time} left",
  retrying: "{percent}, retrying: {error}",
  stalled: "{percent} · {loaded} of {total} · no progress for {time}",
  unanswered: "{percent} · all sent, no answer from S3 for {time}",
  paused: "paused at {percent}",
  pausedEarly: "paused, nothing sent yet",
  completing: "verifying",
  stored: "done",
  failed: "failed: {error}",
  cancelled: "cancelled",
  /** @type {Text} */
  done: { one: "{done} of {count} file done", other: "{done} of {count} files done" },
  /** @type {Text} */
  failures: { one: "{count} failed", other: "{count} failed" },
  /** @type {Text} */
  cancellations: { one: "{count} cancelled", other: "{count} cancelled" },
  sent: "{loaded} of {total}",
  allPaused: "All uploads paused",
  allResumed: "All uploads resumed",
  /** @type {Text} */
  changes: { one: "{count} change, latest: {latest}", other: "{count} changes, latest: {latest}" },
  folderUnreadable: "Could not read the folder: {error}",
  units: ["B", "KiB", "MiB", "GiB", "TiB"],
  seconds: "{count} s",
  minutes: "{count} min",
  hours: "{count} h",
};

const STYLES = `
:host {
  color-scheme: light dark;
  --_text: var(--uploadsvc-text, #17212b);
  --_muted: var(--uploadsvc-muted, #586572);
  --_card: var(--uploadsvc-background, #ffffff);
  --_line: var(--uploadsvc-line, #dbe1e6);
  --_edge: var(--uploadsvc-edge, #8a97a3);
  --_soft: var(--uploadsvc-soft, #eef2f4);
  --_track: var(--uploadsvc-track, #d3dbe1);
  --_accent: var(--uploadsvc-accent, #0f766e);
  --_wash: var(--uploadsvc-wash, #e8f5f3);
  --_bad: var(--uploadsvc-bad, #b42318);
  --_radius: var(--uploadsvc-radius, 0.7rem);
  display: block;
  container-type: inline-size;
  color: var(--_text);
  background: var(--_card);
  font-family: var(--uploadsvc-font, inherit);
  line-height: 1.5;
}
@media (prefers-color-scheme: dark) {
  :host(:not([theme="light"])) {
    --_text: var(--uploadsvc-text, #e7ecef);
    --_muted: var(--uploadsvc-muted, #9baab5);
    --_card: var(--uploadsvc-background, #171f25);
    --_line: var(--uploadsvc-line, #2b363f);
    --_edge: var(--uploadsvc-edge, #66757f);
    --_soft: var(--uploadsvc-soft, #202a31);
    --_track: var(--uploadsvc-track, #36434c);
    --_accent: var(--uploadsvc-accent, #5ccfc0);
    --_wash: var(--uploadsvc-wash, #15302f);
    --_bad: var(--uploadsvc-bad, #ff9a8f);
  }
}
:host([theme="light"]) { color-scheme: light; }
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; }
.unseen { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.drop {
  position: relative; display: grid; justify-items: center; gap: 0.25rem; padding: 1.5rem 1rem;
  border: 2px dashed var(--_edge); border-radius: var(--_radius); text-align: center; cursor: pointer;
}
.drop:hover, .drop.over { border-color: var(--_accent); background: var(--_wash); }
.drop:has(:disabled) { cursor: default; opacity: 0.6; }
.drop svg { width: 2rem; fill: none; stroke: var(--_accent); stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.link { color: var(--_accent); text-decoration: underline; text-underline-offset: 0.15em; }
:focus-visible, .drop:has(:focus-visible) { outline: 3px solid var(--_accent); outline-offset: 2px; }
.muted, #hint ::slotted(*) { color: var(--_muted); font-size: 0.875rem; }
button {
  padding: 0.3rem 0.75rem; border: 1px solid var(--_line); border-radius: 0.5rem; background: var(--_card);
  color: var(--_text); font: inherit; font-size: 0.875rem; cursor: pointer;
}
button:hover { background: var(--_soft); }
button:disabled { cursor: default; opacity: 0.5; }
.options { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; align-items: center; margin-top: 0.75rem; font-size: 0.875rem; }
.overall {
  display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0.5rem 1rem; align-items: center; margin-top: 1rem;
  padding: 0.8rem 0.9rem; border-radius: var(--_radius); background: var(--_soft); font-size: 0.875rem;
  font-variant-numeric: tabular-nums;
}
.overall progress { grid-column: 1 / -1; }
.overall progress, .overall progress::-webkit-progress-bar { background: var(--_track); }
.actions { display: flex; flex-wrap: wrap; gap: 0.35rem; justify-content: flex-end; }
.notice:empty { display: none; }
.notice { margin: 0.75rem 0 0; color: var(--_bad); }
ul { margin: 0; padding: 0; list-style: none; }
li {
  display: grid; grid-template-columns: 2.75rem minmax(0, 1fr) auto; gap: 0.15rem 0.9rem; align-items: center;
  padding: 0.8rem 0; border-bottom: 1px solid var(--_line);
}
li:last-child { border-bottom: 0; padding-bottom: 0; }
li .actions { width: 10.5rem; }
.thumb {
  display: grid; width: 2.75rem; height: 2.75rem; place-items: center; overflow: hidden; border-radius: 0.5rem;
  background: var(--_soft); color: var(--_muted); font-size: 0.7rem; font-weight: 600;
}
.thumb img { width: 100%; height: 100%; object-fit: cover; }
.body { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0.3rem; }
.title { display: flex; gap: 1rem; align-items: baseline; justify-content: space-between; }
.name { min-width: 0; overflow: hidden; font-weight: 600; text-overflow: ellipsis; white-space: nowrap; }
.size { flex: none; }
.state { min-height: 1.3rem; overflow-wrap: anywhere; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
[data-state="stored"] .state { color: var(--_accent); }
[data-state="failed"] .state { color: var(--_bad); }
:is([data-state="queued"], [data-state="paused"], [data-state="cancelled"]) .state { color: var(--_muted); }
progress {
  width: 100%; height: 0.4rem; overflow: hidden; border: 0; border-radius: 1rem; background: var(--_line);
  color: var(--_accent); appearance: none;
}
progress::-webkit-progress-bar { background: var(--_line); }
progress::-webkit-progress-value { border-radius: 1rem; background: var(--_accent); }
progress::-moz-progress-bar { border-radius: 1rem; background: var(--_accent); }
[data-state="failed"] progress::-webkit-progress-value { background: var(--_bad); }
[data-state="failed"] progress::-moz-progress-bar { background: var(--_bad); }
:is([data-state="paused"], [data-state="cancelled"]) progress::-webkit-progress-value { background: var(--_edge); }
:is([data-state="paused"], [data-state="cancelled"]) progress::-moz-progress-bar { background: var(--_edge); }
@container (max-width: 34rem) {
  .overall { grid-template-columns: minmax(0, 1fr); }
  .actions { justify-content: flex-start; }
  li { grid-template-columns: 2.75rem minmax(0, 1fr); align-items: start; }
  li .actions { grid-column: 2; width: auto; }
  .title { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0; }
  button { min-height: 2.25rem; }
}
`;

/** Milliseconds within which messages to screen readers are combined. */
const ANNOUNCED_TOGETHER = 500;

/** Seconds without progress after which no rate is shown. */
const IDLE = 3;

/** Returns a property that a page set before the element was defined. @param {any} element @param {string} name */
const early = (element, name) => element[name];

/** @type {typeof HTMLElement} a class that a server can extend too */
const Base = globalThis.HTMLElement ?? /** @type {any} */ (class {});

/** @type {CSSStyleSheet | undefined} shared by all elements of the page */
let sheet;

function styles() {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLES);
  }
  return sheet;
}

/**
 * @template {keyof HTMLElementTagNameMap} K @param {K} tag @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} children @returns {HTMLElementTagNameMap[K]}
 */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function icon() {
  const [svg, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  svg?.setAttribute("viewBox", "0 0 32 32");
  svg?.setAttribute("aria-hidden", "true");
  path?.setAttribute("d", "M16 21V5m-7 7 7-7 7 7M5 21v4a3 3 0 0 0 3 3h16a3 3 0 0 0 3-3v-4");
  svg?.append(/** @type {SVGElement} */ (path));
  return /** @type {SVGElement} */ (svg);
}

/** @param {string} name */
const extensionOf = (name) => /\.([^./]{1,4})$/.exec(name)?.[1]?.toUpperCase() ?? "";

/** Returns a preview of an image, or the extension of another file. @param {File | Blob} file @param {string} name */
function thumbnail(file, name) {
  if (!file.type.startsWith("image/")) return extensionOf(name);
  const image = make("img", { alt: "", src: URL.createObjectURL(file) });
  const release = () => URL.revokeObjectURL(image.src);
  image.addEventListener("load", release);
  image.addEventListener("error", () => {
    release();
    image.replaceWith(extensionOf(name)); // not an image that this browser can show
  });
  return image;
}

/** Creates the permanent elements. @param {ShadowRoot} root */
function buildView(root) {
  const files = make("input", { type: "file", class: "unseen", part: "input", "aria-describedby": "hint" });
  const folder = make("input", { type: "file", webkitdirectory: "", hidden: "" });
  const [drop, or, choose] = [make("strong"), make("span"), make("span", { class: "link" })];
  const hint = make("span", { id: "hint", class: "muted" }, make("slot"));
  const words = make("span", {}, drop, " ", or, " ", choose);
  const zone = make("label", { class: "drop", part: "drop" }, files, icon(), words, hint);
  const chooseFolder = make("button", { type: "button", part: "button folder" });
  const notice = make("p", { class: "notice", role: "alert", part: "notice" });
  const status = make("p", { class: "unseen", role: "status" });
  const text = make("span", { part: "overall-text" });
  const pauseAll = make("button", { type: "button", part: "button" });
  const clear = make("button", { type: "button", part: "button" });
  const progress = make("progress", { max: "1", value: "0", part: "progress" });
  const actions = make("div", { class: "actions" }, pauseAll, clear);
  const overall = make("div", { class: "overall", role: "group", part: "overall", hidden: "" }, text, actions, progress);
  const list = make("ul", { part: "list", role: "list" });
  const options = make("div", { class: "options" }, make("slot", { name: "options" }), chooseFolder, folder);
  root.append(zone, options, notice, status, overall, list);
  return { files, folder, drop, or, choose, zone, chooseFolder, notice, status, text, pauseAll, clear, progress, overall, list };
}

/** Hides a button; if it has the focus, the other one gets it. @param {HTMLButtonElement} button @param {boolean} hidden @param {HTMLElement} other */
function hide(button, hidden, other) {
  const focused = button.matches(":focus");
  button.hidden = hidden;
  if (hidden && focused) other.focus();
}

/**
 * Returns the files of a drop, including those in dropped folders, each with its path. Call it during the event: the
 * browser empties the drop afterwards.
 * @param {DataTransfer} transfer @returns {Promise<{ file: File, path: string }[]>}
 */
export async function droppedFiles(transfer) {
  const items = [...transfer.items].filter(({ kind }) => kind === "file");
  const dropped = items.map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
  const found = await Promise.all(
    dropped.map(({ entry, file }) => {
      if (entry?.isDirectory) return filesBelow(/** @type {FileSystemDirectoryEntry} */ (entry));
      return file ? [{ file, path: "" }] : [];
    }),
  );
  return found.flat();
}

/** @param {FileSystemDirectoryEntry} folder @returns {Promise<{ file: File, path: string }[]>} */
async function filesBelow(folder) {
  const reader = folder.createReader();
  /** @returns {Promise<FileSystemEntry[]>} */
  const read = () => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  const files = [];
  // Entries come in batches, until one is empty.
  for (let entries = await read(); entries.length; entries = await read()) {
    for (const entry of entries) {
      if (entry.isDirectory) files.push(...(await filesBelow(/** @type {FileSystemDirectoryEntry} */ (entry))));
      else {
        /** @type {File} */
        const file = await new Promise((resolve, reject) =>
          /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject),
        );
        files.push({ file, path: entry.fullPath.replace(/^\//, "") });
      }
    }
  }
  return files;
}

/** The element. */
export class UploadsvcDropzone extends Base {
  static observedAttributes = ["accept", "disabled", "folders", "lang", "single"];

  /** Returns the current bearer token. @type {QueueOptions["getToken"]} */
  getToken = early(this, "getToken");
  /** Further options of the client and of every upload, such as `metadata`. @type {QueueOptions} */
  options = early(this, "options") ?? {};
  /**
   * Returns the message for an upload that failed or is retried; without it, or if it returns nothing, the error's own is
   * shown. @type {((error: UploadError, item: QueueItem) => string | null | undefined) | undefined}
   */
  explain = early(this, "explain");
  /** @type {UploadQueue} */
  #queue = new UploadQueue();
  /** @type {Partial<Strings>} */
  #own = {};
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {string[]} */
  #messages = [];
  /** @type {ReturnType<typeof buildView> | null} */
  #view = null;
  /** @type {(() => void) | null} */
  #unsubscribe = null;
  /** Removes listeners from the page. */
  #connected = new AbortController();

  /** The list behind the element. Its `snapshot()` has the files, their states, objects and receipts. */
  get queue() {
    return this.#queue;
  }

  /** Texts that replace those of `ENGLISH`. @returns {Partial<Strings>} */
  get strings() {
    return this.#own;
  }

  set strings(strings) {
    this.#own = strings ?? {};
    if (this.#view) this.#relabel();
  }

  connectedCallback() {
    if (Object.hasOwn(this, "strings")) {
      const { strings } = this; // set before the element was defined: let the setter see it
      delete (/** @type {Partial<this>} */ (this).strings);
      this.strings = strings;
    }
    this.#unsubscribe = this.#queue.subscribe(() => this.#render());
    this.#connected = new AbortController();
    const { signal } = this.#connected;
    globalThis.addEventListener("beforeunload", this.#warn, { signal });
    this.#acceptDrops(document, signal);
    this.#relabel();
  }

  disconnectedCallback() {
    this.#unsubscribe?.();
    this.#connected.abort();
  }

  /** @param {string} name */
  attributeChangedCallback(name) {
    if (!this.#view) return;
    if (name === "lang") this.#relabel();
    else this.#adjust();
  }

  /** Focuses the file input. @param {FocusOptions} [options] */
  focus(options) {
    this.#shown.files.focus(options);
  }

  /** Adds files as if they were chosen. @param {Iterable<import("./queue.js").Added>} files */
  add(files) {
    if (this.hasAttribute("disabled")) return;
    this.#queue.configure(this.#queueOptions());
    this.#queue.add(files);
  }

  /** Adds chosen files unless the page does so itself. @param {Iterable<File | AddedFile>} chosen */
  #chosen(chosen) {
    const files = [...chosen].map((each) => {
      return each instanceof File ? { file: each, path: each.webkitRelativePath } : each;
    });
    if (files.length && this.#tell("add", { files })) this.add(files);
  }

  /** @param {BeforeUnloadEvent} event */
  #warn = (event) => {
    if (this.#queue.snapshot().busy) event.preventDefault();
  };

  /** @returns {QueueOptions} */
  #queueOptions() {
    const { options, getToken } = this;
    const [endpoint, policy, checksum] = ["endpoint", "policy", "checksum"].map((name) => this.getAttribute(name));
    return {
      ...options,
      ...(endpoint && { baseUrl: endpoint }),
      ...(policy && { policy }),
      ...(checksum && { checksum: /** @type {"crc32"} */ (checksum) }),
      ...(getToken && { getToken }),
      onDone: (item, result) => {
        options.onDone?.(item, result);
        this.#tell("done", { item, ...result });
      },
      onError: (item, error) => {
        options.onError?.(item, error);
        this.#tell("error", { item, error });
      },
      onIdle: (items) => {
        options.onIdle?.(items);
        this.#tell("idle", { items });
      },
    };
  }

  /** @param {string} name @param {object} detail @returns {boolean} whether the page did not prevent the default */
  #tell(name, detail) {
    const options = { detail, bubbles: true, composed: true, cancelable: name === "add" };
    return this.dispatchEvent(new CustomEvent(`uploadsvc:${name}`, options));
  }

  // --- Texts ---

  get #language() {
    const lang = /** @type {HTMLElement | null} */ (this.closest("[lang]"))?.lang.replaceAll("_", "-");
    try {
      return Intl.getCanonicalLocales(lang)[0] ?? "en";
    } catch {
      return "en"; // no language tag (BCP 47)
    }
  }

  /** @param {Exclude<keyof Strings, "units">} name @param {Record<string, string | number>} [values] */
  #say(name, values = {}) {
    /** @type {Text} */
    const text = this.#own[name] ?? ENGLISH[name];
    const category = () => new Intl.PluralRules(this.#language).select(Number(values.count));
    const chosen = typeof text === "string" ? text : (text[category()] ?? text.other);
    return chosen.replace(/\{(\w+)\}/g, (_, key) => {
      const value = values[key] ?? "";
      return typeof value === "number" ? value.toLocaleString(this.#language) : value;
    });
  }

  /** In binary units, like the limits of policies. @param {number} bytes */
  #size(bytes) {
    const units = this.#own.units ?? ENGLISH.units;
    let power = 0;
    while (power < units.length - 1 && bytes / 1024 ** power >= 1024) power += 1;
    const amount = (bytes / 1024 ** power).toLocaleString(this.#language, { maximumFractionDigits: 1 });
    return `${amount} ${units[power]}`;
  }

  /** @param {number} seconds */
  #duration(seconds) {
    const whole = Math.max(1, Math.ceil(seconds));
    if (whole < 60) return this.#say("seconds", { count: whole });
    const minutes = Math.ceil(whole / 60);
    if (minutes < 60) return this.#say("minutes", { count: minutes });
    const rest = minutes % 60;
    const hours = this.#say("hours", { count: Math.floor(minutes / 60) });
    return rest ? `${hours} ${this.#say("minutes", { count: rest })}` : hours;
  }

  /** @param {number} rate @param {number | null} remaining @returns {string[]} */
  #speed(rate, remaining) {
    if (!(rate > 0)) return [];
    const speed = this.#say("rate", { rate: this.#size(rate) });
    return remaining === null ? [speed] : [speed, this.#say("left", { time: this.#duration(remaining) })];
  }

  /** @param {QueueItem} item @returns {string} */
  #stateText(item) {
    const { state, loaded, total, error, rate, remaining, idle } = item;
    const share = total ? Math.min(0.99, Math.floor((100 * loaded) / total) / 100) : 0; // “done” stands for 100
    const percent = share.toLocaleString(this.#language, { style: "percent" });
    const why = error ? (this.explain?.(error, item) ?? error.message) : "";
    const words = { percent, loaded: this.#size(loaded), total: this.#size(total), error: why };
    if (state === "paused" && !loaded) return this.#say("pausedEarly");
    if (state !== "uploading") return this.#say(state, words);
    if (error) return this.#say("retrying", words);
    if (idle < IDLE) return [this.#say("uploading", words), ...this.#speed(rate ?? 0, remaining)].join(" · ");
    // The last byte counts only once S3 has answered.
    const time = this.#duration(Math.floor(idle));
    return this.#say(loaded < total - 1 ? "stalled" : "unanswered", { ...words, time });
  }

  /** Announces a message to screen readers. Messages within half a second are combined. @param {string} text */
  #announce(text) {
    if (this.#messages.push(text) > 1) return;
    setTimeout(() => {
      const count = this.#messages.length;
      const latest = this.#messages.splice(0).slice(-3).join(". ");
      if (this.#view) this.#view.status.textContent = count > 3 ? this.#say("changes", { count, latest }) : latest;
    }, ANNOUNCED_TOGETHER);
  }

  // --- Elements ---

  #build() {
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [styles()];
    const view = buildView(root);
    const { files, folder, notice, chooseFolder, clear, pauseAll } = view;
    for (const input of [files, folder]) {
      input.addEventListener("change", () => {
        notice.textContent = "";
        this.#chosen(input.files ?? []);
        input.value = ""; // allows choosing the same file again
      });
    }
    chooseFolder.addEventListener("click", () => folder.click());
    clear.addEventListener("click", () => this.#dismiss(this.#queue.snapshot().items.filter(isOver)));
    pauseAll.addEventListener("click", () => {
      const { busy } = this.#queue.snapshot();
      if (busy) this.#queue.pauseAll();
      else this.#queue.resumeAll();
      this.#announce(this.#say(busy ? "allPaused" : "allResumed"));
    });
    return view;
  }

  /**
   * Accepts files that are dropped on the drop area or, with `anywhere`, on the page.
   * @param {Document} page @param {AbortSignal} signal
   */
  #acceptDrops(page, signal) {
    const { zone, notice } = this.#shown;
    for (const target of [zone, page]) {
      /** @param {Event} event @returns {DataTransfer | null} its contents, if it is for this element */
      const taken = (event) => {
        const { dataTransfer, defaultPrevented } = /** @type {DragEvent} */ (event);
        const here = !defaultPrevented && (target === zone || this.hasAttribute("anywhere"));
        return here && !this.hasAttribute("disabled") && dataTransfer?.types.includes("Files") ? dataTransfer : null;
      };
      target.addEventListener("dragover", (event) => {
        if (!taken(event)) return;
        event.preventDefault();
        zone.classList.add("over");
      }, { signal });
      target.addEventListener("dragleave", (event) => {
        const to = /** @type {Node | null} */ (/** @type {DragEvent} */ (event).relatedTarget);
        if (!to || (target === zone && !zone.contains(to))) zone.classList.remove("over");
      }, { signal });
      target.addEventListener("drop", (event) => {
        const transfer = taken(event);
        if (!transfer) return;
        event.preventDefault();
        zone.classList.remove("over");
        notice.textContent = "";
        droppedFiles(transfer).then(
          (files) => this.#chosen(this.hasAttribute("single") ? files.slice(0, 1) : files),
          (error) => void (notice.textContent = this.#say("folderUnreadable", { error: String(error) })),
        );
      }, { signal });
    }
  }

  /** Applies the attributes. */
  #adjust() {
    const { files, folder, chooseFolder } = this.#shown;
    files.multiple = !this.hasAttribute("single");
    files.accept = this.getAttribute("accept") ?? "";
    files.disabled = chooseFolder.disabled = this.hasAttribute("disabled");
    chooseFolder.hidden = !this.hasAttribute("folders") || !("webkitdirectory" in folder); // some phones have no folders
  }

  /** Updates all texts. */
  #relabel() {
    const { files, folder, drop, or, choose, chooseFolder, clear, overall, progress, list } = this.#shown;
    this.#adjust();
    files.setAttribute("aria-label", this.#say("chooseFiles"));
    folder.setAttribute("aria-label", this.#say("chooseFolder"));
    drop.textContent = this.#say("drop");
    or.textContent = this.#say("or");
    choose.textContent = this.#say("choose");
    chooseFolder.textContent = this.#say("chooseFolder");
    clear.textContent = this.#say("clear");
    overall.setAttribute("aria-label", this.#say("all"));
    progress.setAttribute("aria-label", this.#say("all"));
    list.setAttribute("aria-label", this.#say("uploads"));
    for (const { row } of this.#rows.values()) row.remove();
    this.#rows.clear();
    this.#render();
  }

  get #shown() {
    return (this.#view ??= this.#build());
  }

  /** @param {QueueItem} item @returns {Row} */
  #row(item) {
    const { id, file, name, note } = item;
    const thumb = make("span", { class: "thumb", part: "thumb", "aria-hidden": "true" }, thumbnail(file, name));
    const progress = make("progress", { max: "1", part: "progress", "aria-label": this.#say("progressOf", { name }) });
    const state = make("span", { class: "state", part: "state" });
    const title = make("span", { class: "title" },
      make("span", { class: "name", part: "name", title: name }, name),
      make("span", { class: "size muted", part: "size" }, [this.#size(file.size), note].filter(Boolean).join(" · ")));
    const toggle = make("button", { type: "button", part: "button" });
    const end = make("button", { type: "button", part: "button" });
    const row = make("li", { part: "row", "data-name": name },
      thumb, make("div", { class: "body" }, title, progress, state), make("div", { class: "actions" }, toggle, end));
    const made = { row, state, progress, toggle, end, item };
    toggle.addEventListener("click", () => {
      if (made.item.state === "failed") this.#queue.retry(id);
      else if (made.item.state === "paused") this.#queue.resume(id);
      else this.#queue.pause(id);
      this.#announce(`${name}: ${this.#stateText(made.item)}`);
    });
    end.addEventListener("click", () => (isOver(made.item) ? this.#dismiss([made.item]) : this.#queue.cancel(id)));
    return made;
  }

  /** @param {Row} row @param {QueueItem} item */
  #show(row, item) {
    const { state, name, loaded, total } = item;
    if (isOver(item) && !isOver(row.item)) this.#announce(`${name}: ${this.#stateText(item)}`);
    row.item = item;
    row.row.dataset.state = state;
    row.state.textContent = this.#stateText(item);
    row.progress.value = state === "stored" ? 1 : loaded / (total || 1);
    hide(row.toggle, isOver(item) && !(state === "failed" && item.retryable), row.end);
    this.#label(row.toggle, state === "failed" ? "retry" : state === "paused" ? "resume" : "pause", name);
    this.#label(row.end, isOver(item) ? "dismiss" : "cancel", name);
  }

  /** @param {HTMLButtonElement} button @param {"retry" | "resume" | "pause" | "dismiss" | "cancel"} action @param {string} name */
  #label(button, action, name) {
    const words = this.#say(action);
    if (button.textContent === words) return;
    button.textContent = words;
    button.setAttribute("aria-label", this.#say("action", { action: words, name })); // Firefox before 119 has no `ariaLabel`
  }

  #render() {
    const { list } = this.#shown;
    const snapshot = this.#queue.snapshot();
    const kept = new Set(snapshot.items.map(({ id }) => id));
    for (const [id, { row }] of this.#rows) {
      if (kept.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    for (const item of snapshot.items) {
      const known = this.#rows.get(item.id);
      const row = known ?? this.#row(item);
      if (!known) {
        this.#rows.set(item.id, row);
        list.append(row.row);
      }
      if (!known || known.item !== item) this.#show(row, item);
    }
    this.#renderOverall(snapshot);
    this.#tell("change", snapshot);
  }

  /** @param {import("./queue.js").QueueSnapshot} snapshot */
  #renderOverall({ items, loaded, total, rate, remaining, stored, failed, cancelled, busy }) {
    const { overall, text, progress, pauseAll, clear } = this.#shown;
    const counted = items.length - failed - cancelled;
    const said = [this.#say("done", { count: items.length, done: stored })];
    if (failed) said.push(this.#say("failures", { count: failed }));
    if (cancelled) said.push(this.#say("cancellations", { count: cancelled }));
    if (counted) said.push(this.#say("sent", { loaded: this.#size(loaded), total: this.#size(total) }));
    overall.hidden = !items.length;
    text.textContent = [...said, ...(busy ? this.#speed(rate, remaining) : [])].join(" · ");
    progress.hidden = !counted;
    progress.value = total ? loaded / total : stored ? 1 : 0;
    pauseAll.textContent = this.#say(items.some(isActive) ? "pauseAll" : "resumeAll");
    clear.hidden = !items.some(isOver);
    hide(pauseAll, items.every(isOver), clear);
  }

  /** Removes rows; the focus moves to the next one. @param {readonly QueueItem[]} gone */
  #dismiss(gone) {
    const ids = new Set(gone.map(({ id }) => id));
    const all = this.#queue.snapshot().items;
    const last = all.findIndex(({ id }) => id === gone.at(-1)?.id);
    const next = [...all.slice(last + 1), ...all.slice(0, Math.max(0, last)).reverse()].find(({ id }) => !ids.has(id));
    for (const id of ids) this.#queue.remove(id);
    ((next && this.#rows.get(next.id)?.end) ?? this.#shown.files).focus();
  }
}

if (globalThis.customElements && !customElements.get("uploadsvc-dropzone")) {
  customElements.define("uploadsvc-dropzone", UploadsvcDropzone);
}
