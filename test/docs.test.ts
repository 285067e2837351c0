// The documents say what the code does: commands, options, targets, fields, codes and links that they name are there, and
// each protocol's README names its messages and what they reveal.
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { errorTable } from "../core/errors.ts";
import { enclaveConfigSchema } from "../enclave/config.ts";
import { policySchema } from "../enclave/policy.ts";
import { messageTable } from "../federation/messages.ts";
import { allCommands } from "./cli/support.ts";

const root = join(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const han = /\p{Script=Han}/u;
const documents = globSync("**/*.md", { cwd: root, exclude: (name) => name === "node_modules" || name === "out" });

/** The folder of a message type: that of its name, or of the protocol that it is a part of. */
function protocolFolder(type: string): string {
  const folder = type.slice(0, type.indexOf("/"));
  const partOf: Readonly<Record<string, string>> = { cross: "moments", trees: "gbdt", cells: "crossboost" };
  return partOf[folder] ?? folder;
}

describe("the READMEs of the protocols", () => {
  for (const [type, spec] of Object.entries(messageTable)) {
    const folder = protocolFolder(type);
    it(`names ${type}, and says what it reveals`, () => {
      const file = join(root, "federation", folder, "README.md");
      assert(existsSync(file), `federation/${folder} has no README.md`);
      // Lines are wrapped; table cells and sentences are compared with single spaces.
      const text = readFileSync(file, "utf8").replaceAll(/\s+/g, " ");
      assert.include(text, type);
      assert.include(text, spec.reveals.en);
    });
    it(`says what ${type} reveals in both languages or in neither`, () => {
      assert.equal(spec.reveals.en === "", spec.reveals.zh === "");
    });
  }
});

describe("the documents", () => {
  it("are there, and open in Chinese where a person begins to read", () => {
    for (const file of ["README.md", "ARCHITECTURE.md", "THREATS.md", "federation/README.md", "enclave/README.md"]) {
      const first = read(file).split("\n\n")[1] ?? "";
      if (file !== "federation/README.md") assert.match(first, han, file);
      assert.match(read(file), han, file);
    }
    assert.match(read("LICENSE"), /Apache License\s+Version 2\.0, January 2004/);
  });

  for (const file of documents) {
    it(`${file}: relative links lead somewhere`, () => {
      for (const [, target = ""] of read(file).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const path = target.split("#")[0] ?? "";
        assert(path === "" || existsSync(join(root, dirname(file), path)), `${file}: ${target}`);
      }
    });
    it(`${file}: error codes that it names are in the table`, () => {
      const areas = new Set(Object.keys(errorTable).map((code) => code.split("_")[0]));
      for (const [, code = ""] of read(file).matchAll(/`([A-Z]+(?:_[A-Z0-9]+)+)\b/g)) {
        if (areas.has(code.split("_")[0])) assert.property(errorTable, code, file);
      }
    });
  }

  it("name only make targets that there are, and all that people call", () => {
    const makefile = read("Makefile");
    const targets = new Set([...makefile.matchAll(/^([a-z-]+):/gm)].map((m) => m[1] ?? ""));
    for (const file of documents) {
      for (const [, target = ""] of read(file).matchAll(/`make ([a-z-]+)/g)) assert(targets.has(target), `${file}: make ${target}`);
    }
    for (const target of ["setup", "demo", "test", "check", "bench"]) assert.include(read("README.md"), `make ${target}`);
  });

  it("name only commands and options of yunei that there are", async () => {
    const lines = documents.flatMap((file) => [...read(file).matchAll(/^npx yunei (.+)$/gm)].map((m) => m[1] ?? ""));
    const inline = documents.flatMap((file) => [...read(file).matchAll(/`(?:npx )?yunei ([a-z][^`]*)`/g)].map((m) => m[1] ?? ""));
    assert.isAtLeast(lines.length, 15);
    const commands = await allCommands();
    for (const line of [...lines, ...inline]) {
      const words = line.split(/[\s|]+/);
      const known = [3, 2, 1].map((n) => words.slice(0, n).join(" ")).find((name) => commands.has(name));
      const help = commands.get(known ?? "") ?? assert.fail(`yunei ${line}`);
      const next = words[known?.split(" ").length ?? 0] ?? "";
      // Some groups do something themselves, and take options for it.
      assert(!help.includes("Commands:") || next === "" || next === "…" || next.startsWith("--"), `yunei ${line}`);
      for (const [flag] of line.matchAll(/(?<= )--[a-z-]+/g)) assert.include(help, flag, `yunei ${line}`);
    }
  });

  it("explain every field of an enclave's configuration and policy", () => {
    const text = read("enclave/README.md");
    for (const field of Object.keys(enclaveConfigSchema.shape)) assert.include(text, `\`${field}\``);
    const example = policySchema.parse({ version: 1, allow: [{ guest: "bank", kinds: ["score"], purposes: ["loan-approval"] }] });
    for (const field of Object.keys(example)) assert.match(text, new RegExp(`\`${field}(\\[\\])?\``));
    for (const field of Object.keys(example.allow[0] ?? {})) assert.include(text, `\`allow[].${field}\``);
  });
});

describe("the table of error codes", () => {
  for (const [code, spec] of Object.entries(errorTable)) {
    it(`${code} has a status and a sentence in both languages`, () => {
      assert(Number.isInteger(spec.status) && spec.status >= 400 && spec.status <= 599);
      assert.match(spec.en, /^[A-Z].*[.]$/);
      assert.notMatch(spec.en, han);
      assert.match(spec.zh, han);
      assert.match(spec.zh, /。$/);
    });
  }
});
