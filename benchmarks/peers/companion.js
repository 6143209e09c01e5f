// Uppy's Companion as an Express app, as its docs show; `GET /s3/params` signs a POST policy.
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { app as companion } from "@uppy/companion";
import express from "express";

const { app } = companion({
  s3: {
    key: process.env.AWS_ACCESS_KEY_ID,
    secret: process.env.AWS_SECRET_ACCESS_KEY,
    region: process.env.AWS_REGION,
    bucket: "media",
    getKey: ({ filename }) => `uploads/${randomUUID()}/${filename}`,
  },
  server: { host: `127.0.0.1:${process.env.PORT}`, protocol: "http" },
  filePath: tmpdir(),
  secret: "a made-up secret that signs nothing here",
  corsOrigins: true,
  uploadUrls: ["https://uploads.example"],
});

express().use(app).listen(Number(process.env.PORT), "127.0.0.1");
