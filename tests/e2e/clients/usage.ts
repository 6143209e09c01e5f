// What a TypeScript program does with the generated types. The compiler checks it, then Node.js runs it.

import createClient from "openapi-fetch";
import type { components, operations, paths } from "./api.ts";

type CreateUpload = operations["createUpload"]["requestBody"]["content"]["application/json"];
type Created = operations["createUpload"]["responses"][201]["content"]["application/json"];
type TooLarge = operations["createUpload"]["responses"][413]["content"]["application/problem+json"];
type Upload = components["schemas"]["Upload"];
type Problem = components["schemas"]["Problem"];
type CompletedUpload = components["schemas"]["CompletedUpload"];

/** Compiles when two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

export const same: [Same<Created, Upload>, Same<TooLarge, Problem>] = [true, true];

// Every field of a request may be left out; what is no field, or of another type, is refused.
export const requests: CreateUpload[] = [
  {},
  {
    filename: "photo.jpg",
    content_type: "image/jpeg",
    size: 123456,
    policy: "default",
    method: "put",
    relative_key: "2026/photo.jpg",
    metadata: { note: "holiday" },
    checksum: { algorithm: "crc32c", value: "AAAAAA==" },
    overwrite: false,
    expires_in: 60,
  },
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

function client(baseUrl: string, token: string) {
  return createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
}

/** Uploads a text; gives the object that is verified to be there. */
export async function upload(
  baseUrl: string,
  token: string,
  method: Upload["method"],
  text: string,
): Promise<CompletedUpload["object"]> {
  const api = client(baseUrl, token);
  const bytes = new Blob([text]);
  const created = await api.POST("/v1/uploads", {
    body: { filename: "note.txt", size: bytes.size, method },
  });
  if (created.error !== undefined) throw new Error(told(created.error));
  const sent = await send(created.data, bytes);
  if (!sent.ok) throw new Error(`S3 answered ${sent.status}`);
  const completed = await api.POST("/v1/uploads/{id}/complete", {
    params: { path: { id: created.data.id } },
  });
  if (completed.error !== undefined) throw new Error(told(completed.error));
  return completed.data.object;
}

/** Asks for what is refused; gives the problem's code and the field at fault. */
export async function refusal(baseUrl: string, token: string): Promise<string> {
  const { error } = await client(baseUrl, token).POST("/v1/uploads", { body: { size: -1 } });
  return error === undefined ? "none" : told(error);
}

/**
 * Creates several uploads at once, by an upload token for the policies that let you PUT; gives what became
 * of each: the method of one that was created, or what the problem is about.
 */
export async function batch(baseUrl: string, token: string): Promise<string[]> {
  const listed = await client(baseUrl, token).GET("/v1/policies");
  if (listed.error !== undefined) throw new Error(told(listed.error));
  const policies = listed.data.policies.filter(({ methods }) => methods.includes("put"));
  const minted = await client(baseUrl, token).POST("/v1/tokens", {
    body: { policies: policies.map(({ name }) => name) },
  });
  if (minted.error !== undefined) throw new Error(told(minted.error));
  const created = await client(baseUrl, minted.data.token).POST("/v1/uploads/batch", {
    body: { uploads: [{ method: "put", size: 1 }, { method: "put" }, { method: "post" }] },
  });
  if (created.error !== undefined) throw new Error(told(created.error));
  return created.data.results.map(({ upload, problem }) =>
    upload ? upload.method : problem ? told(problem) : "neither",
  );
}
