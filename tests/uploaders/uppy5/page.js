import AwsS3 from "@uppy/aws-s3";
import Uppy from "@uppy/core";
import { config, page } from "../uppy_page.js";

page({
  Uppy,
  AwsS3,
  modes: {
    endpoint: () => ({
      endpoint: `${config.service}/uppy`,
      headers: { Authorization: `Bearer ${config.token}` },
      retryDelays: [],
    }),
  },
});
