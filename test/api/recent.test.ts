// What is kept in memory between a frame's arrival and its receiver's.
import { assert } from "chai";
import { describe, it } from "mocha";
import { Recent, type RecentFrame } from "../../api/store/recent.ts";
import { BufferPool } from "../../core/buffer-pool.ts";

const frameOf = (body: Uint8Array): RecentFrame => ({ digest: String(body.length), body });

describe("recent frames", () => {
  it("are handed out once", () => {
    const recent = new Recent(10, new BufferPool());
    recent.keep("a", frameOf(Buffer.from("body")));
    assert.deepEqual(recent.take("a"), { digest: "4", body: Buffer.from("body") });
    assert.isUndefined(recent.take("a"));
  });

  it("make room for newer ones, oldest first, and never take more than their share", () => {
    const recent = new Recent(10, new BufferPool());
    for (const key of ["a", "b", "c"]) recent.keep(key, frameOf(Buffer.alloc(4)));
    recent.keep("b", frameOf(Buffer.alloc(5))); // again, with another size: 4 + 5
    assert.deepEqual(["a", "b", "c"].map((key) => recent.take(key)?.body.length), [undefined, 5, 4]);
    recent.keep("huge", frameOf(Buffer.alloc(11)));
    assert.isUndefined(recent.take("huge"));
    recent.keep("d", frameOf(Buffer.alloc(10)));
    assert.equal(recent.take("d")?.body.length, 10);
    for (let i = 0; i < 5000; i++) recent.keep(`empty ${i}`, frameOf(Buffer.alloc(0)));
    assert.isUndefined(recent.take("empty 0"), "not without a bound either when there is nothing in them");
  });

  it("give their memory back when they go without having been taken, and not when they were", () => {
    const pool = new BufferPool();
    const recent = new Recent(300_000, pool);
    const bodies = [pool.take(100_000), pool.take(200_000), pool.take(100_000)];
    for (const [i, body] of bodies.entries()) recent.keep(`body ${i}`, frameOf(body));
    assert.strictEqual(pool.take(100_000).buffer, bodies[0]?.buffer, "the oldest one made room");
    assert.strictEqual(recent.take("body 2")?.body, bodies[2]);
    assert.notStrictEqual(pool.take(100_000).buffer, bodies[2]?.buffer);
    recent.drop((key) => key.startsWith("body"));
    assert.strictEqual(pool.take(200_000).buffer, bodies[1]?.buffer);
  });

  it("go with their job", () => {
    const recent = new Recent(100, new BufferPool());
    for (const key of ["one/a", "one/b", "oneself/a"]) recent.keep(key, frameOf(Buffer.alloc(1)));
    recent.drop((key) => key.startsWith("one/"));
    assert.deepEqual(["one/a", "one/b", "oneself/a"].map((key) => recent.take(key) !== undefined), [false, false, true]);
  });
});
