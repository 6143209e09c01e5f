/** Elements and messages of the page. */

export const $ = (id) => document.getElementById(id);

/** Shows a message above everything, or none. */
export function notice(text = "") {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

/** Returns a copy of a template, with texts for the elements of these classes. */
export function fromTemplate(id, texts = {}) {
  const element = $(id).content.firstElementChild.cloneNode(true);
  for (const [name, text] of Object.entries(texts)) element.querySelector(`.${name}`).textContent = text;
  return element;
}

/** Labels a button with its action and what that applies to. */
export function label(button, action, name) {
  button.textContent = action;
  button.setAttribute("aria-label", `${action} ${name}`); // Firefox before 119 has no `ariaLabel`
}

/** Returns a function that announces messages to screen readers. Messages within half a second are combined. */
export function announcer(id, what) {
  const messages = [];
  return (text) => {
    if (messages.push(text) > 1) return;
    setTimeout(() => {
      const count = messages.length;
      const shown = messages.splice(0).slice(-3).join(". ");
      $(id).textContent = count > 3 ? `${count} ${what}, latest: ${shown}` : shown;
    }, 500);
  };
}

export const announce = announcer("status", "changes");

/** Removes a row. If it has the focus, the next row's button gets it, or else this element. */
export function removeRow(row, button, otherwise) {
  const next = (row.nextElementSibling ?? row.previousElementSibling)?.querySelector(button);
  if (row.contains(document.activeElement)) (next ?? otherwise).focus();
  row.remove();
}

/** Formats a size in binary units, like the limits of policies. */
export function formatSize(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let power = 0;
  while (power < 4 && bytes / 1024 ** power >= 1024) power += 1;
  const amount = (bytes / 1024 ** power).toLocaleString("en", { maximumFractionDigits: 1 });
  return `${amount} ${units[power]}`;
}

const timeParts = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
export const formatTime = new Intl.DateTimeFormat("en", timeParts).format;
export const formatSecond = new Intl.DateTimeFormat("en", { ...timeParts, second: "2-digit" }).format;
