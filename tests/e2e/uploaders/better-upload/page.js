import { uploadFile, uploadFiles } from "@better-upload/client";
import { upload } from "guide";

const { service, token } = await (await fetch("/config")).json();
const controller = new AbortController();

function madeUp({ name, size, type }) {
  const bytes = new Uint8Array(size);
  for (let start = 0; start < size; start += 65_536) {
    crypto.getRandomValues(bytes.subarray(start, start + 65_536));
  }
  return new File([bytes], name, { type });
}

async function digest(file) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const plain = ({ name, type, size, status, progress, objectInfo, error }) => ({
  name, type, size, status, progress, objectInfo, error,
});

const options = (given) => ({
  api: `${service}/better-upload`,
  route: "default",
  headers: { Authorization: `Bearer ${token}` },
  signal: controller.signal,
  ...given,
});

globalThis.page = {
  abort: () => controller.abort(),

  /** What an app gets that does as the documentation says. */
  async documented(described, route) {
    const files = described.map(madeUp);
    const { completed, failed } = await upload(files, { service, token, route });
    return { completed, failed: failed.map(plain), digests: await Promise.all(files.map(digest)) };
  },

  /** What an app gets by the client alone, with any of its options. */
  async several(described, given) {
    const files = described.map(madeUp);
    const states = [];
    try {
      const onFileStateChange = ({ file }) => states.push([file.name, file.status, file.progress]);
      const result = await uploadFiles({ ...options(given), files, onFileStateChange });
      const digests = await Promise.all(files.map(digest));
      const { ids } = result.metadata;
      return { files: result.files.map(plain), failed: result.failedFiles.map(plain), digests, ids, states };
    } catch (error) {
      return { name: error.constructor.name, type: error.type, message: error.message };
    }
  },

  async one(described, given) {
    const file = madeUp(described);
    try {
      const result = await uploadFile({ ...options(given), file });
      return { file: plain(result.file), digest: await digest(file), ids: result.metadata.ids };
    } catch (error) {
      return { type: error.type, message: error.message };
    }
  },
};
document.title = "ready";
