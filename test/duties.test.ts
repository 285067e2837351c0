// The table of duties names all eighteen, says how far each is, and leads to files that are there.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";

const root = join(import.meta.dirname, "..");
const file = "docs/duties.md";
const states = ["done", "partly", "open"];

type Duty = { id: string; duty: string; source: string; state: string; code: string[]; tests: string[]; missing: string };

/** The rows of the table. Throws for a row of another width. */
function dutiesOf(text: string): Duty[] {
  return text.split("\n").filter((line) => /^\| D\d+ \|/.test(line)).map((line) => {
    const cells = line.split("|").slice(1, -1).map((cell) => cell.trim());
    assert.lengthOf(cells, 7, line);
    const [id = "", duty = "", source = "", state = "", code = "", tests = "", missing = ""] = cells;
    return { id, duty, source, state, code: pathsIn(code), tests: pathsIn(tests), missing };
  });
}

const pathsIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
const missingPaths = (duties: readonly Duty[]): string[] => duties.flatMap((d) => [...d.code, ...d.tests])
  .filter((path) => !existsSync(join(root, path)) || statSync(join(root, path)).isDirectory() !== path.endsWith("/"));

describe("the table of duties", () => {
  const duties = dutiesOf(readFileSync(join(root, file), "utf8"));

  it("has all eighteen, once, in their order, each with source and state", () => {
    assert.deepEqual(duties.map((d) => d.id), Array.from({ length: 18 }, (_, i) => `D${i + 1}`));
    for (const { id, duty, source, state } of duties) {
      assert.match(source, /\bP(19|21|22|24)\b/, id);
      assert.include(states, state, id);
      assert.match(duty, /[A-Za-z]/, id);
    }
  });

  it("leads to code and tests that are there; what is not done says what is missing", () => {
    assert.deepEqual(missingPaths(duties), []);
    for (const { id, state, code, tests, missing } of duties) {
      if (state !== "open") assert(code.length > 0 && tests.length > 0, id);
      if (state !== "done") assert.isAbove(missing.length, 10, id);
      for (const path of tests) assert.match(path, /^test\//, id);
      for (const path of code) assert.notMatch(path, /^test\//, id);
    }
    assert.isTrue(duties.some((d) => d.state !== "done"), "unfinished ones are named");
  });

  it("names tests that test something", () => {
    for (const { id, tests } of duties) {
      for (const path of tests) {
        const files = path.endsWith("/") ? readdirSync(join(root, path), { recursive: true, encoding: "utf8" }).map((name) => join(path, name)) : [path];
        const suites = files.filter((name) => name.endsWith(".test.ts") && /\bit(\.each)?\(/.test(readFileSync(join(root, name), "utf8")));
        assert.isAbove(suites.length, 0, `${id}: ${path}`);
      }
    }
  });

  it("would notice a file that is gone, and a folder that is a file", () => {
    const wrong = (path: string): string => `| D1 | x | P21 | done | \`${path}\` | \`test/duties.test.ts\` | – |`;
    assert.deepEqual(missingPaths(dutiesOf(wrong("catalogue/gone.ts"))), ["catalogue/gone.ts"]);
    assert.deepEqual(missingPaths(dutiesOf(wrong("catalogue"))), ["catalogue"]);
    assert.deepEqual(missingPaths(dutiesOf(wrong("catalogue/load.ts/"))), ["catalogue/load.ts/"]);
    assert.deepEqual(missingPaths(dutiesOf(wrong("catalogue/"))), []);
  });
});
