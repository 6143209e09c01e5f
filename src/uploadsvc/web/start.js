const state = document.getElementById("state");

function show(name, text) {
  state.dataset.state = name;
  state.textContent = text;
}

fetch("readyz", { cache: "no-store" }).then(
  (response) => response.ok
    ? show("ready", "Ready: it can sign uploads, and reaches its bucket.")
    : show("failed", "Not ready. Its log and “uploadsvc doctor” say why."),
  () => show("failed", "It does not answer."),
);
