import { uploadFiles } from "@better-upload/client";

/** Upload files, and get the receipt of each that was stored. */
export async function upload(files, { service, token, route = "default" }) {
  const headers = { Authorization: `Bearer ${token}` };
  const result = await uploadFiles({ api: `${service}/better-upload`, route, files, headers });
  const completed = result.files.map(async ({ objectInfo }) => {
    const id = result.metadata.ids[objectInfo.key];
    const answer = await fetch(`${service}/v1/uploads/${id}/complete`, { method: "POST", headers });
    return answer.json();
  });
  return { completed: await Promise.all(completed), failed: result.failedFiles };
}
