// A page that does with an Uppy what a test tells it; each version of Uppy brings a class and a plugin.
import { config, digest, file } from "./made_up.js";

/** Sets up the page; each mode makes an Uppy with the options that a test adds. */
export function page(modes) {
  let uppy = null;
  let made = null;
  let told = null;

  /** Makes an Uppy with a plugin of one mode, and what is told of its only file. */
  async function start(mode, options, pauseAt) {
    told = { parts: [], progress: [], errors: [], success: null };
    uppy = await modes[mode](options);
    uppy.on("upload-error", (_file, error) => told.errors.push(error.message));
    uppy.on("s3-multipart:part-uploaded", (_file, part) => {
      told.parts.push(part.PartNumber);
      if (told.parts.length === pauseAt) uppy.pauseAll();
    });
    uppy.on("upload-progress", (_file, { bytesUploaded }) => told.progress.push(bytesUploaded));
    uppy.on("upload-success", (_file, { uploadURL, body }) => (told.success = { uploadURL, key: body.key ?? null }));
  }

  globalThis.page = {
    /** Uploads a file of so many bytes; what becomes of it is in `told`. */
    async upload(mode, size, given) {
      await page.begin(mode, size, given);
      return page.over();
    },
    /** Starts it; `state` is what Uppy would remember of the file, `pauseAt` a number of parts. */
    async begin(mode, size, { about = {}, options = {}, meta = {}, state = {}, pauseAt = 0 } = {}) {
      await start(mode, options, pauseAt);
      made = file(size, about);
      const id = uppy.addFile({ name: made.name, type: made.type, data: made });
      uppy.setFileMeta(id, meta);
      uppy.setFileState(id, state);
      page.ending = uppy.upload().catch((error) => told.errors.push(error.message));
    },
    async over() {
      await page.ending;
      return { ...told, digest: await digest(made) };
    },
    told: () => told,
    resume: () => uppy.resumeAll(),
    cancel: () => uppy.cancelAll(),
    /** What Uppy remembers of the multipart upload. */
    remembered: () => uppy.getFiles()[0].s3Multipart ?? null,
  };
  const { page } = globalThis;
  document.title = "ready";
}

export { config };
