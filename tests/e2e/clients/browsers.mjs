// Checks that the browsers of package.json have all that scripts for browsers use: the syntax by acorn, and each API
// by TypeScript's types and MDN's data (https://github.com/mdn/browser-compat-data). Prints what is missing.
//
//     node browsers.mjs FILE.js…
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { parse } from "acorn";
import ts from "typescript";

const require = createRequire(import.meta.url);
const compatibility = require("@mdn/browser-compat-data");
const { browsers, ecmascript, optional } = require("./package.json").uploadsvc;

const options = {
  allowJs: true,
  checkJs: true,
  strict: true,
  noEmit: true,
  target: ts.ScriptTarget.ESNext,
  lib: ["lib.esnext.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts", "lib.dom.asynciterable.d.ts"],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  types: [],
};

/** Stands for the interface of globals. */
const GLOBAL = "globalThis";

const missing = (file, line, what) => console.log(`${file}:${line}: ${what}`);

/** Compares versions such as "16.4"; "≤37" was there at the latest then. */
function isAtMost(version, limit) {
  const [a, b] = [version.replace("≤", ""), limit].map((text) => text.split(".").map(Number));
  return a[0] < b[0] || (a[0] === b[0] && (a[1] ?? 0) <= (b[1] ?? 0));
}

/** Returns the browsers that are too old for an API. */
function tooOld({ support }) {
  return Object.entries(browsers).filter(([browser, limit]) => {
    const statements = [support[browser] ?? []].flat();
    return !statements.some(
      ({ version_added, version_removed, flags, prefix, alternative_name }) =>
        typeof version_added === "string" &&
        isAtMost(version_added, limit) &&
        !version_removed &&
        !flags && !prefix && !alternative_name,
    );
  });
}

/** Finds MDN's data for a global, or for a member of an interface. */
function dataOf(owner, member, isStatic) {
  const { api, javascript } = compatibility;
  const places =
    owner === GLOBAL
      ? [api[member], api.Window[member], javascript.builtins[member]]
      : [api[owner]?.[isStatic ? `${member}_static` : member], javascript.builtins[owner]?.[member]];
  // An event's handler is listed as the event.
  if (member.startsWith("on")) places.push(api[owner]?.[`${member.slice(2)}_event`]);
  return places.find((place) => place?.__compat)?.__compat;
}

/** Returns the name of an interface and of all that it extends. */
function ancestry(type) {
  const names = [type.symbol?.name, type.aliasSymbol?.name].filter(Boolean);
  return [...names, ...(type.getBaseTypes?.() ?? []).flatMap(ancestry)];
}

function checkApis(program, source) {
  const checker = program.getTypeChecker();
  const isLibrary = (node) =>
    checker
      .getSymbolAtLocation(node)
      ?.declarations?.some((one) => program.isSourceFileDefaultLibrary(one.getSourceFile()));

  const check = (node, owners, isStatic = false) => {
    const member = node.text;
    const name = owners[0] === GLOBAL ? member : `${owners[0]}.${member}`;
    const data = owners.map((owner) => dataOf(owner, member, isStatic)).find(Boolean);
    const old = data && !optional.includes(name) ? tooOld(data) : [];
    if (!old.length) return;
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
    missing(source.fileName, line + 1, `${name} is not in ${old.map((each) => each.join(" ")).join(", ")}`);
  };

  const checkMember = ({ expression, name }) => {
    const type = checker.getTypeAtLocation(expression);
    const types = (type.isUnion() ? type.types : [type]).map((one) => checker.getApparentType(one));
    // The type of a global such as AbortSignal has no name, or one of its own: PromiseConstructor.
    const isStatic = types.some(({ symbol }) => symbol && /^__type$|Constructor$/.test(symbol.name));
    const names = isStatic ? [expression.text ?? ""] : types.flatMap(ancestry);
    const isGlobal = names.some((each) => /^globalThis$|^Window$/.test(each));
    const { parent } = checker.getSymbolAtLocation(name);
    check(name, isGlobal ? [GLOBAL] : [...names, parent?.name ?? ""], isStatic);
  };

  const visit = (node) => {
    ts.forEachChild(node, visit);
    if (ts.isPropertyAccessExpression(node)) {
      if (isLibrary(node.name)) checkMember(node);
    } else if (ts.isIdentifier(node) && node.parent.name !== node && isLibrary(node)) {
      check(node, [GLOBAL]);
    }
  };
  visit(source);
}

const files = process.argv.slice(2);
const program = ts.createProgram(files, options);
for (const file of files) {
  try {
    parse(readFileSync(file, "utf-8"), { ecmaVersion: ecmascript, sourceType: "module" });
  } catch (error) {
    missing(file, error.loc?.line ?? 0, `syntax newer than ECMAScript ${ecmascript}: ${error.message}`);
  }
  checkApis(program, program.getSourceFile(file));
}
