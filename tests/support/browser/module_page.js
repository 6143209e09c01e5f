// Runs the module as a test requests, and records its callbacks.
import { createClient } from "/uploadsvc.js";

const { service } = await (await fetch("/config")).json();

let token = null;
let refreshed = 0;

async function getToken({ refresh }) {
  if (refresh) refreshed += 1;
  if (token === null || refresh) token = await (await fetch("/token", { method: "POST" })).text();
  return token;
}

/** Pseudo-random bytes that differ for each seed. */
function bytesOf(seed, size) {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = seed;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer, 0, size);
}

const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

globalThis.page = {
  client: createClient({ baseUrl: service, getToken }),
  another: (options) => (page.client = createClient({ baseUrl: service, getToken, ...options })),
  useToken: (value) => (token = value),
  refreshed: () => refreshed,
  /** The same name, size and date: the same file, as far as a browser can tell. */
  file: (size, { seed = 1, name = "film.mp4", type = "video/mp4" } = {}) =>
    new File([bytesOf(seed, size)], name, { type, lastModified: 1_700_000_000_000 }),
  digest: async (file) => hex(await crypto.subtle.digest("SHA-256", await file.arrayBuffer())),
  /** Starts an upload and records its callbacks and result. */
  begin(file, options = {}) {
    const told = { states: [], progress: [], retries: [], result: null };
    const { signal, ...request } = options;
    const task = page.client.upload(file, {
      ...request,
      ...(signal && { signal }),
      onState: (state) => told.states.push(state),
      onProgress: (progress) => told.progress.push(progress),
      onRetry: ({ attempt, delay, error }) => told.retries.push({ attempt, delay, code: error.code }),
    });
    told.task = task;
    told.over = task.then(
      (completed) => (told.result = { completed }),
      ({ name, code, status, message }) => (told.result = { failed: { name, code, status, message } }),
    );
    return told;
  },
  upload: (size, options, about) => (globalThis.told = page.begin((globalThis.file = page.file(size, about)), options)),
};

document.title = "ready";
