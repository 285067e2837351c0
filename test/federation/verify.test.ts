// Verification: predicates against plain comparisons, blind equality and blind ranges, what each side sees, what is refused.
import { assert } from "chai";
import * as fc from "fast-check";
import { before, describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { seededRng, systemRng } from "../../core/rng.ts";
import { loadCurve, type Curve } from "../../federation/psi/curve.ts";
import { canonicalValue, claimTypes, ordinal, type ClaimType } from "../../federation/verify/claims.ts";
import { coverDepth, coverOf, coverSize, nodesAbove } from "../../federation/verify/cover.ts";
import { askEqual, equalityAskSchema, equalityReplySchema, openEqual, replyEqual, type Question } from "../../federation/verify/equality.ts";
import { evaluate, predicateSchema, type Held, type Predicate } from "../../federation/verify/predicates.ts";
import { askWithin, openWithin, rangeAskSchema, rangeReplySchema, replyWithin } from "../../federation/verify/range.ts";

const codeOf = (work: () => unknown): string => {
  try {
    work();
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
  let curve: Curve;
  before(async () => {
    curve = await loadCurve();
  });
  const question: Question = { request: "req_0001", party: "tax", item: "tax.payment#vat_paid_12m" };
  const equal = (claim: string, value: string): boolean => {
    const { ask, open } = askEqual(curve, question, claim, systemRng);
    return openEqual(curve, open, replyEqual(curve, question, value, equalityAskSchema.parse(ask), systemRng));
  };
  const within = (from: bigint, to: bigint, value: bigint): boolean => {
    const { ask, open } = askWithin(curve, question, { from, to }, systemRng);
    return openWithin(curve, open, rangeReplySchema.parse(replyWithin(curve, question, value, rangeAskSchema.parse(ask), systemRng)));
  };

  describe("of equality", () => {
    it("is right", () => {
      assert.isTrue(equal("1234.5", "1234.5"));
      assert.isFalse(equal("1234.5", "1234.51"));
      assert.isFalse(equal("", "a"));
    });
    it("gives one guess: a reply opens for no other claim, and an evaluation is of no use for another question", () => {
      const { ask, open } = askEqual(curve, question, "5", systemRng);
      const reply = replyEqual(curve, question, "7", ask, systemRng);
      for (const guess of ["7", "5", "6"]) assert.isFalse(openEqual(curve, { ...open, claim: guess, key: open.key.slice() }, reply), guess);
      // The right claim, asked about another request, company or item: another point, so the tag stays closed.
      for (const other of [{ ...question, request: "req_0002" }, { ...question, party: "court" }, { ...question, item: "tax.arrears" }]) {
        const asked = askEqual(curve, other, "7", systemRng);
        const crossed = replyEqual(curve, question, "7", asked.ask, systemRng);
        assert.isFalse(openEqual(curve, asked.open, crossed));
        assert.isFalse(openEqual(curve, { ...asked.open, key: systemRng(64) }, { ...crossed, tag: reply.tag }));
      }
    });
    it("shows the provider a point that depends on nothing but the bank's coin, and the bank tags that never repeat", () => {
      const points = new Set<string>();
      for (let i = 0; i < 20; i++) points.add(Buffer.from(askEqual(curve, question, "5", systemRng).ask.blinded).toString("hex"));
      assert.equal(points.size, 20);
      // For any other claim there is a coin that gives the same point: the point is H(claim)^r for a uniform r. Same coins, other claim: another point.
      assert.notDeepEqual(askEqual(curve, question, "5", seededRng(new Uint8Array(32), "a")).ask, askEqual(curve, question, "6", seededRng(new Uint8Array(32), "a")).ask);
      const { ask } = askEqual(curve, question, "5", systemRng);
      const [one, two] = [replyEqual(curve, question, "5", ask, systemRng), replyEqual(curve, question, "5", ask, systemRng)];
      assert.notDeepEqual(one.tag, two.tag);
      assert.notDeepEqual(one.point, two.point);
    });
    it("refuses points that are none, and names that are not plain", () => {
      for (const blinded of [new Uint8Array(32), new Uint8Array(32).fill(255)]) assert.equal(codeOf(() => replyEqual(curve, question, "5", { blinded }, systemRng)), "PROTOCOL_BAD_POINT");
      assert.isFalse(equalityAskSchema.safeParse({ blinded: new Uint8Array(31) }).success);
      assert.isFalse(equalityReplySchema.safeParse({ point: new Uint8Array(32), tag: new Uint8Array(15) }).success);
      for (const bad of ["a/b", "", "x".repeat(65), "公司"]) assert.equal(codeOf(() => askEqual(curve, { ...question, request: bad }, "5", systemRng)), "VERIFY_QUESTION");
    });
  });

  describe("of a range", () => {
    const limit = 1n << BigInt(coverDepth - 1);

    it("covers intervals exactly, with disjoint nodes and never more than the fixed number", () => {
      const small = fc.bigInt({ min: -300n, max: 300n });
      fc.assert(fc.property(small, small, small, (a, b, v) => {
        const [from, to] = a <= b ? [a, b] : [b, a];
        const cover = new Set(coverOf(from, to));
        assert.equal(nodesAbove(v).filter((n) => cover.has(n)).length, v >= from && v <= to ? 1 : 0);
      }), { numRuns: 2000 });
      const wide = fc.bigInt({ min: -limit, max: limit - 1n });
      fc.assert(fc.property(wide, wide, (a, b) => {
        assert.isAtMost(coverOf(a <= b ? a : b, a <= b ? b : a).length, coverSize);
      }));
      assert.lengthOf(coverOf(-limit + 1n, limit - 2n), coverSize, "the worst one needs them all");
      assert.lengthOf(coverOf(-limit, limit - 1n), 1);
    });
    it("is right at the ends and beside them", () => {
      for (const [from, to, value] of [[10n, 20n, 10n], [10n, 20n, 20n], [10n, 20n, 15n], [-5n, -5n, -5n], [-limit, limit - 1n, 0n]] as const) assert.isTrue(within(from, to, value));
      for (const [from, to, value] of [[10n, 20n, 9n], [10n, 20n, 21n], [-5n, -5n, 5n], [-limit, -1n, 0n]] as const) assert.isFalse(within(from, to, value));
    });
    it("does not tell the bank which part of its interval it was, nor the provider how long the interval is", () => {
      const stranger = curve.blindIds(["stranger"], "d", systemRng(64));
      const places: number[] = [];
      for (let i = 0; i < 24; i++) {
        const { ask, open } = askWithin(curve, question, { from: 0n, to: 1000n }, systemRng);
        const reply = replyWithin(curve, question, 0n, ask, systemRng);
        /** Whether the match is among the first `count` points: the others are replaced. */
        const isAmong = (count: number): boolean => {
          const points = reply.points.slice();
          for (let p = count; p < coverSize; p++) points.set(stranger, 32 * p);
          return openWithin(curve, { key: open.key.slice() }, { ...reply, points });
        };
        let [low, high] = [1, coverSize];
        while (low < high) {
          const middle = Math.floor((low + high) / 2);
          if (isAmong(middle)) high = middle;
          else low = middle + 1;
        }
        places.push(low);
      }
      // The cover's node above 0 was always at the same place of the question.
      assert.isAbove(new Set(places).size, 8);
      for (const to of [0n, 1000n, limit - 1n]) assert.lengthOf(askWithin(curve, question, { from: 0n, to }, systemRng).ask.blinded, 32 * coverSize);
    });
    it("refuses empty intervals, what lies outside of the tree, doubled points and replies that answer nothing", () => {
      assert.equal(codeOf(() => askWithin(curve, question, { from: 2n, to: 1n }, systemRng)), "VERIFY_RANGE");
      assert.equal(codeOf(() => askWithin(curve, question, { from: 0n, to: limit }, systemRng)), "VERIFY_RANGE");
      const { ask, open } = askWithin(curve, question, { from: 0n, to: 9n }, systemRng);
      assert.equal(codeOf(() => replyWithin(curve, question, limit, ask, systemRng)), "VERIFY_RANGE");
      const doubled = ask.blinded.slice();
      doubled.set(doubled.subarray(0, 32), 32);
      assert.equal(codeOf(() => replyWithin(curve, question, 5n, { blinded: doubled }, systemRng)), "VERIFY_QUESTION");
      const reply = replyWithin(curve, question, 5n, ask, systemRng);
      const same = { ...reply, tags: new Uint8Array(reply.tags.length) };
      assert.equal(codeOf(() => openWithin(curve, { key: open.key.slice() }, same)), "VERIFY_REPLY");
      const zeros = { ...reply, points: new Uint8Array(reply.points.length) };
      assert.equal(codeOf(() => openWithin(curve, open, zeros)), "PROTOCOL_BAD_POINT");
    });
  });
});
