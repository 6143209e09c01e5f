/** The demo page. The element `<uploadsvc-dropzone>` uploads; the modules in `demo/` show the results. */

import "./dropzone.js";
import { followEvents } from "./demo/events.js";
import { showHappened } from "./demo/happened.js";
import { addObjects, showObjects } from "./demo/objects.js";
import { connectOffers, keyOf, offerOf, showOffers } from "./demo/offers.js";
import { $, notice } from "./demo/page.js";
import { chosenChecksum, chosenPolicy, keepsFolders, policyNamed, showPolicies } from "./demo/policies.js";
import { addUser, clientOf, loadTokens } from "./demo/users.js";
import { explain, refusal } from "./demo/words.js";
import { UploadError } from "./uploadsvc.js";

const dropzone = $("dropzone");
const policyOf = new WeakMap(); // by file

/** The current user, and a promise that resolves once their policies are known. */
let view = { user: null, ready: null };

let begin;
/** Resolves once a user is shown: files can be chosen before. */
const begun = new Promise((resolve) => (begin = resolve));

function showUser(user) {
  notice();
  for (const place of document.querySelectorAll(".current-user")) place.textContent = user;
  view = { user, ready: loadPolicies(user) };
  begin();
  showOffers(user);
  showObjects(user);
  showHappened(user);
  followEvents(user);
}

async function loadPolicies(user) {
  try {
    const policies = await clientOf(user).listPolicies();
    if (view.user === user) showPolicies(policies);
  } catch (error) {
    if (view.user === user) notice(`Could not load the upload policies of ${user}: ${explain(error)}`);
  }
}

/** Adds files to the list, each with its options. `path` is the path of a file in a folder, or empty. */
async function addFiles(files) {
  await begun;
  const { user, ready } = view;
  await ready;
  if (files.some(({ path }) => path) && !keepsFolders(chosenPolicy())) {
    notice(`Policy “${$("policy").value}” chooses the keys, so files are uploaded without their folders.`);
  }
  dropzone.add(files.map((each) => prepared(each, user)));
  showOffers();
}

/** Returns a file with its options. An unfinished upload continues with those that it was started with. */
function prepared({ file, path }, user) {
  const offer = offerOf(file, path);
  const policy = offer ? policyNamed(offer.policy) : chosenPolicy();
  const place = (offer ? offer.path : path) ?? "";
  const relativeKey = offer ? offer.relative_key : path && policy?.client_keys ? keyOf(path) : null;
  const reason = policy && refusal(policy, file);
  if (policy) policyOf.set(file, policy);
  return {
    file,
    path: place,
    name: relativeKey ?? (place && keepsFolders(policy) ? keyOf(place) : file.name),
    note: user,
    options: {
      client: clientOf(user),
      policy: policy?.name,
      checksum: offer ? offer.checksum : chosenChecksum(),
      ...(relativeKey && { relative_key: relativeKey }),
    },
    ...(reason && { refused: new UploadError("refused", reason) }),
  };
}

dropzone.explain = (error, { file }) => explain(error, file, policyOf.get(file));
dropzone.addEventListener("uploadsvc:add", (event) => {
  event.preventDefault();
  notice();
  addFiles(event.detail.files);
});
dropzone.addEventListener("uploadsvc:done", ({ detail: { item, object } }) => {
  addObjects(item.note, [object]);
});
let counted = "";
dropzone.addEventListener("uploadsvc:change", ({ detail: { items, stored, failed, cancelled } }) => {
  const counts = [items.length, stored, failed, cancelled].join();
  if (counts !== counted && view.user) showOffers();
  counted = counts;
});
connectOffers({
  add: (file) => addFiles([{ file, path: "" }]),
  retryable: (user) =>
    dropzone.queue.snapshot().items.filter(({ note, retryable }) => note === user && retryable).map(({ file }) => file),
});
$("refresh").addEventListener("click", () => showUser(view.user));

try {
  const [radio] = (await loadTokens()).map((user) => addUser(user, showUser));
  radio.click();
  dropzone.removeAttribute("disabled");
  for (const id of ["refresh", "copy-token"]) $(id).disabled = false;
} catch (error) {
  notice(`Could not load the demo users: ${error.message} Reload the page to try again.`);
}
