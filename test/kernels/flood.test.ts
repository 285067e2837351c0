// The flood: the shipped sampler passes the audit, and each of the wrong ones that a reviewer broke fails it.
import { assert } from "chai";
import { describe, it } from "mocha";
import { auditFlood } from "../../kernels/audit.ts";
import { floodBudgetBits } from "../../kernels/params.ts";
import { floodAdvantageBits } from "../../kernels/privacy.ts";
import { SumsWasm } from "../../kernels/wasm.ts";
import { centred, fromResidues, rngOf } from "./support.ts";

const samples = 20_000;

/** The shipped sampler's values, as the module adds them to answers. */
function shipped(random: Uint8Array): bigint[] {
  const wasm = new SumsWasm();
  const [at, out] = [wasm.allocate(64), wasm.allocate(16)] as const;
  return Array.from({ length: random.length / 64 }, (_, i) => {
    wasm.bytes.set(random.subarray(64 * i, 64 * i + 64), at);
    wasm.fn.floodResidues(at, out);
    return centred(fromResidues(wasm.words(out, 4)));
  });
}

describe("kernels: flood", () => {
  it("is the sum of eight 62-bit integers minus 2^64, at its ends too", () => {
    const random = rngOf("flood/exact")(64 * 50);
    random.fill(0, 0, 64);
    random.fill(255, 64, 128);
    const words = new BigUint64Array(random.buffer);
    for (const [i, f] of shipped(random).entries()) {
      let expected = -(1n << 64n);
      for (const w of words.subarray(8 * i, 8 * i + 8)) expected += w & ((1n << 62n) - 1n);
      assert.equal(f, expected);
    }
    const [least, most] = shipped(random);
    assert.equal(least, -(1n << 64n));
    assert.equal(most, (1n << 64n) - 8n);
  });

  it("passes the audit of its bound, shape and low 16 bits", () => {
    assert.deepInclude(auditFlood(shipped(rngOf("flood/audit")(64 * samples))), { passed: true });
  });

  it("a missing flood fails the audit", () => {
    const noise = new Int8Array(rngOf("flood/none")(samples).buffer);
    const audit = auditFlood(Array.from(noise, (x) => BigInt(x)));
    assert.isFalse(audit.passed);
    assert.isAbove(audit.shape.statistic, 100 * audit.shape.limit);
  });

  it("a uniform flood of 53 bits fails the audit", () => {
    const words = new BigUint64Array(rngOf("flood/53")(8 * samples).buffer);
    const audit = auditFlood(Array.from(words, (w) => (w & ((1n << 53n) - 1n)) - (1n << 52n)));
    assert.isFalse(audit.passed);
    assert.isAbove(audit.shape.statistic, 100 * audit.shape.limit);
    assert.isAtMost(audit.lowBytes.statistic, audit.lowBytes.limit, "its low bits are fine: only its width is wrong");
  });

  it("a Gaussian flood made from IEEE doubles fails the audit by its low bits", () => {
    const words = new Uint32Array(rngOf("flood/double")(8 * samples).buffer);
    const values = Array.from({ length: samples }, (_, i) => {
      const [u, v] = [((words[2 * i] ?? 0) + 1) / 2 ** 32, (words[2 * i + 1] ?? 0) / 2 ** 32];
      return BigInt(Math.round(Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v) * Math.sqrt(8 / 12) * 2 ** 62));
    });
    const audit = auditFlood(values);
    assert.isFalse(audit.passed);
    assert.isAbove(audit.lowBytes.statistic, 100 * audit.lowBytes.limit);
    assert.isAbove(audit.lowBits.statistic, audit.lowBits.limit);
  });

  it("the plan's advantage equals the reviewed figures and is refused above 2^-40", () => {
    const bins = (queries: number, rows: number, features: number, cells: number) => ({ queries, cells, columnEnergy: rows * features });
    // Trees: 100 of them, 16 or 31 nodes each, g and h; the column "w = 62" of the review's table.
    assert.closeTo(floodAdvantageBits([bins(100 * 16 * 2, 30_000, 23, 23 * 32)]), -44.1, 0.06);
    assert.closeTo(floodAdvantageBits([bins(100 * 31 * 2, 30_000, 10_000 / 32, 10_000)]), -41.7, 0.06);
    assert.closeTo(floodAdvantageBits([bins(100 * 16 * 2, 1_000_000, 50, 50 * 32)]), -42.3, 0.06);
    assert.closeTo(floodAdvantageBits([bins(100 * 31 * 2, 1_000_000, 10_000 / 32, 10_000)]), -40.5, 0.06);
    assert.isAtMost(floodAdvantageBits([bins(1, 100_000, 300, 6000), bins(31, 100_000, 300, 300)]), floodBudgetBits);
    // Four times the answers cost one bit: they compose with the square root.
    assert.closeTo(floodAdvantageBits([bins(400, 1000, 1, 8)]) - floodAdvantageBits([bins(100, 1000, 1, 8)]), 1, 1e-9);
    assert.isAbove(floodAdvantageBits([bins(100_000, 1_000_000, 50, 1600)]), floodBudgetBits);
    assert.throws(() => floodAdvantageBits([{ queries: Number.NaN, cells: 1, columnEnergy: 1 }]), /KERNEL_RANGE/);
  });
});
