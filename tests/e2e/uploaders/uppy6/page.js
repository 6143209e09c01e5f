import AwsS3 from "@uppy/aws-s3";
import { Uppy } from "@uppy/core";
import * as guide from "guide";
import { config, page } from "../uppy_page.js";

const authorization = { Authorization: `Bearer ${config.token}` };

async function answer(response) {
  const body = await response.json();
  if (!response.ok) throw new Error(body.message);
  return body;
}

async function signRequest(request) {
  const headers = { ...authorization, "Content-Type": "application/json" };
  const body = JSON.stringify({ ...request, policy: config.policy });
  return answer(await fetch(`${config.service}/uppy/sign`, { method: "POST", headers, body }));
}

const getCredentials = async () => answer(await fetch(`${config.service}/uppy/credentials`, { headers: authorization }));

const plain = (own) => (more) => new Uppy().use(AwsS3, { ...own, ...more });

async function asTold(uppy, more) {
  (await uppy).getPlugin("AwsS3").setOptions(more);
  return uppy;
}

page({
  companion: plain({ companionEndpoint: `${config.service}/uppy/${config.uploadToken}` }),
  sign: plain({ signRequest, generateObjectKey: (file) => config.key ?? file.name }),
  credentials: plain({
    getCredentials,
    s3Endpoint: config.bucket,
    generateObjectKey: (file) => `${config.prefix}${file.name}`,
  }),
  guideCompanion: (more) => asTold(guide.companion(config.uploadToken), more),
  guideSigned: (more) => asTold(guide.signed(config.policy), more),
  guideWithCredentials: (more) => asTold(guide.withCredentials(), more),
});
