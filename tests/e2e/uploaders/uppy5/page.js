import AwsS3 from "@uppy/aws-s3";
import Uppy from "@uppy/core";
import * as guide from "guide";
import { config, page } from "../uppy_page.js";

const headers = { Authorization: `Bearer ${config.token}` };

page({
  endpoint: (more) => new Uppy().use(AwsS3, { endpoint: `${config.service}/uppy`, headers, retryDelays: [], ...more }),
  guide: (more) => {
    const uppy = guide.uppy5(config.token);
    uppy.getPlugin("AwsS3Multipart").setOptions(more);
    return uppy;
  },
});
