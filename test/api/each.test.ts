// What the clock does piece by piece: one that fails holds up no other.
import { assert } from "chai";
import { describe, it } from "mocha";
import { each } from "../../api/each.ts";
import { keptLog } from "../support/platform.ts";

describe("work of the clock", () => {
  it("does every piece in order though some fail, and logs neither what a failure says nor on what", async () => {
    const [done, lines]: [string[], string[]] = [[], []];
    await each(["91310000000000001X", "b", "c", "d"], async (piece) => {
      done.push(piece);
      if (piece !== "b") throw piece === "d" ? piece : new TypeError(`damaged: ${piece}`);
    }, keptLog(lines));
    assert.deepEqual(done, ["91310000000000001X", "b", "c", "d"]);
    assert.lengthOf(lines, 3);
    assert.notInclude(lines.join(), "9131");
    assert.include(lines[0] ?? "", "TypeError");
  });
});
