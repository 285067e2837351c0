// Long loops and sorts in slices: the same as at once, and other work has its turn.
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { inSlices, sortedInSlices } from "../../core/slices.ts";

describe("work in slices", () => {
  it("covers everything once and in order", () => fc.assert(fc.asyncProperty(fc.nat(50), fc.integer({ min: 1, max: 9 }), async (count, atOnce) => {
    const seen: number[] = [];
    await inSlices(count, (from, to) => {
      assert.isAtMost(to - from, atOnce);
      for (let i = from; i < to; i++) seen.push(i);
    }, atOnce);
    assert.deepEqual(seen, Array.from({ length: count }, (_, i) => i));
  })));

  it("sorts as at once, whatever the slices", () => fc.assert(fc.asyncProperty(fc.array(fc.string({ maxLength: 3, unit: "binary" }), { maxLength: 60 }), fc.integer({ min: 1, max: 9 }), async (texts, atOnce) => {
    const before = [...texts];
    assert.deepEqual(await sortedInSlices(texts, atOnce), texts.toSorted());
    assert.deepEqual(texts, before);
  })));

  it("lets other work have its turn, and ends with the first error", async () => {
    let turns = 0;
    let isOver = false;
    const count = (): void => {
      turns += 1;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    await inSlices(100, () => undefined, 10);
    isOver = true;
    assert.isAtLeast(turns, 8);
    const done: number[] = [];
    const failed = await inSlices(10, (from) => {
      done.push(from);
      if (from === 4) throw new Error("the third");
    }, 2).catch((error: unknown) => error);
    assert.instanceOf(failed, Error);
    assert.deepEqual(done, [0, 2, 4]);
  });
});
