// What is kept in memory between a frame's arrival and its receiver's.
import { assert } from "chai";
import { describe, it } from "mocha";
import { BufferPool } from "../../core/buffer-pool.ts";
import { Recent } from "../../api/store/recent.ts";

describe("recent bodies", () => {
  it("are handed out once", () => {
    const recent = new Recent(10, new BufferPool());
    recent.keep("a", Buffer.from("body"));
    assert.equal(String(recent.take("a")), "body");
    assert.isUndefined(recent.take("a"));
  });

  it("make room for newer ones, oldest first, and never take more than their share", () => {
    const recent = new Recent(10, new BufferPool());
    for (const name of ["a", "b", "c"]) recent.keep(name, Buffer.alloc(4));
    recent.keep("b", Buffer.alloc(5)); // again, with another size: 4 + 5
    recent.keep("huge", Buffer.alloc(11));
    assert.deepEqual(["a", "b", "c", "huge"].map((name) => recent.take(name)?.length), [undefined, 5, 4, undefined]);
    recent.keep("d", Buffer.alloc(10));
    assert.equal(recent.take("d")?.length, 10);
  });

  it("give their memory back when they go without having been taken, and not when they were", () => {
    const pool = new BufferPool();
    const recent = new Recent(300_000, pool);
    const bodies = [pool.take(100_000), pool.take(200_000), pool.take(100_000)];
    for (const [i, body] of bodies.entries()) recent.keep(`body ${i}`, body);
    assert.strictEqual(pool.take(100_000).buffer, bodies[0]?.buffer, "the oldest one made room");
    assert.strictEqual(recent.take("body 2"), bodies[2]);
    assert.notStrictEqual(pool.take(100_000).buffer, bodies[2]?.buffer);
    recent.drop("body");
    assert.strictEqual(pool.take(200_000).buffer, bodies[1]?.buffer);
  });

  it("go with their job", () => {
    const recent = new Recent(100, new BufferPool());
    for (const name of ["relay/one/a", "relay/one/b", "relay/oneself/a"]) recent.keep(name, Buffer.alloc(1));
    recent.drop("relay/one/");
    assert.deepEqual(["relay/one/a", "relay/one/b", "relay/oneself/a"].map((name) => recent.take(name) !== undefined), [false, false, true]);
  });
});
