// Verification: predicates against plain comparisons, blind equality and blind ranges, what each side sees, what is refused.
import { createHash } from "node:crypto";
import { assert } from "chai";
import * as fc from "fast-check";
import { before, describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { inlineCurve } from "../../federation/psi/curve-pool.ts";
import type { CurveWork } from "../../federation/psi/curve.ts";
import { blindDepth, blindOrdinal, canonicalValue, claimTypes, ordinal, type ClaimType } from "../../federation/verify/claims.ts";
import { boundsOf, coverOf, coverSize, nodesAbove, rayCoverSize } from "../../federation/verify/cover.ts";
import { askEqual, equalityAskSchema, equalityReplySchema, openEqual, replyEqual, type Question } from "../../federation/verify/equality.ts";
import { evaluate, predicateSchema, type Held, type Predicate } from "../../federation/verify/predicates.ts";
import { askWithin, openWithin, replyWithin } from "../../federation/verify/range.ts";

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
  return "none";
};
const codeOfAsync = async (work: () => Promise<unknown>): Promise<string> => {
  try {
    await work();
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
  return "none";
};
const known = (...entries: string[]): Held => ({ known: true, entries });

describe("canonical values", () => {
  it("give what means the same one spelling", () => {
    const same: [ClaimType, string, string][] = [
      ["money", "1,234.50", "1234.5"], ["money", "-0.00", "0"], ["money", "007", "7"], ["number", "３.１４", "3.14"], ["number", "+5.000000", "5"],
      ["code", " 9137-0200 ab ", "91370200AB"], ["text", "青岛  演示　公司", "青岛 演示 公司"], ["boolean", "是", "true"], ["date", "2024-02-29", "2024-02-29"],
    ];
    for (const [type, given, canonical] of same) assert.equal(canonicalValue(type, given), canonical);
    fc.assert(fc.property(fc.constantFrom(...claimTypes), fc.string({ unit: "grapheme", maxLength: 40 }), (type, text) => {
      let once: string;
      try {
        once = canonicalValue(type, text);
      } catch {
        return;
      }
      assert.equal(canonicalValue(type, once), once);
    }));
  });
  it("refuse what is not of the type", () => {
    const wrong: [ClaimType, string][] = [
      ["money", "1.234"], ["money", "1e5"], ["money", "12abc"], ["number", "NaN"], ["number", "0x10"], ["number", "1234567890123456"], ["date", "2023-02-29"], ["date", "2023-2-9"],
      ["date", "20230209"], ["boolean", "maybe"], ["text", ""], ["text", "a\u0000b"], ["text", "x".repeat(513)], ["code", "\u0007"],
    ];
    for (const [type, text] of wrong) assert.equal(codeOf(() => canonicalValue(type, text)), "VERIFY_VALUE", `${type} ${text}`);
    assert.equal(codeOf(() => ordinal("text", "a")), "VERIFY_VALUE");
  });
  it("as integers keep the order of the numbers", () => {
    fc.assert(fc.property(fc.integer({ min: -1e9, max: 1e9 }), fc.integer({ min: -1e9, max: 1e9 }), (a, b) => {
      const yuan = (fen: number): string => `${fen < 0 ? "-" : ""}${Math.floor(Math.abs(fen) / 100)}.${String(Math.abs(fen) % 100).padStart(2, "0")}`;
      assert.equal(ordinal("money", yuan(a)) < ordinal("money", yuan(b)), a < b);
      assert.equal(ordinal("money", yuan(a)), BigInt(a));
    }));
    assert.equal(ordinal("date", "1970-01-02") - ordinal("date", "1969-12-31"), 2n);
  });
});

describe("predicates", () => {
  it("answer as plain comparisons do", () => {
    const cases: [ClaimType, Predicate, Held, string][] = [
      ["money", { kind: "equals", value: "1,000" }, known("1000.00"), "match"],
      ["money", { kind: "equals", value: "1000.01" }, known("1000"), "no-match"],
      ["money", { kind: "within", from: "10", to: "20" }, known("20.00"), "match"],
      ["money", { kind: "within", from: "10" }, known("9.99"), "no-match"],
      ["number", { kind: "within", to: "-1.5" }, known("-1.500001"), "match"],
      ["code", { kind: "one-of", values: ["A", "b"] }, known("B"), "match"],
      ["text", { kind: "one-of", values: ["甲"] }, known("乙", "甲"), "match"],
      ["text", { kind: "exists" }, known(), "no-match"],
      ["text", { kind: "exists" }, known("x"), "match"],
      ["date", { kind: "dated", before: "2024-01-01" }, known("2024-01-01"), "no-match"],
      ["date", { kind: "dated", before: "2024-01-02", after: "2023-12-31" }, known("2024-01-01"), "match"],
      ["date", { kind: "count", from: 1, to: 2 }, known("a", "b", "c"), "no-match"],
      ["date", { kind: "count", to: 0 }, known(), "match"],
      ["date", { kind: "equals", value: "2024-01-01" }, known(), "not-available"],
      ["money", { kind: "equals", value: "1" }, known("no number"), "not-available"],
      ["money", { kind: "equals", value: "1" }, known("no number", "1"), "match"],
      ["text", { kind: "exists" }, { known: false }, "not-available"],
      ["text", { kind: "count", to: 5 }, { known: false }, "not-available"],
    ];
    for (const [type, predicate, held, answer] of cases) assert.equal(evaluate(type, predicateSchema.parse(predicate), held), answer, JSON.stringify([type, predicate, held]));
  });
  it("refuse claims of a wrong type before anything is looked at", () => {
    const wrong: [ClaimType, Predicate, string][] = [
      ["text", { kind: "within", from: "1" }, "VERIFY_PREDICATE"], ["money", { kind: "dated", before: "2024-01-01" }, "VERIFY_PREDICATE"],
      ["money", { kind: "within", from: "3", to: "2" }, "VERIFY_PREDICATE"], ["money", { kind: "equals", value: "many" }, "VERIFY_VALUE"],
      ["date", { kind: "one-of", values: ["2024-01-01", "soon"] }, "VERIFY_VALUE"], ["text", { kind: "count", from: 3, to: 2 }, "VERIFY_PREDICATE"],
    ];
    for (const [type, predicate, code] of wrong) for (const held of [{ known: false } as const, known("1")]) assert.equal(codeOf(() => evaluate(type, predicate, held)), code);
    for (const bad of [{ kind: "within" }, { kind: "one-of", values: [] }, { kind: "like", value: "%" }, { kind: "equals", value: "1", or: "2" }, { kind: "dated", before: "x" }]) {
      assert.isFalse(predicateSchema.safeParse(bad).success);
    }
  });
});

describe("blind verification", () => {
  let curve: CurveWork;
  before(async () => {
    curve = await inlineCurve();
  });
  const question: Question = { request: "req_0001", party: "tax", item: "vat-paid" };
  const equal = async (claim: string, value: string | undefined): Promise<boolean> => {
    const { ask, open } = await askEqual(curve, question, claim, systemRng);
    return openEqual(curve, open, equalityReplySchema.parse(await replyEqual(curve, question, value, equalityAskSchema.parse(ask), systemRng)));
  };
  const depth = 40;
  const within = async (from: bigint, to: bigint, value: bigint | undefined, bits = depth): Promise<boolean> => {
    const { ask, open } = await askWithin(curve, question, { from, to }, bits, systemRng);
    return openWithin(curve, open, await replyWithin(curve, question, value, bits, ask, systemRng));
  };

  describe("of equality", () => {
    it("is right", async () => {
      assert.isTrue(await equal("1234.5", "1234.5"));
      assert.isFalse(await equal("1234.5", "1234.51"));
      assert.isFalse(await equal("", "a"));
      assert.isFalse(await equal("a", undefined), "nothing is equal to nothing");
    });
    it("gives one guess: a reply opens for no other claim, and an evaluation is of no use for another question", async () => {
      const { ask, open } = await askEqual(curve, question, "5", systemRng);
      const reply = await replyEqual(curve, question, "7", ask, systemRng);
      for (const guess of ["7", "5", "6"]) assert.isFalse(await openEqual(curve, { claim: guess, key: open.key.slice() }, reply), guess);
      // The right claim, asked about another request, company or item: another point, so the tag stays closed.
      for (const other of [{ ...question, request: "req_0002" }, { ...question, party: "court" }, { ...question, item: "arrears" }]) {
        const asked = await askEqual(curve, other, "7", systemRng);
        const crossed = await replyEqual(curve, question, "7", asked.ask, systemRng);
        assert.isFalse(await openEqual(curve, asked.open, crossed));
        assert.isFalse(await openEqual(curve, { ...asked.open, key: systemRng(64) }, { ...crossed, tag: reply.tag }));
      }
    });
    it("shows the provider points that say nothing of the claim: bits of them are as even for one claim as for another", async () => {
      // The bank's side of two claims, many times. A point's encoding has 252 free bits; each is set about half of the time, whatever the claim.
      const samples = 400;
      const counts = await Promise.all(["1000", "99999999.99"].map(async (claim) => {
        const ones = new Int32Array(250);
        for (let i = 0; i < samples; i++) {
          const { blinded } = (await askEqual(curve, question, claim, systemRng)).ask;
          for (let bit = 1; bit < 250; bit++) if (((blinded[bit >> 3] as number) >> (bit & 7)) & 1) ones[bit] = (ones[bit] as number) + 1;
        }
        return ones;
      }));
      // Five standard deviations of one count, and of a difference of two: wrong in about one of 5,000 runs.
      const deviation = Math.sqrt(samples) / 2;
      for (let bit = 1; bit < 250; bit++) {
        const [a = 0, b = 0] = counts.map((ones) => ones[bit]);
        assert.isBelow(Math.abs(a - samples / 2), 6 * deviation, `bit ${bit}`);
        assert.isBelow(Math.abs(a - b), 6 * Math.SQRT2 * deviation, `bit ${bit}`);
      }
    });
    it("gives the bank tags that never repeat, of one size whatever the answer, and for no value as well", async () => {
      const { ask } = await askEqual(curve, question, "5", systemRng);
      const replies = await Promise.all(["5", "5", "6", "600000", undefined].map((value) => replyEqual(curve, question, value, ask, systemRng)));
      assert.equal(new Set(replies.map(({ tag }) => Buffer.from(tag).toString("hex"))).size, replies.length);
      assert.equal(new Set(replies.map(({ point }) => Buffer.from(point).toString("hex"))).size, replies.length);
      for (const { point, tag } of replies) assert.deepEqual([point.length, tag.length], [32, 16]);
    });
    it("refuses points that are none, and names that are not plain", async () => {
      for (const blinded of [new Uint8Array(32), new Uint8Array(32).fill(255)]) assert.equal(await codeOfAsync(() => replyEqual(curve, question, "5", { blinded }, systemRng)), "PROTOCOL_BAD_POINT");
      assert.isFalse(equalityAskSchema.safeParse({ blinded: new Uint8Array(31) }).success);
      assert.isFalse(equalityReplySchema.safeParse({ point: new Uint8Array(32), tag: new Uint8Array(15) }).success);
      for (const bad of ["a/b", "", "x".repeat(65), "公司"]) assert.equal(await codeOfAsync(() => askEqual(curve, { ...question, request: bad }, "5", systemRng)), "VERIFY_QUESTION");
    });
  });

  describe("of a range", () => {
    const limit = 1n << BigInt(depth - 1);

    it("covers intervals exactly, with disjoint nodes and never more than the fixed number", () => {
      const small = fc.bigInt({ min: -300n, max: 300n });
      fc.assert(fc.property(small, small, small, fc.constantFrom(18, 40), (a, b, v, bits) => {
        const [from, to] = a <= b ? [a, b] : [b, a];
        const cover = new Set(coverOf(from, to, bits));
        assert.equal(nodesAbove(v, bits).filter((n) => cover.has(n)).length, v >= from && v <= to ? 1 : 0);
      }), { numRuns: 2000 });
      const wide = fc.bigInt({ min: -limit, max: limit - 1n });
      fc.assert(fc.property(wide, wide, (a, b) => {
        assert.isAtMost(coverOf(a <= b ? a : b, a <= b ? b : a, depth).length, coverSize(depth));
      }));
      assert.lengthOf(coverOf(-limit + 1n, limit - 2n, depth), coverSize(depth), "the worst one needs them all");
      assert.lengthOf(coverOf(-limit, limit - 1n, depth), 1);
    });
    it("covers intervals with one end by half as many", () => {
      fc.assert(fc.property(fc.bigInt({ min: -limit, max: limit - 1n }), (end) => {
        assert.isAtMost(coverOf(end, limit - 1n, depth).length, rayCoverSize(depth));
        assert.isAtMost(coverOf(-limit, end, depth).length, rayCoverSize(depth));
      }));
    });
    it("is right at the ends and beside them", async () => {
      for (const [from, to, value] of [[10n, 20n, 10n], [10n, 20n, 20n], [10n, 20n, 15n], [-5n, -5n, -5n], [-limit, limit - 1n, 0n]] as const) assert.isTrue(await within(from, to, value));
      for (const [from, to, value] of [[10n, 20n, 9n], [10n, 20n, 21n], [-5n, -5n, 5n], [-limit, -1n, 0n]] as const) assert.isFalse(await within(from, to, value));
      assert.isFalse(await within(-limit, limit - 1n, undefined), "nothing is in no interval");
      const { least, greatest } = boundsOf(18);
      assert.isTrue(await within(least, greatest, blindOrdinal("date", "2024-02-29"), blindDepth("date")));
      assert.isFalse(await within(blindOrdinal("date", "2024-03-01"), greatest, blindOrdinal("date", "2024-02-29"), blindDepth("date")));
    });
    it("compares numbers rounded to thousandths, half up", () => {
      for (const [text, value] of [["0.0005", 1n], ["-0.0005", 0n], ["-0.000501", -1n], ["12.3454", 12345n], ["-3", -3000n], ["549755813.887", 549755813887n]] as const) assert.equal(blindOrdinal("number", text), value, text);
    });
    it("does not tell the bank which part of its interval it was, nor the provider how long the interval is", async () => {
      const stranger = await curve.blind(["stranger"], "d", systemRng(64));
      const size = coverSize(depth);
      const places: number[] = [];
      for (let i = 0; i < 16; i++) {
        const { ask, open } = await askWithin(curve, question, { from: 0n, to: 1000n }, depth, systemRng);
        const reply = await replyWithin(curve, question, 0n, depth, ask, systemRng);
        /** Whether the match is among the first `count` points: the others are replaced. */
        const isAmong = (count: number): Promise<boolean> => {
          const points = reply.points.slice();
          for (let p = count; p < size; p++) points.set(stranger, 32 * p);
          return openWithin(curve, { ...open, key: open.key.slice() }, { ...reply, points });
        };
        let [low, high] = [1, size];
        while (low < high) {
          const middle = Math.floor((low + high) / 2);
          if (await isAmong(middle)) high = middle;
          else low = middle + 1;
        }
        places.push(low);
      }
      // The cover's node above 0 was always at the same place of the question.
      assert.isAbove(new Set(places).size, 6);
      const sizes = await Promise.all([[0n, 0n], [0n, 1000n], [1n, limit - 2n], [0n, limit - 1n], [-limit, 7n], [-limit, limit - 1n]].map(async ([from = 0n, to = 0n]) => (await askWithin(curve, question, { from, to }, depth, systemRng)).ask.blinded.length / 32));
      assert.deepEqual(sizes, [size, size, size, 40, 40, 40], "it learns whether there is one end");
    });
    it("does not tell the bank how far off it was: what it sees of a value beside its interval and of one far away has nothing in common with its own points", async () => {
      for (const value of [1001n, 10n ** 11n, -1n, undefined]) {
        const { ask, open } = await askWithin(curve, question, { from: 0n, to: 1000n }, depth, systemRng);
        const reply = await replyWithin(curve, question, value, depth, ask, systemRng);
        assert.deepEqual([reply.points.length, reply.tags.length], [32 * coverSize(depth), 16 * (depth + 1)]);
        const own = await curve.unraise(reply.points, open.key);
        const tags = new Set(Array.from({ length: depth + 1 }, (_, i) => Buffer.from(reply.tags.subarray(16 * i, 16 * i + 16)).toString("hex")));
        const matches = Array.from({ length: coverSize(depth) }, (_, i) => own.subarray(32 * i, 32 * i + 32))
          .filter((point) => tags.has(createHash("sha256").update("yunei/verify-range/tag/v1\n").update(point).digest().subarray(0, 16).toString("hex")));
        assert.lengthOf(matches, 0);
      }
    });
    it("refuses empty intervals, what lies outside of the tree, doubled points and replies that answer nothing", async () => {
      assert.equal(await codeOfAsync(() => askWithin(curve, question, { from: 2n, to: 1n }, depth, systemRng)), "VERIFY_RANGE");
      assert.equal(await codeOfAsync(() => askWithin(curve, question, { from: 0n, to: limit }, depth, systemRng)), "VERIFY_RANGE");
      const { ask, open } = await askWithin(curve, question, { from: 0n, to: 9n }, depth, systemRng);
      assert.equal(await codeOfAsync(() => replyWithin(curve, question, limit, depth, ask, systemRng)), "VERIFY_RANGE");
      assert.equal(await codeOfAsync(() => replyWithin(curve, question, 5n, 18, ask, systemRng)), "VERIFY_QUESTION", "points of a deeper tree");
      const doubled = ask.blinded.slice();
      doubled.set(doubled.subarray(0, 32), 32);
      assert.equal(await codeOfAsync(() => replyWithin(curve, question, 5n, depth, { blinded: doubled }, systemRng)), "VERIFY_QUESTION");
      const reply = await replyWithin(curve, question, 5n, depth, ask, systemRng);
      const again = (): typeof open => ({ ...open, key: open.key.slice() });
      for (const bad of [{ ...reply, tags: new Uint8Array(reply.tags.length) }, { ...reply, tags: reply.tags.subarray(16) }, { ...reply, points: reply.points.subarray(32) }]) {
        assert.equal(await codeOfAsync(() => openWithin(curve, again(), bad)), "VERIFY_REPLY");
      }
      assert.equal(await codeOfAsync(() => openWithin(curve, open, { ...reply, points: new Uint8Array(reply.points.length) })), "PROTOCOL_BAD_POINT");
    });
    it("shows no more than 5.4 bits to a bank that asks with nodes that lie in each other", async () => {
      // The path of one value itself: what stands above both is counted.
      const key = systemRng(64);
      const path = [...nodesAbove(0n, depth), ...Array.from({ length: coverSize(depth) - depth - 1 }, (_, i) => `none:${i}`)];
      const blinded = await curve.blind(path, "yunei/verify-range/v1/ristretto255_XMD:SHA-512_R255MAP_RO_/req_0001/tax/vat-paid", key);
      const reply = await replyWithin(curve, question, 1n << 20n, depth, { blinded }, systemRng);
      assert.equal(await codeOfAsync(() => openWithin(curve, { key, depth, size: coverSize(depth) }, reply)), "VERIFY_REPLY", "an honest bank takes it for no answer");
      assert.isAtMost(Math.log2(depth + 2), 5.4);
    });
  });
});
