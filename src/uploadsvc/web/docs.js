/* global SwaggerUIBundle */

// Of the next operation that is opened.
let preferred = "curl";

/** Shows `x-codeSamples` above the responses of an operation. */
function CodeSamples({ React, samples }) {
  const [language, choose] = React.useState(preferred);
  const shown = samples.find(({ label }) => label === language) ?? samples[0];
  const tab = ({ label }) => React.createElement("button", {
    key: label,
    type: "button",
    role: "tab",
    "aria-selected": label === shown.label,
    onClick: () => choose(preferred = label),
  }, label);
  return React.createElement("div", { className: "code-samples" },
    React.createElement("h4", null, "Code"),
    React.createElement("div", { role: "tablist", "aria-label": "Language" }, samples.map(tab)),
    React.createElement("pre", { role: "tabpanel", "aria-label": shown.label, tabIndex: 0 }, shown.source));
}

const codeSamples = () => ({
  wrapComponents: {
    responses: (Responses, { React, specSelectors }) => (props) => {
      const samples = specSelectors.specJson().getIn(["paths", props.path, props.method, "x-codeSamples"]);
      return React.createElement(React.Fragment, null,
        samples && React.createElement(CodeSamples, { React, samples: samples.toJS() }),
        React.createElement(Responses, props));
    },
  },
});

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  plugins: [codeSamples],
  // The query must not name another document, nor a server that would get the visitor's token.
  queryConfigEnabled: false,
  // No request to another origin, and no token left in the browser's storage.
  validatorUrl: null,
  persistAuthorization: false,
});
