// Canonical JSON: the quick answer of isCanonicalJson is that of the writer, for every text that JSON.parse reads.
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { canonicalJson, isCanonicalJson, sha256Hex, type Json } from "../../core/canonical.ts";

const read = (text: string): Json => JSON.parse(text) as Json;

describe("canonical JSON", () => {
  it("has sorted keys and no spaces, and is told from every other spelling", () => {
    const good = ['{"a":1,"b":[true,null,"x"],"c":{"d":{}}}', '"é\\n"', "[]", "-1.5", '{"10":1,"9":2}', '{"":0,"a":0,"aa":0}'];
    for (const text of good) {
      assert.equal(canonicalJson(read(text)), text);
      assert.isTrue(isCanonicalJson(text, read(text)), text);
    }
    const bad = ['{"b":1,"a":2}', '{"a": 1}', '{"a":1,"a":1}', '{"a":{"c":1,"b":1}}', '[{"b":1,"a":1}]', "1.0", "1e2", '"\\u0061"', " 1", '{"9":2,"10":1}'];
    for (const text of bad) assert.isFalse(isCanonicalJson(text, read(text)), text);
  });

  it("is told as the writer tells it, whatever the value", () => {
    fc.assert(fc.property(fc.json({ maxDepth: 4 }), (text) => {
      const value = read(text);
      assert.equal(isCanonicalJson(text, value), canonicalJson(value) === text);
      const made = canonicalJson(value);
      assert.isTrue(isCanonicalJson(made, read(made)));
    }));
  });

  it("is digested by SHA-256 (FIPS 180-4)", () => {
    assert.equal(sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert.equal(sha256Hex(Buffer.from("abc")), sha256Hex("abc"));
  });
});
