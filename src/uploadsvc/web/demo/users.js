/** The demo's users. Each has a client, so that an upload continues as the user who started it. */

import { createClient } from "../uploadsvc.js";
import { $ } from "./page.js";

/** URL of the service, which may be mounted under a path of another app. */
export const baseUrl = new URL("../..", import.meta.url).href;

const CONCURRENT_UPLOADS = 3;
const tokens = new Map();
const clients = new Map();

export const clientOf = (user) => clients.get(user);
export const tokenOf = (user) => tokens.get(user);
export const userOf = (token) => [...tokens].find(([, each]) => each === token)?.[0] ?? "";

/** Loads the users and their tokens. Throws an error with a message for people. */
export async function loadTokens() {
  let response;
  try {
    response = await fetch(`${baseUrl}demo/users`);
  } catch {
    throw new Error("the service does not answer. Is it still running?");
  }
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.detail ?? `the service answered with status ${response.status}`);
  }
  for (const { user, token } of (await response.json()).users) tokens.set(user, token);
  return [...tokens.keys()];
}

/** Adds a user to the switch, and returns their button. */
export function addUser(user, onChosen) {
  const getToken = async ({ refresh }) => {
    if (refresh) await loadTokens();
    return tokens.get(user);
  };
  clients.set(user, createClient({ baseUrl, getToken, scope: user, maxUploads: CONCURRENT_UPLOADS }));
  const radio = Object.assign(document.createElement("input"), { type: "radio", name: "user", value: user });
  radio.addEventListener("change", () => onChosen(user));
  const text = document.createElement("label");
  text.append(radio, user);
  $("users").append(text);
  return radio;
}
