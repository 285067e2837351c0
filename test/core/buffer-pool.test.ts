// Buffers that are used again are never in two hands at once.
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { BufferPool } from "../../core/buffer-pool.ts";

describe("a pool of buffers", () => {
  it("gives a buffer of the right length, and the memory of one that came back", () => {
    const pool = new BufferPool();
    const first = pool.take(3_000_000);
    assert.lengthOf(first, 3_000_000);
    pool.give(first);
    const second = pool.take(2_500_000);
    assert.lengthOf(second, 2_500_000);
    assert.strictEqual(second.buffer, first.buffer);
    assert.notStrictEqual(pool.take(2_500_000).buffer, first.buffer);
  });

  it("never lends the same memory twice, whatever is given back, and how often", () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(300_000), fc.integer({ min: 0, max: 3 })), { maxLength: 40 }), (steps) => {
      const pool = new BufferPool(1_000_000);
      const lent = new Map<ArrayBufferLike, Buffer>();
      for (const [bytes, action] of steps) {
        const buffer = pool.take(bytes);
        assert.lengthOf(buffer, bytes);
        if (bytes > 0) assert.isFalse(lent.has(buffer.buffer));
        lent.set(buffer.buffer, buffer);
        const back = [...lent.values()][action];
        if (action === 0 || back === undefined) continue;
        lent.delete(back.buffer);
        for (let i = 0; i < action; i++) pool.give(back.subarray(0, back.length >> 1));
        pool.give(new Uint8Array(100_000)); // not from here
      }
    }));
  });

  it("keeps no more idle memory than it may", () => {
    const pool = new BufferPool(300_000);
    const buffers = [pool.take(100_000), pool.take(100_000), pool.take(100_000)];
    for (const buffer of buffers) pool.give(buffer);
    const again = [pool.take(100_000), pool.take(100_000), pool.take(100_000)].map((b) => b.buffer);
    assert.lengthOf(again.filter((b) => buffers.some((old) => old.buffer === b)), 2);
  });
});
