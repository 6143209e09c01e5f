// Files of made-up bytes, and what uploaders tell of them.

/** A file whose bytes are those of its seed, and of no other one. */
export function file(size, { name = "film.mp4", type = "video/mp4", seed = 1 } = {}) {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = seed;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new File([new Uint8Array(words.buffer, 0, size)], name, { type });
}

/** The SHA-256 of a file, in hexadecimal digits. */
export async function digest(made) {
  const hash = await crypto.subtle.digest("SHA-256", await made.arrayBuffer());
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const config = await (await fetch("/config")).json();
