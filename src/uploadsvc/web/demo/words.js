/** Descriptions of file types, rules and errors for people. */

import { formatSize } from "./page.js";

/** Tells whether a browser runs such a file: HTML, SVG, XML or JavaScript. No wildcard of a policy allows it. */
const isActive = (type) => /\+xml$|^text\/(html|xml|xsl|rdf)$|\/xml$|(java|ecma|j|live|vb)script/.test(type);

const KINDS = [
  [/^(text\/html|application\/xhtml\+xml)$/, "an HTML page"],
  [/^image\/svg\+xml$/, "an SVG image"],
  [/script/, "a script"],
  [/(\+|\/)xml$/, "an XML file"],
  [/^image\//, "an image"],
  [/^video\//, "a video"],
  [/^audio\//, "an audio file"],
  [/^font\//, "a font"],
  [/^application\/pdf$/, "a PDF file"],
  [/^application\/(x-)?(zip|gzip|tar|7z|rar|bzip)/, "an archive"],
  [/^application\/(msword|vnd\.(openxml|oasis|ms-))/, "an office document"],
  [/^text\//, "a text file"],
];
const PLURALS = { image: "images", video: "videos", audio: "audio files", font: "fonts", text: "text files" };
const SPECIAL = { "application/pdf": "PDF files", "application/zip": "ZIP archives", "text/plain": "plain text files" };

/** Describes a file of a media type. */
const kindOf = (type) => {
  const [essence] = type.split(";");
  return `${KINDS.find(([pattern]) => pattern.test(essence))?.[1] ?? "a file"} (${essence})`;
};

const join = (words) => (words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${words.at(-1)}` : words.join(""));
const article = (kind) => kind.replace(/^an? /, "");

const allTypes = (policy) => policy.content_types.includes("*/*");

/** Describes the types that a policy accepts. */
export function typesOf(policy) {
  if (allTypes(policy)) {
    const named = policy.content_types.filter(isActive).map((type) => article(kindOf(type)));
    return `any type except HTML, SVG, XML and JavaScript${named.length ? ` (but ${join(named)})` : ""}`;
  }
  const groups = new Map(); // of what follows the names: "JPEG and PNG images"
  for (const type of policy.content_types) {
    const [major, minor] = type.split("/");
    const special = SPECIAL[type] ?? (PLURALS[major] && !isActive(type) ? null : article(kindOf(type)));
    const noun = special ?? PLURALS[major];
    const names = groups.get(noun) ?? [];
    if (!special && minor !== "*") names.push(minor.replace(/^x-/, "").toUpperCase());
    groups.set(noun, minor === "*" ? [] : names);
  }
  return join([...groups].map(([noun, names]) => (names.length ? `${join(names)} ${noun}` : noun)));
}

/** Describes the sizes that a policy accepts. */
export const sizesOf = ({ min_size, max_size }) =>
  min_size > 0 ? `${formatSize(min_size)} to ${formatSize(max_size)}` : `up to ${formatSize(max_size)}`;

const wrongType = (type, policy) => {
  const run = isActive(type) ? ", which browsers can run" : "";
  return `this is ${kindOf(type)}${run}. Policy “${policy.name}” accepts ${typesOf(policy)}`;
};

/** Shows bytes if the rounded size equals a limit. */
function wrongSize(size, policy) {
  const limits = [policy.min_size, policy.max_size].map(formatSize);
  const text = formatSize(size);
  const exact = limits.includes(text) ? `${size.toLocaleString("en")} bytes` : text;
  return `the file is ${exact}. Policy “${policy.name}” accepts ${sizesOf(policy)}`;
}

/** Returns why a policy refuses a file, as far as the page can tell, or null. The service decides. */
export function refusal(policy, { type, size }) {
  if (size > policy.max_size || size < policy.min_size) return wrongSize(size, policy);
  const { content_types } = policy;
  if (!type || content_types.includes(type)) return null;
  if (isActive(type)) return wrongType(type, policy);
  // Formats have several names, and the service decides which it accepts: refuse only other kinds.
  const kinds = new Set(["application", "*", ...content_types.map((pattern) => pattern.split("/")[0])]);
  const sameKind = allTypes(policy) || content_types.some((pattern) => pattern.startsWith("application/"));
  return sameKind || kinds.has(type.split("/")[0]) ? null : wrongType(type, policy);
}

/** Errors by their code; the functions get the error, the file and its policy. */
const ERRORS = {
  network_error: ({ origin }) =>
    !origin || origin === location.origin
      ? "the upload service does not answer"
      : "no answer from S3: either the connection is down, or the bucket does not allow this page",
  token_unavailable: () => "the demo could not get a new token",
  file_unreadable: () => "the file was changed, moved or deleted",
  http_error: ({ status }) => `something other than the upload service answered (status ${status})`,
  storage_rejected: ({ reason, status }) => `S3 refused the file (${reason || "no reason given"}, status ${status})`,
  content_type_not_allowed: (_, file, policy) => policy && file.type && wrongType(file.type, policy),
  file_too_large: (_, file, policy) => policy && wrongSize(file.size, policy),
  file_too_small: (_, file, policy) => policy && wrongSize(file.size, policy),
  quota_exceeded: ({ problem }) => quotaWords(problem?.quota),
  rate_limited: ({ retryAfter }) => `too many requests. Try again in ${Math.max(1, retryAfter)} s`,
  overloaded: () => "the service is busy. Try again in a moment",
  not_found: () => "it no longer exists",
  upload_expired: () => "the upload took too long and has expired. Choose the file again",
  upload_aborted: () => "the upload was cancelled elsewhere. Choose the file again",
  object_exists: () => "a file with this name already exists, and the policy does not replace files",
  object_unavailable: () => "the file has not been scanned yet",
  verification_failed: () => "the object in S3 is not the file that this page sent. Choose the file again",
  content_mismatch: ({ problem }) => `the content does not match the type. ${problem?.detail ?? ""}`.trim(),
  storage_denied: () => "S3 refuses the service’s credentials. See the service’s log",
  storage_misconfigured: () => "the bucket does not match the service’s settings. See the service’s log",
  storage_unavailable: () => "the service cannot reach S3. Try again in a moment",
  internal_error: () => "the service failed. See its log",
};

function quotaWords(quota) {
  if (!quota) return null;
  const { name, limit, left, frees_at } = quota;
  const when = frees_at ? ` Try again at ${new Date(frees_at).toLocaleTimeString("en", { timeStyle: "short" })}.` : "";
  if (name === "unfinished_uploads") return `you have ${limit} unfinished uploads, which is the limit.${when}`;
  return `you may upload ${formatSize(limit)} a day, and ${formatSize(left)} is left.${when}`;
}

/** Explains an error, by default in the service's own words. */
export function explain(error, file = null, policy = null) {
  return ERRORS[error.code]?.(error, file, policy) || error.message;
}
