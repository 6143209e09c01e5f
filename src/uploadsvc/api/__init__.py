"""HTTP: routes, schemas, problems, the OpenAPI document."""
