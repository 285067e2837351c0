// The shape of the program: who may import whom, where clocks, randomness, sockets and consoles may be used. Each rule is
// shown a file that breaks it, so that the check cannot pass by seeing nothing.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { importsOf, problemsOf, readSources, type Source } from "./support/architecture.ts";

const root = join(import.meta.dirname, "..");
const sources = readSources(root);

describe("the architecture", () => {
  it("is kept by every file", () => {
    assert.isAbove(sources.length, 200);
    for (const top of ["core", "kernels", "models", "federation", "report", "demo", "enclave", "api", "cli", "test"]) {
      assert.isAbove(sources.filter((s) => s.path.startsWith(`${top}/`)).length, 4, `files of ${top} are read`);
    }
    assert.deepEqual(problemsOf(sources).map((p) => `${p.path}: ${p.rule}: ${p.what}`), []);
  });

  it("is type-checked and linted in every folder", () => {
    const { include } = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8")) as { include: string[] };
    const covers = (entry: string, path: string): boolean => (entry.endsWith("/*.ts") ? dirname(path) === dirname(entry) : path.startsWith(`${entry}/`));
    // The kernels' inner code is AssemblyScript, with a compiler of its own.
    const left = sources.filter(({ path }) => !path.startsWith("kernels/assembly/") && !include.some((entry) => covers(entry, path)));
    assert.deepEqual(left.map(({ path }) => path), []);
  });

  it("is seen through the imports that the files really have", () => {
    const all = sources.flatMap((s) => importsOf(s).map((i) => i.target));
    assert.isAbove(all.length, 1500);
    const paths = new Set(sources.map((s) => s.path));
    const own = all.filter((t) => t.endsWith(".ts") && !t.startsWith("gen/"));
    assert.deepEqual(own.filter((t) => !paths.has(t)), [], "every import leads to a file");
    assert.includeMembers(all, ["onnxruntime-node", "undici", "express", "federation/messages.ts", "kernels/workers/gram.ts"]);
  });

  // Not in one piece, so that this file itself is not taken for a second door.
  const onnx = "onnxruntime-node";
  const broken: readonly [string, string, string, string][] = [
    ["core imports nothing", "core/x.ts", 'import { a } from "../models/features.ts";', "direction"],
    ["kernels import core alone", "kernels/x.ts", 'import { a } from "../models/features.ts";', "direction"],
    ["models import core alone", "models/x.ts", 'import type { a } from "../federation/party.ts";', "direction"],
    ["federation knows no enclave", "federation/x.ts", 'import { a } from "../enclave/worker.ts";', "direction"],
    ["a report knows no protocol", "report/x.ts", 'export { a } from "../federation/messages.ts";', "direction"],
    ["demo data know core alone", "demo/x.ts", 'const a = await import("../models/features.ts");', "direction"],
    ["an enclave knows of the platform its contract alone", "enclave/x.ts", 'import { a } from "../api/server.ts";', "direction"],
    ["the platform knows no enclave", "api/x.ts", 'import { a } from "../enclave/worker.ts";', "direction"],
    ["the platform knows no models", "api/deep/x.ts", 'import { a } from "../../models/features.ts";', "direction"],
    ["nobody imports the command line", "enclave/x.ts", 'import { a } from "../cli/terminal.ts";', "direction"],
    ["nobody imports tests", "cli/x.ts", 'import { a } from "../test/support/draw.ts";', "direction"],
    ["a worker's file counts as an import", "models/x.ts", 'const u = new URL("../kernels/pool.ts", import.meta.url);', "direction"],
    ["an import over several lines counts", "core/x.ts", 'import {\n  a,\n  b,\n} from "../models/features.ts";', "direction"],
    ["a side-effect import counts", "core/x.ts", 'import "../models/features.ts";', "direction"],
    ["roles open no sockets", "federation/x.ts", 'import { connect } from "node:net";', "network"],
    ["an enclave connects in its transport alone", "enclave/job/x.ts", 'import { request } from "undici";', "network"],
    ["ONNX Runtime has one door", "enclave/data/x.ts", `const ort = await import("${onnx}");`, "onnx"],
    ["there is no export *", "models/x.ts", 'export * from "./y.ts";', "export-star"],
    ["there is no default export", "models/x.ts", "export default 1;", "default-export"],
    ["randomness is injected, also in tests", "test/x.ts", "const a = Math.random();", "ambient-random"],
    ["time is injected", "enclave/x.ts", "const a = Date.now();", "ambient-clock"],
    ["time is injected in every form", "api/x.ts", "const a = new Date();", "ambient-clock"],
    ["nobody writes to the console", "models/x.ts", 'console.log("a");', "console"],
    ["nobody writes to the terminal", "enclave/x.ts", 'process.stdout.write("a");', "console"],
    ["one function lets bytes out", "enclave/job/x.ts", "const a = bytes as Released;", "released"],
    ["also not by another spelling", "enclave/job/x.ts", "const a = cast<Released>(bytes);", "released"],
    ["a file has at most 400 lines", "core/x.ts", "\n".repeat(401), "length"],
  ];
  for (const [name, path, text, rule] of broken) {
    it(`notices when it is broken: ${name}`, () => assert.deepEqual(problemsOf([{ path, text }]).map((p) => p.rule), [rule]));
  }

  it("notices a ring of imports, and that types make none", () => {
    const ring = (word: string): Source[] => [
      { path: "models/a.ts", text: 'import { b } from "./b.ts";' }, { path: "models/b.ts", text: 'import { c } from "./deep/c.ts";' },
      { path: "models/deep/c.ts", text: `import ${word}{ a } from "../a.ts";` },
    ];
    assert.deepEqual(problemsOf(ring("")).map((p) => p.what), ["models/a.ts > models/b.ts > models/deep/c.ts > models/a.ts"]);
    assert.isEmpty(problemsOf(ring("type ")));
  });

  it("does not take words in comments and texts for code", () => {
    const text = '// Math.random and console.log\n/* export default */\nexport const a = "Date.now() // console.log";\nconst url = "https://x"; const b = 1;';
    assert.isEmpty(problemsOf([{ path: "core/x.ts", text }]));
    assert.lengthOf(problemsOf([{ path: "core/x.ts", text: 'const url = "https://x"; console.log(url);' }]), 1);
  });
});
