// Copies into dist/ what the service serves at /web/, and the React hook: the package has no code of its own.
import { chmodSync, copyFileSync, mkdirSync, rmSync } from "node:fs";

const here = new URL("./", import.meta.url);
const web = new URL("../../src/uploadsvc/web/", here);
const dist = new URL("dist/", here);

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
for (const [folder, names] of [[web, ["uploadsvc", "queue", "dropzone"]], [new URL("src/", here), ["react"]]]) {
  for (const name of names) {
    for (const file of [`${name}.js`, `${name}.d.ts`]) {
      copyFileSync(new URL(file, folder), new URL(file, dist));
      chmodSync(new URL(file, dist), 0o644);
    }
  }
}
copyFileSync(new URL("../../LICENSE", here), new URL("LICENSE", here));
