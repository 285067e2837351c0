// What is kept in memory between a frame's arrival and its receiver's.
import { assert } from "chai";
import { describe, it } from "mocha";
import { Recent } from "../../api/store/recent.ts";

describe("recent bodies", () => {
  it("are handed out once", () => {
    const recent = new Recent(10);
    recent.keep("a", Buffer.from("body"));
    assert.equal(String(recent.take("a")), "body");
    assert.isUndefined(recent.take("a"));
  });

  it("make room for newer ones, oldest first, and never take more than their share", () => {
    const recent = new Recent(10);
    for (const name of ["a", "b", "c"]) recent.keep(name, Buffer.alloc(4));
    recent.keep("b", Buffer.alloc(5)); // again, with another size: 4 + 5
    recent.keep("huge", Buffer.alloc(11));
    assert.deepEqual(["a", "b", "c", "huge"].map((name) => recent.take(name)?.length), [undefined, 5, 4, undefined]);
    recent.keep("d", Buffer.alloc(10));
    assert.equal(recent.take("d")?.length, 10);
  });

  it("go with their job", () => {
    const recent = new Recent(100);
    for (const name of ["relay/one/a", "relay/one/b", "relay/oneself/a"]) recent.keep(name, Buffer.alloc(1));
    recent.drop("relay/one/");
    assert.deepEqual(["relay/one/a", "relay/one/b", "relay/oneself/a"].map((name) => recent.take(name) !== undefined), [false, false, true]);
  });
});
