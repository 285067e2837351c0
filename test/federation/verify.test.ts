// Verification: predicates against plain comparisons, blind equality and blind ranges, what each side sees, what is refused.
import { assert } from "chai";
import * as fc from "fast-check";
import { before, describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { inlineCurve } from "../../federation/psi/curve-pool.ts";
import type { CurveWork } from "../../federation/psi/curve.ts";
import { blindDepth, blindOrdinal, boundsOf, canonicalValue, claimTypes, ordinal, type ClaimType } from "../../federation/verify/claims.ts";
import { askEqual, equalityAskSchema, equalityReplySchema, openEqual, replyEqual, type Question } from "../../federation/verify/equality.ts";
import { evaluate, predicateSchema, type Held, type Predicate } from "../../federation/verify/predicates.ts";
import { askWithin, openWithin, rangeBytes, rangeTransfers, replyWithin, type Interval } from "../../federation/verify/range.ts";
import { GarbledWork, labelBytes, spareBytes } from "../../kernels/oblivious/garbled.ts";
import { dealtTransfers } from "../support/transfers.ts";
import { bitDeviation, byteDeviation } from "../support/uniform.ts";

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
      ["date", "20230209"], ["boolean", "maybe"], ["boolean", "__proto__"], ["boolean", "constructor"], ["text", ""], ["text", "a\u0000b"], ["text", "x".repeat(513)], ["code", "\u0007"],
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
  const work = new GarbledWork();
  /** One question with transfers of its own: what is sent, and what the bank keeps. */
  const ranged = (interval: Interval, value: bigint | undefined, bits = depth) => {
    const { taken, pads } = dealtTransfers(bits);
    const { ask, open } = askWithin(question, interval, bits, taken);
    return { ask, open, reply: replyWithin(work, question, value, bits, ask, pads, systemRng) };
  };
  const within = (from: bigint, to: bigint, value: bigint | undefined, bits = depth): boolean => {
    const { open, reply } = ranged({ from, to }, value, bits);
    return openWithin(work, open, reply);
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

    it("says what a plain comparison says", () => {
      const integer = fc.oneof(fc.bigInt({ min: -300n, max: 300n }), fc.bigInt({ min: -(1n << 17n), max: (1n << 17n) - 1n }));
      fc.assert(fc.property(integer, integer, integer, fc.constantFrom(18, depth), (a, b, v, bits) => {
        const [from, to] = a <= b ? [a, b] : [b, a];
        assert.equal(within(from, to, v, bits), v >= from && v <= to);
      }), { numRuns: 1000 });
    });
    it("is right at the ends and beside them", () => {
      for (const [from, to, value] of [[10n, 20n, 10n], [10n, 20n, 20n], [10n, 20n, 15n], [-5n, -5n, -5n], [-limit, limit - 1n, 0n], [-limit, -limit, -limit], [limit - 1n, limit - 1n, limit - 1n]] as const) assert.isTrue(within(from, to, value));
      for (const [from, to, value] of [[10n, 20n, 9n], [10n, 20n, 21n], [-5n, -5n, 5n], [-limit, -1n, 0n], [-limit, limit - 2n, limit - 1n], [1n - limit, limit - 1n, -limit]] as const) assert.isFalse(within(from, to, value));
      assert.isFalse(within(-limit, limit - 1n, undefined), "nothing is in no interval");
      const { least, greatest } = boundsOf(18);
      assert.isTrue(within(least, greatest, blindOrdinal("date", "2024-02-29"), blindDepth("date")));
      assert.isFalse(within(blindOrdinal("date", "2024-03-01"), greatest, blindOrdinal("date", "2024-02-29"), blindDepth("date")));
    });
    it("compares numbers rounded to thousandths, half up", () => {
      for (const [text, value] of [["0.0005", 1n], ["-0.0005", 0n], ["-0.000501", -1n], ["12.3454", 12345n], ["-3", -3000n], ["549755813.887", 549755813887n]] as const) assert.equal(blindOrdinal("number", text), value, text);
    });
    it("looks the same to the provider for every interval, with one end as with two: so many bits, each as even as the drawn ones", () => {
      const samples = 400;
      for (const interval of [{ from: 0n, to: 0n }, { from: 0n, to: 1000n }, { from: -limit, to: 7n }, { from: 9n, to: limit - 1n }, { from: -limit, to: limit - 1n }]) {
        const ones = new Int32Array(rangeTransfers(depth));
        for (let i = 0; i < samples; i++) {
          const { ask } = askWithin(question, interval, depth, dealtTransfers(depth).taken);
          assert.lengthOf(ask.flips, rangeBytes(depth).flips);
          for (const k of ones.keys()) ones[k] = (ones[k] as number) + (((ask.flips[k >> 3] as number) >> (k & 7)) & 1);
        }
        // Seven standard deviations.
        for (const count of ones) assert.isBelow(Math.abs(count - samples / 2), 70);
      }
    });
    it("shows the bank as much, and as little, of a value beside its interval as of one far away, inside of it or outside, and of none", () => {
      for (const value of [0n, 500n, 1000n, 1001n, 10n ** 11n, -1n, -limit, undefined]) {
        const rows: Uint8Array[] = [];
        for (let i = 0; i < 8; i++) {
          const { open, reply } = ranged({ from: 0n, to: 1000n }, value);
          assert.deepEqual([reply.tables.length, reply.results.length], [81 * 48, 32]);
          rows.push(reply.tables, reply.results);
          assert.equal(openWithin(work, open, reply), value !== undefined && value >= 0n && value <= 1000n);
        }
        assert.isBelow(byteDeviation(Buffer.concat(rows)), 7);
        assert.isBelow(Math.abs(bitDeviation(Buffer.concat(rows))), 7);
      }
    });
    it("gives a bank that deviates one answer about one interval: with the labels of that one no other opens", () => {
      const { taken, pads } = dealtTransfers(depth);
      const kept = taken.pads.slice();
      const { ask, open } = askWithin(question, { from: 0n, to: 1000n }, depth, taken);
      const reply = replyWithin(work, question, 1001n, depth, ask, pads, systemRng);
      // The right labels, as the bits of another interval: each bit that differs needs a label that the bank does not have.
      for (const k of [0, 5, 39, 40, 79]) {
        const bits = open.bits.slice();
        bits[k] = 1 - (bits[k] as number);
        assert.equal(codeOf(() => openWithin(work, { ...open, labels: kept.slice(), bits }, reply)), "VERIFY_REPLY");
      }
      // It did say which interval before the circuit was made: other flips, other labels.
      const other = dealtTransfers(depth);
      assert.equal(codeOf(() => openWithin(work, { ...open, labels: other.taken.pads, bits: open.bits.slice() }, reply)), "VERIFY_REPLY");
      assert.isFalse(openWithin(work, { ...open, labels: kept.slice() }, reply));
    });
    it("has labels of chance in it: the same value, question and transfers make another circuit each time, and no label is known beforehand", () => {
      const { taken, pads } = dealtTransfers(depth);
      const { ask } = askWithin(question, { from: 0n, to: 1000n }, depth, taken);
      const make = (rng: typeof systemRng): Uint8Array => replyWithin(work, question, 5n, depth, ask, pads.slice(), rng).tables;
      const drawn: number[] = [];
      const [a, b] = [make(systemRng), make((n) => (drawn.push(n), systemRng(n)))];
      assert.deepEqual(drawn, [spareBytes(depth)]);
      // Behind the beginning, which everybody knows, a row is the same where the hashes of the labels before it have been taken as labels: each gate halves that chance.
      const places = Array.from({ length: a.length / labelBytes }, (_, row) => row * labelBytes);
      const isSame = (at: number): boolean => Buffer.compare(a.subarray(at, at + labelBytes), b.subarray(at, at + labelBytes)) === 0;
      assert.isBelow(places.filter(isSame).length, places.length / 2);
    });
    it("tells a provider that tampers with one label what that bit is only by the answer that the bank then does not have", () => {
      // Selective failure (README): the bank's answer fails where its bit is 1, and it keeps that to itself.
      for (const [from, fails] of [[0n, false], [1n, true]] as const) {
        const { taken, pads } = dealtTransfers(depth);
        const { ask, open } = askWithin(question, { from, to: 1000n }, depth, taken);
        const flip = ((ask.flips[depth >> 3] as number) >> (depth & 7)) & 1;
        const at = (2 * depth + (1 ^ flip)) * labelBytes;
        const tampered = pads.map((byte, i) => (i >= at && i < at + labelBytes ? byte ^ 255 : byte));
        const reply = replyWithin(work, question, 500n, depth, ask, tampered, systemRng);
        assert.equal(codeOf(() => openWithin(work, open, reply)), fails ? "VERIFY_REPLY" : "none");
      }
    });
    it("refuses empty intervals, what has too many bits, and replies that answer nothing", () => {
      const { taken, pads } = dealtTransfers(depth);
      assert.equal(codeOf(() => askWithin(question, { from: 2n, to: 1n }, depth, taken)), "VERIFY_RANGE");
      assert.equal(codeOf(() => askWithin(question, { from: 0n, to: limit }, depth, taken)), "VERIFY_RANGE");
      assert.equal(codeOf(() => askWithin({ ...question, request: "a/b" }, { from: 0n, to: 1n }, depth, taken)), "VERIFY_QUESTION");
      const { ask, open } = askWithin(question, { from: 0n, to: 9n }, depth, taken);
      assert.equal(codeOf(() => replyWithin(work, question, limit, depth, ask, pads.slice(), systemRng)), "VERIFY_RANGE");
      const reply = replyWithin(work, question, 5n, depth, ask, pads, systemRng);
      assert.isTrue(pads.every((byte) => byte === 0), "the pads are used up");
      const again = (): typeof open => ({ ...open, labels: open.labels.slice(), bits: open.bits.slice() });
      for (const bad of [
        { ...reply, tables: new Uint8Array(reply.tables.length) }, { ...reply, tables: reply.tables.subarray(48) }, { ...reply, results: new Uint8Array(32) }, { ...reply, results: new Uint8Array(0) },
        ranged({ from: 0n, to: 9n }, 5n).reply,
      ]) assert.equal(codeOf(() => openWithin(work, again(), bad)), "VERIFY_REPLY");
      // A reply to the same question about another field, or with transfers of another session.
      for (const [other, more] of [[{ ...question, item: "arrears" }, {}], [question, { session: "f".repeat(16) }], [question, { first: 80 }]] as const) {
        const dealt = dealtTransfers(depth);
        const sent = askWithin(question, { from: 0n, to: 9n }, depth, dealt.taken);
        const crossed = replyWithin(work, other, 5n, depth, { ...sent.ask, ...more }, dealt.pads, systemRng);
        assert.equal(codeOf(() => openWithin(work, sent.open, crossed)), "VERIFY_REPLY");
      }
      assert.isTrue(openWithin(work, open, reply));
      assert.isTrue(open.labels.every((byte) => byte === 0));
    });
  });
});
