const state = document.getElementById("state");

function show(name, text) {
  state.dataset.state = name;
  state.textContent = text;
}

fetch("readyz", { cache: "no-store" }).then(
  (response) => response.ok
    ? show("ready", "Ready: the service can sign uploads and reach its bucket.")
    : show("failed", "Not ready. Check the service’s log, or run “uploadsvc doctor”."),
  () => show("failed", "The service does not respond."),
);
