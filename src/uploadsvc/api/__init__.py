"""HTTP API: routes, schemas, problems, OpenAPI document."""
