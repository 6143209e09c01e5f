/* global SwaggerUIBundle */

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  // The query must not name another document, nor a server that would get the visitor's token.
  queryConfigEnabled: false,
  // No request to another origin, and no token left in the browser's storage.
  validatorUrl: null,
  persistAuthorization: false,
});
