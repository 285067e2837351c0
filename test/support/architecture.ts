// Reads the source files of this repository and says which rules of ARCHITECTURE.md they break. It works on texts, so that a
// test can hand it a file that breaks a rule.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative, sep } from "node:path";

export type Source = { readonly path: string; readonly text: string };
export type Problem = { readonly path: string; readonly rule: string; readonly what: string };

/** Top folders of production code, and what each may import. A file name stands for that file alone, "folder/" for what is in it. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  core: [],
  kernels: ["core"],
  models: ["core"],
  federation: ["core", "kernels", "models", "catalogue", "evaluation", "monitoring/triggers/schema.ts", "monitoring/triggers/bound.ts"],
  report: ["core", "models"],
  demo: ["core", "indicators"],
  catalogue: ["core"],
  quality: ["core", "catalogue"],
  "public-credit": ["core", "catalogue", "report/page/markup.ts"],
  indicators: ["core", "catalogue"],
  evaluation: ["core", "catalogue", "indicators", "models/features.ts", "models/metrics/"],
  monitoring: ["core", "catalogue", "indicators", "models"],
  consent: ["core"],
  receipts: ["core"],
  audit: ["core"],
  budgets: ["core"],
  serving: ["core", "models/metrics/"],
  enclave: ["core", "kernels", "models", "federation", "report", "catalogue", "evaluation", "quality", "public-credit", "consent", "receipts", "audit", "budgets", "serving", "monitoring", "api/contract.ts", "api/contract/"],
  api: ["core", "models/outcomes/", "serving/registry/events.ts", "federation", "catalogue", "evaluation", "quality", "public-credit", "consent", "receipts", "audit", "monitoring", "prisma", "gen"],
  prisma: ["core", "gen"],
  cli: ["core", "kernels", "models", "federation", "report", "demo", "catalogue", "evaluation", "quality", "public-credit", "indicators", "monitoring", "consent", "receipts", "audit", "serving", "enclave", "api"],
  bench: ["core", "kernels", "models", "federation", "report", "demo", "catalogue", "quality", "public-credit", "indicators", "evaluation", "consent", "receipts", "audit", "serving", "enclave", "api", "cli", "test"],
  scripts: ["core", "kernels", "models", "federation", "report", "demo", "catalogue", "quality", "public-credit", "indicators", "evaluation", "consent", "receipts", "audit", "serving", "enclave", "api", "cli", "bench", "test", "prisma"],
  test: ["core", "kernels", "models", "federation", "report", "demo", "catalogue", "quality", "public-credit", "indicators", "monitoring", "evaluation", "consent", "receipts", "audit", "budgets", "serving", "enclave", "api", "cli", "bench", "scripts", "prisma", "gen"],
};
const production = ["core", "kernels", "models", "federation", "report", "demo", "catalogue", "quality", "public-credit", "indicators", "monitoring", "evaluation", "consent", "receipts", "audit", "budgets", "serving", "enclave", "api", "cli"];

/** Where clocks, randomness and the console of the process itself may be used: what builds the injected ones. */
const processEntries = ["api/process.ts", "enclave/main.ts", "cli/", "bench/", "scripts/"];
const mayConnect = ["enclave/transport/", "enclave/enrol.ts", "api/", "cli/"];
const networkModules = ["net", "tls", "http", "https", "http2", "dgram", "undici", "express", "ws", "node:net", "node:tls", "node:http", "node:https", "node:http2", "node:dgram"];
const maxLines = 400;

/** AssemblyScript, generated code and dependencies follow their own rules. */
const isSkipped = (path: string): boolean => /^(gen|node_modules|prisma\/tools|kernels\/assembly)\//.test(path);

export function readSources(root: string): Source[] {
  return Object.keys(allowed).flatMap((top) => filesIn(join(root, top))).map((file) => relative(root, file).split(sep).join("/"))
    .filter((path) => path.endsWith(".ts") && !isSkipped(path)).map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

function filesIn(folder: string): string[] {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // a folder that this repository does not have
  }
  return entries.filter((e) => e.name !== "node_modules").flatMap((e) => (e.isDirectory() ? filesIn(join(folder, e.name)) : [join(folder, e.name)]));
}

type Import = { readonly target: string; readonly isType: boolean };

/** Every module that a file names: imports, re-exports, `import()` in values and types, worker URLs. */
export function importsOf({ path, text }: Source): Import[] {
  const code = withoutComments(text);
  const found: Import[] = [];
  const add = (target: string | undefined, isType: boolean): void => {
    if (target === undefined) return;
    found.push({ target: target.startsWith(".") ? normalize(join(dirname(path), target)).split(sep).join("/") : target, isType });
  };
  for (const m of code.matchAll(/^\s*(?:import|export)\b([^;"']*?)\bfrom\s*["']([^"']+)["']/gm)) add(m[2], /^\s*type\b/.test(m[1] ?? ""));
  for (const m of code.matchAll(/^\s*import\s*["']([^"']+)["']/gm)) add(m[1], false);
  for (const m of code.matchAll(/(typeof\s+)?\bimport\(\s*["']([^"']+)["']\s*\)/g)) add(m[2], m[1] !== undefined);
  for (const m of code.matchAll(/new URL\(\s*["'](\.[^"']+)["']\s*,\s*import\.meta\.url/g)) add(m[1], false);
  return found;
}

/** Comments become spaces; strings stay (their ends are found, so that `//` inside of one is no comment). */
function withoutComments(text: string): string {
  return text.replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (part) =>
    part.startsWith("//") || part.startsWith("/*") ? part.replace(/[^\n]/g, " ") : part);
}

/** Strings become empty, too: what is left is code. */
function codeOnly(text: string): string {
  return withoutComments(text).replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, '""');
}

const topOf = (path: string): string => path.split("/")[0] ?? "";
const isWithin = (path: string, places: readonly string[]): boolean => places.some((place) => (place.endsWith("/") ? path.startsWith(place) : path === place));
/** A test of one thing may use the network, clocks and consoles as it needs. */
const isTest = (path: string): boolean => topOf(path) === "test";

/** Everything that is wrong with a set of sources. */
export function problemsOf(sources: readonly Source[]): Problem[] {
  return [...sources.flatMap((source) => [...importProblems(source), ...textProblems(source)]), ...cycles(sources)];
}

function importProblems(source: Source): Problem[] {
  const { path } = source;
  const top = topOf(path);
  const problems: Problem[] = [];
  const add = (rule: string, what: string): void => void problems.push({ path, rule, what });
  for (const { target, isType } of importsOf(source)) {
    const isOwn = target.endsWith(".ts") || target.includes("/") && Object.hasOwn(allowed, topOf(target)) && !target.startsWith("node:");
    if (isOwn && topOf(target) !== top) {
      const may = allowed[top] ?? [];
      if (!may.some((m) => m === topOf(target) || m === target || (m.endsWith("/") && target.startsWith(m)))) add("direction", target);
    }
    if (!isTest(path) && networkModules.includes(target) && !isType && !isWithin(path, mayConnect)) add("network", target);
    if (target === "onnxruntime-node" && path !== "enclave/onnx.ts") add("onnx", target);
  }
  return problems;
}

const patterns: readonly { readonly rule: string; readonly pattern: RegExp; readonly where?: readonly string[] }[] = [
  { rule: "export-star", pattern: /^\s*export\s*\*/m },
  { rule: "default-export", pattern: /^\s*export\s+default\b|\bexport\s*\{[^}]*\bas\s+default\b/m },
  { rule: "ambient-random", pattern: /\bMath\.random\b/ },
  { rule: "ambient-clock", pattern: /\bDate\.now\b|\bnew Date\(\s*\)/, where: processEntries },
  { rule: "console", pattern: /\bconsole\s*\.|\bprocess\.std(?:out|err)\.write\b/, where: processEntries },
];

function textProblems({ path, text }: Source): Problem[] {
  const problems: Problem[] = [];
  const lines = text.split("\n").length - 1;
  if (lines > maxLines) problems.push({ path, rule: "length", what: `${lines} lines` });
  const code = codeOnly(text);
  for (const { rule, pattern, where } of patterns) {
    const isFree = (where !== undefined && (isTest(path) || isWithin(path, where)));
    const match = isFree ? null : pattern.exec(code);
    if (match !== null) problems.push({ path, rule, what: match[0].trim() });
  }
  if (!isTest(path) && path !== "enclave/release.ts" && /\bas\s+Released\b|(?<!\w)<Released>|\breturn\s*<Released>|(?<!\bnew \w+)<Released>\s*\(/.test(code)) problems.push({ path, rule: "released", what: "as Released" });
  return problems;
}

/** Files of production code that import each other in a ring when they run. Types vanish before that. */
function cycles(sources: readonly Source[]): Problem[] {
  const files = new Map(sources.filter((s) => production.includes(topOf(s.path))).map((s) => [s.path, importsOf(s).filter((i) => !i.isType).map((i) => i.target)]));
  const state = new Map<string, "open" | "closed">();
  const problems: Problem[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === "closed" || !files.has(path)) return;
    if (state.get(path) === "open") {
      problems.push({ path, rule: "cycle", what: [...trail.slice(trail.indexOf(path)), path].join(" > ") });
      return;
    }
    state.set(path, "open");
    for (const target of files.get(path) ?? []) visit(target, [...trail, path]);
    state.set(path, "closed");
  };
  for (const path of files.keys()) visit(path, []);
  return problems;
}
