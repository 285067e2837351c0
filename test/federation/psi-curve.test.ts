// Hashing to the curve and the OPRF against the published vectors, and the encodings that must be refused.
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { CurvePool, inlineCurve } from "../../federation/psi/curve-pool.ts";
import { domainOf, expandMessage, finalise, hashToGroup, loadCurve, type CurveWork } from "../../federation/psi/curve.ts";
import { codeOf } from "../support/world.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
/** A key whose wide reduction is exactly this scalar. */
const keyOf = (scalar: string): Uint8Array => unhex(scalar.padEnd(128, "0"));

// RFC 9496 appendix A.3: encodings that are not points; the first line is the neutral element.
const refusedEncodings = `
0000000000000000000000000000000000000000000000000000000000000000
00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff
ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
0100000000000000000000000000000000000000000000000000000000000000
01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20
c34c4e1826e5d403b78e246e88aa051c36ccf0aafebffe137d148a2bf9104562
c940e5a4404157cfb1628b108db051a8d439e1a421394ec4ebccb9ec92a8ac78
47cfc5497c53dc8e61c91d17fd626ffb1c49e2bca94eed052281b510b1117a24
f1c6165d33367351b0da8f6e4511010c68174a03b6581212c71c0e1d026c3c72
87260f7a2f12495118360f02c26a470f450dadf34a413d21042b43b9d93e1309
26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371
4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f
de6a7b00deadc788eb6b6c8d20c0ae96c2f2019078fa604fee5b87d6e989ad7b
bcab477be20861e01e4a0e295284146a510150d9817763caf1a6f4b422d67042
2a292df7e32cababbd9de088d1d1abec9fc0440f637ed2fba145094dc14bea08
f4a9e534fc0d216c44b218fa0c42d99635a0127ee2e53c712f70609649fdff22
8268436f8c4126196cf64b3c7ddbda90746a378625f9813dd9b8457077256731
2810e5cbc2cc4d4eece54f61c6f69758e289aa7ab440b3cbeaa21995c2f4232b
3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e
a45fdc55c76448c049a1ab33f17023edfb2be3581e9c7aade8a6125215e04220
d483fe813c6ba647ebbfd3ec41adca1c6130c2beeee9d9bf065c8d151c5f396e
ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
`.trim().split("\n");

describe("the curve of the intersection", () => {
  it("expands messages as RFC 9380 appendix K.3 does", () => {
    const domain = ascii("QUUX-V01-CS02-with-expander-SHA512-256");
    const long = `q128_${"q".repeat(128)}`;
    const expanded = (text: string): string => hex(expandMessage(ascii(text), domain, 32));
    assert.equal(expanded(""), "6b9a7312411d92f921c6f68ca0b6380730a1a4d982c507211a90964c394179ba");
    assert.equal(expanded("abc"), "0da749f12fbe5483eb066a5f595055679b976e93abe9be6f0f6318bce7aca8dc");
    assert.equal(expanded("abcdef0123456789"), "087e45a86e2939ee8b91100af1583c4938e0f5fc6c9db4b107b83346bc967f58");
    assert.equal(expanded(long), "7336234ee9983902440f6bc35b348352013becd88938d2afec44311caf8356b3");
  });

  const skSm = "5ebcea5ee37023ccb9fc2d2019f9d7737be85591ae8652ffa9ef0f4d37063b0e";
  const blind = "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706";
  const rfc9497 = "HashToGroup-OPRFV1-\u0000-ristretto255-SHA512";
  const vectors = [
    {
      input: "\u0000",
      blinded: "609a0ae68c15a3cf6903766461307e5c8bb2f95e7e6550e1ffa2dc99e412803c",
      evaluated: "7ec6578ae5120958eb2db1745758ff379e77cb64fe77b0b2d8cc917ea0869c7e",
      output: "527759c3d9366f277d8c6020418d96bb393ba2afb20ff90df23fb7708264e2f3" +
        "ab9135e3bd69955851de4b1f9fe8a0973396719b7912ba9ee8aa7d0b5e24bcf6",
    },
    {
      input: "Z".repeat(17),
      blinded: "da27ef466870f5f15296299850aa088629945a17d1f5b7f5ff043f76b3c06418",
      evaluated: "b4cbf5a4f1eeda5a63ce7b77c7d23f461db3fcab0dd28e4e17cecb5c90d02c25",
      output: "f4a74c9c592497375e796aa837e907b1a045d34306a749db9f34221f7e750cb4" +
        "f2a6413a6bf6fa5e19ba6348eb673934a722a7ede2e7621306d18951e7cf2c73",
    },
  ];
  for (const [i, v] of vectors.entries()) {
    it(`gives the OPRF test vector ${i + 1} of RFC 9497 appendix A.1.1 in every step`, async () => {
      const curve = await loadCurve();
      const tag = v.output.slice(0, 32);
      assert.equal(hex(curve.blindIds([v.input], rfc9497, keyOf(blind))), v.blinded);
      assert.equal(hex(curve.raisePoints(unhex(v.blinded), keyOf(skSm))), v.evaluated);
      assert.equal(hex(curve.finishTags([v.input], unhex(v.evaluated), keyOf(blind))), tag);
      assert.equal(hex(curve.tagIds([v.input], rfc9497, keyOf(skSm))), tag, "the key's holder gets the same tag by itself");
      const raised = curve.raisePoints(hashToGroup(ascii(v.input), ascii(rfc9497)), keyOf(skSm));
      assert.equal(hex(finalise(ascii(v.input), raised)), v.output);
    });
  }

  it("refuses every encoding that RFC 9496 refuses, and the neutral element, wherever a point comes from outside", async () => {
    const curve = await loadCurve();
    const key = new Uint8Array(64).fill(9);
    const good = curve.blindIds(["a"], "domain", key);
    for (const encoding of refusedEncodings) {
      const points = Uint8Array.of(...good, ...unhex(encoding));
      for (const use of [() => curve.raisePoints(points, key), () => curve.finishTags(["a", "b"], points, key)]) {
        assert.equal(await codeOf(Promise.try(use)), "PROTOCOL_BAD_POINT", encoding);
      }
    }
  });

  it("hashes an id to another point in another job, for another guest and for another host", () => {
    const point = (job: string, guest: string, host: string): string =>
      hex(hashToGroup(ascii("91350211M000100Y43"), ascii(domainOf(job, guest, host))));
    const points = [point("j1", "bank", "tax"), point("j2", "bank", "tax"), point("j1", "bank2", "tax"), point("j1", "bank", "tax2")];
    assert.equal(new Set(points).size, points.length);
  });

  it("gives a host that holds an id and a guest that asks for it the same tag, and different tags for different ids", async () => {
    const curve = await loadCurve();
    const key = fc.uint8Array({ minLength: 64, maxLength: 64 }).filter((k) => k.some((b) => b > 0));
    fc.assert(fc.property(fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 4 }), key, key, (ids, r, k) => {
      const viaGuest = curve.finishTags(ids, curve.raisePoints(curve.blindIds(ids, "d", r), k), r);
      assert.deepEqual(viaGuest, curve.tagIds(ids, "d", k));
      assert.equal(new Set(ids.map((_, i) => hex(viaGuest.subarray(i * 16, i * 16 + 16)))).size, ids.length);
    }), { numRuns: 30, seed: 1 });
  });
});

describe("the curve pool", () => {
  const ids = Array.from({ length: 50 }, (_, i) => `id-${i}`);
  const key = new Uint8Array(64).fill(3);
  const everything = async (work: CurveWork): Promise<Uint8Array[]> => {
    const blinded = await work.blind(ids, "d", key);
    const raised = await work.raise(blinded, key);
    return [blinded, raised, await work.tag(ids, "d", key), await work.finish(ids, raised, key)];
  };

  it("answers as the inline functions do, whatever the number of threads, and leaves its inputs alone", async () => {
    await using one = new CurvePool({ workers: 1 });
    await using three = new CurvePool({ workers: 3 });
    const expected = await everything(await inlineCurve());
    assert.deepEqual(await everything(one), expected);
    for (const answer of await Promise.all([three, three, three, three].map(everything))) assert.deepEqual(answer, expected);
    assert.equal(one.threads, 1);
    assert.equal(three.threads, 3);
    assert.deepEqual(key, new Uint8Array(64).fill(3));
  });

  it("leaves the event loop free while it works", async () => {
    await using pool = new CurvePool({ workers: 1 });
    const order: string[] = [];
    const work = pool.blind(ids, "d", key).then(() => order.push("curve"));
    setImmediate(() => order.push("loop"));
    await work;
    assert.deepEqual(order, ["loop", "curve"]);
  });

  it("passes a refusal on with its code, and works on afterwards", async () => {
    await using pool = new CurvePool({ workers: 1 });
    assert.equal(await codeOf(pool.raise(new Uint8Array(32), key)), "PROTOCOL_BAD_POINT");
    assert.lengthOf(await pool.blind(ids, "d", key), 50 * 32);
  });

  it("starts no thread before its first task and has none after it is disposed; what waits is rejected", async () => {
    const pool = new CurvePool({ workers: 1 });
    assert.equal(pool.threads, 0);
    const waiting = Promise.allSettled([pool.blind(ids, "d", key), pool.blind(ids, "d", key)]);
    await pool[Symbol.asyncDispose]();
    assert.equal(pool.threads, 0);
    assert.deepEqual((await waiting).map((o) => o.status), ["rejected", "rejected"]);
    assert.equal((await Promise.allSettled([pool.blind(ids, "d", key)]))[0]?.status, "rejected");
  });
});
