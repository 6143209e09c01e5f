/** Requests as curl commands for a POSIX shell. */

/** Form fields that are secret, and the variables that replace them. */
const SECRET_FIELDS = { policy: "POLICY", "x-amz-signature": "SIGNATURE", "x-amz-security-token": "SESSION" };

/** Quotes a text for the shell. */
const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** Quotes a text in which a variable replaces a value. */
const filled = (text, value, name) => {
  const parts = text.split(value).map((part) => part.replace(/["$`\\]/g, String.raw`\$&`));
  return `"${parts.join(`$${name}`)}"`;
};

/** Quotes a file's name for curl's `--form`, and for the shell. */
const formFile = (name) => quoted(`file=@"${name.replace(/["\\]/g, String.raw`\$&`)}"`);

/** A name that starts with a hyphen would be an option. */
const path = (name) => quoted(name.startsWith("-") ? `./${name}` : name);

/**
 * Returns a command that sends a recorded request again. Without `secrets`, shell variables stand for the token, the
 * upload's id, and the signed URL or fields.
 * @param {import("./recorder.js").Sent} sent @param {{ secrets: boolean }} options @returns {string}
 */
export function curlOf({ method, url, headers, body, token, id, toStorage }, { secrets }) {
  const hidden = (text, value, name) => (secrets || !value ? quoted(text) : filled(text, value, name));
  // A form has its secrets in fields; any other URL of S3 is one itself.
  const secret = toStorage ? { value: body.form ? "" : url, name: "URL" } : { value: encodeURIComponent(id), name: "UPLOAD_ID" };
  const address = hidden(url, secret.value, secret.name);
  const lines = [`curl -sS -X ${method} ${address}`];
  for (const [name, value] of headers) lines.push(`-H ${hidden(`${name}: ${value}`, token, "TOKEN")}`);
  if (body.text !== undefined) lines.push(`-d ${quoted(body.text)}`);
  for (const [name, value] of body.form ?? []) {
    const variable = secrets ? "" : SECRET_FIELDS[name.toLowerCase()];
    lines.push(variable ? `--form-string "${name}=$${variable}"` : `--form-string ${quoted(`${name}=${value}`)}`);
  }
  if (body.form) lines.push(`-F ${formFile(body.name)}`);
  else if (body.offset !== undefined) {
    // Without this, curl would send the type of a form.
    lines.push("-H 'Content-Type:'", "--data-binary @-");
    lines[0] = `tail -c +${body.offset + 1} ${path(body.name)} | head -c ${body.size} | ${lines[0]}`;
  } else if (body.name !== undefined) lines.push(`-T ${path(body.name)}`);
  return lines.join(" \\\n  ");
}
