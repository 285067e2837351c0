// The documents say what the code does: each protocol's README names its messages and what they reveal.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { messageTable } from "../federation/messages.ts";

const federation = join(import.meta.dirname, "..", "federation");

describe("the READMEs of the protocols", () => {
  for (const [type, spec] of Object.entries(messageTable)) {
    const folder = type.slice(0, type.indexOf("/"));
    it(`names ${type}, and says what it reveals`, () => {
      const file = join(federation, folder, "README.md");
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
