import { fileURLToPath } from "node:url";

export default {
  reactStrictMode: true,
  // The folder above has the packages of all apps.
  turbopack: { root: fileURLToPath(new URL("../", import.meta.url)) },
};
