/** Receipts, decoded and checked as a backend does: with the keys that the service publishes. */

/** Algorithms of receipts (RFC 7518) as the browser names them. */
const ALGORITHMS = {
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  EdDSA: { name: "Ed25519" },
};
const TYP = "uploadsvc-receipt+jwt";

/** @param {string} text in base64url */
const bytesOf = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.codePointAt(0) ?? 0);

/** @param {string} text */
const parsed = (text) => JSON.parse(new TextDecoder().decode(bytesOf(text)));

/** Returns the header and the claims of a receipt. @param {string} receipt */
export function decoded(receipt) {
  const [header = "", claims = ""] = receipt.split(".");
  return { header: parsed(header), claims: parsed(claims) };
}

/**
 * Checks a receipt. `valid` is null if it cannot be checked here; `words` say why.
 * @param {string} receipt @param {{ baseUrl: string, user: string }} options
 * @returns {Promise<{ valid: boolean | null, words: string }>}
 */
export async function checked(receipt, { baseUrl, user }) {
  const { header, claims } = decoded(receipt);
  const algorithm = ALGORITHMS[header.alg];
  if (!algorithm) {
    const why = `It is signed with a secret (${header.alg}), so only holders of the secret can check it.`;
    return { valid: null, words: `Not checked here. ${why} With UPLOADSVC_RECEIPTS__PRIVATE_KEY, anyone can.` };
  }
  if (!globalThis.crypto?.subtle) {
    return { valid: null, words: "Not checked here. Browsers can check signatures only on HTTPS pages and on localhost." };
  }
  const wrong = (why) => ({ valid: false, words: `Not valid: ${why}.` });
  if (header.typ !== TYP) return wrong("it is not a receipt");
  const { keys } = await (await fetch(`${baseUrl}.well-known/jwks.json`)).json();
  const found = keys.find(({ kid }) => kid === header.kid);
  if (!found) return wrong("the service has not published the key that signed it");
  if (!(await isSigned(receipt, found, algorithm))) return wrong("the signature is wrong");
  if (claims.exp * 1000 <= Date.now()) return wrong("it has expired");
  if (claims.sub !== user) return wrong(`it is for ${claims.sub}, not for ${user}`);
  const words = `Valid: signed with the published key (${header.alg}), not expired, for ${user}.`;
  return { valid: true, words };
}

async function isSigned(receipt, { kty, crv, x, y, n, e }, algorithm) {
  const [header, claims, signature] = receipt.split(".");
  const data = new TextEncoder().encode(`${header}.${claims}`);
  const key = await crypto.subtle.importKey("jwk", { kty, crv, x, y, n, e }, algorithm, false, ["verify"]);
  return crypto.subtle.verify(algorithm, key, bytesOf(signature), data);
}
