// A single-page app of another origin. What it does shows in the page, one line for each file.
const { service, module, signedInBy } = await (await fetch("/config")).json();
const { createClient } = await import(module);

let token = null;

/** As identity providers' own libraries do: the token is kept, and asked for anew when it no longer counts. */
async function getToken({ refresh }) {
  if (token === null || refresh) token = await (await fetch("/token", { method: "POST" })).text();
  return token;
}

const client = createClient({
  baseUrl: service,
  ...(signedInBy === "cookie" ? { credentials: "include" } : { getToken }),
});

const input = document.querySelector("input");
input.addEventListener("change", async () => {
  const line = document.createElement("li");
  try {
    const { object, receipt } = await client.upload(input.files[0]);
    const checked = await fetch("/receipts", { method: "POST", body: receipt });
    line.textContent = `${checked.ok ? "stored" : "not believed"}: ${object.key}`;
  } catch (error) {
    line.textContent = `failed: ${error.code}`;
  }
  document.querySelector("ul").append(line);
});
input.disabled = false;
