// What a TypeScript program does with OpenAPI Generator's client. The compiler checks it, then Node.js runs it.

import {
  Configuration,
  type CreateUpload,
  PoliciesApi,
  type Problem,
  ProblemFromJSON,
  ResponseError,
  type StoredObject,
  TokensApi,
  type Upload,
  UploadsApi,
} from "./client/index.js";

// Every field of a request may be left out; what is no field, or of another type, is refused.
export const requests: CreateUpload[] = [
  {},
  { contentType: "image/jpeg", metadata: { note: "holiday" }, expiresIn: 60 },
  { method: "multipart", checksum: { algorithm: "sha256" } },
  // @ts-expect-error -- a size is a number
  { size: "123456" },
  // @ts-expect-error -- there is no such method
  { method: "patch" },
  // @ts-expect-error -- there is no such field
  { file_name: "photo.jpg" },
];

/** Sends the bytes as the upload says; for a large file, its other parts would be asked for. */
async function send(upload: Upload, bytes: Blob): Promise<Response> {
  if (upload.method === "put") {
    // @ts-expect-error -- a PUT has no fields
    void upload.fields;
    return fetch(upload.url, { method: "PUT", headers: upload.headers, body: bytes });
  }
  if (upload.method === "post") {
    // @ts-expect-error -- a form has no headers
    void upload.headers;
    const form = new FormData();
    for (const [name, value] of Object.entries(upload.fields)) form.append(name, value);
    form.append("file", bytes);
    return fetch(upload.url, { method: "POST", body: form });
  }
  // @ts-expect-error -- an upload in parts has no URL of its own
  void upload.url;
  const answers = upload.parts.map((part) => {
    const start = (part.partNumber - 1) * upload.partSize;
    const body = bytes.slice(start, start + part.size);
    return fetch(part.url, { method: "PUT", headers: part.headers, body });
  });
  const sent = await Promise.all(answers);
  return sent.find((answer) => !answer.ok) ?? sent[0] ?? Response.error();
}

/** Says what a problem is about: its code, and the fields at fault. */
function told(problem: Problem): string {
  return [problem.code, ...problem.errors.map((error) => error.field)].join(": ");
}

/** Gives the problem in what a call threw; throws again what holds none. */
async function problemIn(error: unknown): Promise<Problem> {
  if (error instanceof ResponseError) return ProblemFromJSON(await error.response.json());
  throw error;
}

/** Gives a configuration that sends the token as a bearer token. */
function bearer(basePath: string, accessToken: string): Configuration {
  return new Configuration({ basePath, accessToken });
}

/** Uploads a text; gives the object that is verified to be there. */
export async function upload(
  basePath: string,
  token: string,
  method: Upload["method"],
  text: string,
): Promise<StoredObject> {
  const api = new UploadsApi(bearer(basePath, token));
  const bytes = new Blob([text]);
  const created = await api.createUpload({
    createUpload: { filename: "note.txt", size: bytes.size, method },
  });
  if (created.expiresAt <= new Date()) throw new Error("the URLs ended before they were used");
  const sent = await send(created, bytes);
  if (!sent.ok) throw new Error(`S3 answered ${sent.status}`);
  const completed = await api.completeUpload({ id: created.id });
  return completed.object;
}

/** Asks for what is refused; gives the problem's code and the field at fault. */
export async function refusal(basePath: string, token: string): Promise<string> {
  try {
    await new UploadsApi(bearer(basePath, token)).createUpload({ createUpload: { size: -1 } });
  } catch (error) {
    return told(await problemIn(error));
  }
  return "none";
}

/**
 * Creates several uploads at once, by an upload token for the policies that let you PUT; gives what became
 * of each: the method of one that was created, or what the problem is about.
 */
export async function batch(basePath: string, token: string): Promise<string[]> {
  const { policies } = await new PoliciesApi(bearer(basePath, token)).listPolicies();
  const names = policies.filter(({ methods }) => methods.includes("put")).map(({ name }) => name);
  const minted = await new TokensApi(bearer(basePath, token)).createToken({
    createToken: { policies: names },
  });
  const { results } = await new UploadsApi(bearer(basePath, minted.token)).createUploads({
    createUploads: { uploads: [{ method: "put", size: 1 }, { method: "put" }, { method: "post" }] },
  });
  return results.map(({ upload, problem }) =>
    upload ? upload.method : problem ? told(problem) : "neither",
  );
}
