// What a TypeScript program does with Hey API's client. The compiler checks it, then Node.js runs it.

import { createClient } from "./client/client/index.js";
import { completeUpload, createToken, createUpload, createUploads, listPolicies } from "./client/index.js";
import type {
  CompletedUpload,
  CreateUpload,
  CreateUploadErrors,
  CreateUploadResponses,
  Problem,
  StoredObject,
  Upload,
} from "./client/index.js";

/** Compiles when two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

export const same: [
  Same<CreateUploadResponses[201], Upload>,
  Same<CreateUploadErrors[413], Problem>,
  Same<CompletedUpload["object"], StoredObject>,
] = [true, true, true];

// Every field of a request may be left out; what is no field, or of another type, is refused.
export const requests: CreateUpload[] = [
  {},
  { filename: "photo.jpg", size: 123456, metadata: { note: "holiday" }, expires_in: 60 },
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
    const start = (part.part_number - 1) * upload.part_size;
    const body = bytes.slice(start, start + part.size);
    return fetch(part.url, { method: "PUT", headers: part.headers, body });
  });
  const sent = await Promise.all(answers);
  return sent.find((answer) => !answer.ok) ?? sent[0] ?? Response.error();
}

/** Says what a problem is about: its code, and the fields at fault. */
function told(problem: Problem): string {
  const [first] = problem.errors;
  return first === undefined ? problem.code : `${problem.code}: ${first.field}`;
}

/** Gives a client that sends the token as a bearer token, and as nothing else. */
function bearer(baseUrl: string, token: string) {
  return createClient({ baseUrl, auth: ({ scheme }) => (scheme === "bearer" ? token : undefined) });
}

/** Uploads a text; gives the object that is verified to be there. */
export async function upload(
  baseUrl: string,
  token: string,
  method: Upload["method"],
  text: string,
): Promise<StoredObject> {
  const client = bearer(baseUrl, token);
  const bytes = new Blob([text]);
  const created = await createUpload({ client, body: { filename: "note.txt", size: bytes.size, method } });
  if (created.error !== undefined) throw new Error(told(created.error));
  const sent = await send(created.data, bytes);
  if (!sent.ok) throw new Error(`S3 answered ${sent.status}`);
  const completed = await completeUpload({ client, path: { id: created.data.id } });
  if (completed.error !== undefined) throw new Error(told(completed.error));
  return completed.data.object;
}

/** Asks for what is refused; gives the problem's code and the field at fault. */
export async function refusal(baseUrl: string, token: string): Promise<string> {
  const { error } = await createUpload({ client: bearer(baseUrl, token), body: { size: -1 } });
  return error === undefined ? "none" : told(error);
}

/**
 * Creates several uploads at once, by an upload token for the policies that let you PUT; gives what became
 * of each: the method of one that was created, or what the problem is about.
 */
export async function batch(baseUrl: string, token: string): Promise<string[]> {
  const client = bearer(baseUrl, token);
  const listed = await listPolicies({ client });
  if (listed.error !== undefined) throw new Error(told(listed.error));
  const policies = listed.data.policies.filter(({ methods }) => methods.includes("put"));
  const minted = await createToken({ client, body: { policies: policies.map(({ name }) => name) } });
  if (minted.error !== undefined) throw new Error(told(minted.error));
  const created = await createUploads({
    client: bearer(baseUrl, minted.data.token),
    body: { uploads: [{ method: "put", size: 1 }, { method: "put" }, { method: "post" }] },
  });
  if (created.error !== undefined) throw new Error(told(created.error));
  return created.data.results.map(({ upload, problem }) =>
    upload ? upload.method : problem ? told(problem) : "neither",
  );
}
