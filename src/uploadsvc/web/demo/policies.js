/** The policies of the current user, shown before files are chosen. */

import { $ } from "./page.js";
import { sizesOf, typesOf } from "./words.js";

const CHECKSUMS = ["crc32", "sha256"]; // the module computes these; the cheaper comes first

let policies = [];

export const policyNamed = (name) => policies.find((policy) => policy.name === name);
export const chosenPolicy = () => policyNamed($("policy").value);

/** Returns the algorithm to use for a file that is added now, or null. */
export const chosenChecksum = () => ($("checksum").checked ? checksumOf(chosenPolicy()) : null);

const checksumOf = (policy) => CHECKSUMS.find((algorithm) => policy.checksum_algorithms.includes(algorithm));

/** Tells whether a policy keeps folders: in keys that the page chooses, or in those that the service generates. */
export const keepsFolders = (policy) => Boolean(policy?.client_keys || policy?.keeps_folders);

/** Shows other policies; the selected one stays selected if it is among them. */
export function showPolicies(listed) {
  const { value } = $("policy");
  policies = listed;
  $("policy").replaceChildren(...policies.map(({ name }) => new Option(name)));
  $("policy").value = (policyNamed(value) ?? policyNamed("default") ?? policies[0])?.name;
  showPolicy();
}

function showPolicy() {
  const policy = chosenPolicy();
  if (!policy) return;
  const types = typesOf(policy);
  $("policy-choice").hidden = policies.length < 2;
  $("limits").textContent = `${types[0].toUpperCase()}${types.slice(1)}, ${sizesOf(policy)}`;
  $("dropzone").setAttribute("accept", policy.content_types.includes("*/*") ? "" : policy.content_types.join(","));
  const possible = policy.checksum !== "off" && checksumOf(policy);
  $("checksum").disabled = !possible || policy.checksum === "required";
  if ($("checksum").disabled) $("checksum").checked = policy.checksum === "required";
}

$("policy").addEventListener("change", showPolicy);
