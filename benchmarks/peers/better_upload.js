// Better Upload's server behind its own adapter for Node.js.
import { createServer } from "node:http";
import { route } from "@better-upload/server";
import { toNodeHandler } from "@better-upload/server/adapters/node";
import { aws } from "@better-upload/server/clients";

const handle = toNodeHandler({
  client: aws(), // Key and region come from the environment.
  bucketName: "media",
  routes: { default: route({ fileTypes: ["image/*"] }) },
});

createServer(handle).listen(Number(process.env.PORT), "127.0.0.1");
