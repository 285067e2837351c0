import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { isAppError } from "../../core/errors.ts";
import { applyFine, countFine, fineBin, fineDefinitionSchema, fineShapeSchema, neutralBin } from "../../models/binning/fine.ts";
import type { Feature } from "../../models/features.ts";

function numeric(values: readonly number[], special: readonly number[] = []): Feature {
  return { kind: "numeric", name: "x", values: Float64Array.from(values), special };
}
function categorical(values: readonly (string | null)[], levels?: readonly string[]): Feature {
  const known = levels ?? [...new Set(values.filter((v) => v !== null))];
  return { kind: "categorical", name: "c", levels: known, codes: Int32Array.from(values, (v) => (v === null ? -1 : known.indexOf(v))) };
}
function repeat<T>(value: T, times: number): T[] {
  return Array.from({ length: times }, () => value);
}
function code(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return isAppError(error) ? error.code : String(error);
  }
  return "none";
}

const value = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -5, max: 40 }) }, { weight: 2, arbitrary: fc.double({ noNaN: true }) },
  fc.constant(Number.NaN), fc.constant(-999), fc.constant(-998), fc.constant(0),
);

describe("fine binning", () => {
  it("puts at least minRows training rows into every bin, whatever the values", () => {
    fc.assert(fc.property(
      fc.array(value, { minLength: 20, maxLength: 300 }), fc.integer({ min: 1, max: 30 }), fc.integer({ min: 2, max: 64 }),
      (values, minRows, maxBins) => {
        const trainRows = Math.max(minRows, values.length - 10);
        fc.pre(trainRows <= values.length);
        const b = fineBin(numeric(values, [-999, -998]), { trainRows, maxBins, minRows });
        const { totals } = countFine(b.binOf, b.bins, trainRows);
        for (const n of totals) assert.isAtLeast(n, minRows);
        assert.isAtMost(b.orderedBins, maxBins);
        assert.deepEqual(fineShapeSchema.parse(b.shape), b.shape);
        const stored = fineDefinitionSchema.parse(JSON.parse(JSON.stringify(b.definition)));
        assert.deepEqual(applyFine(stored, numeric(values, [-999, -998])), b.binOf);
      },
    ), { numRuns: 200 });
  });

  it("puts at least minRows training rows into every bin of categories too", () => {
    fc.assert(fc.property(
      fc.array(fc.oneof(fc.constantFrom("a", "a", "a", "b", "b", "c"), fc.integer({ max: 60, min: 0 }).map(String), fc.constant(null)),
        { minLength: 20, maxLength: 300 }),
      fc.integer({ min: 1, max: 30 }), fc.integer({ min: 2, max: 40 }),
      (values, minRows, maxBins) => {
        fc.pre(values.length >= minRows);
        const b = fineBin(categorical(values), { trainRows: values.length, maxBins, minRows });
        for (const n of countFine(b.binOf, b.bins, values.length).totals) assert.isAtLeast(n, minRows);
        assert.isAtMost(b.orderedBins, maxBins);
        assert.deepEqual(fineShapeSchema.parse(b.shape), b.shape);
        assert.deepEqual(applyFine(fineDefinitionSchema.parse(JSON.parse(JSON.stringify(b.definition))), categorical(values)), b.binOf);
      },
    ), { numRuns: 200 });
  });

  it("makes left-closed bins of equal frequency", () => {
    const b = fineBin(numeric(Array.from({ length: 100 }, (_, i) => i)), { trainRows: 100, maxBins: 4, minRows: 20 });
    assert.deepEqual(b.definition.kind === "numeric" && b.definition.edges, [25, 50, 75]);
    assert.deepEqual([...applyFine(b.definition, numeric([-1e9, 24.999, 25, 49, 50, 75, 1e9]))], [0, 0, 1, 1, 2, 3, 3]);
  });

  it("gives a heavy value a bin of its own and never splits equal values", () => {
    const values = [...repeat(-1, 30), ...repeat(0, 500), ...Array.from({ length: 100 }, (_, i) => i + 1)];
    const b = fineBin(numeric(values), { trainRows: values.length, maxBins: 10, minRows: 20 });
    const zero = b.binOf[30] ?? 0;
    assert.equal(countFine(b.binOf, b.bins, values.length).totals[zero], 500);
  });

  it("does not look at the test rows", () => {
    const train = Array.from({ length: 200 }, (_, i) => (i * 37) % 101);
    const a = fineBin(numeric([...train, 1, 2, 3]), { trainRows: 200, maxBins: 8, minRows: 20 });
    const b = fineBin(numeric([...train, 5000, Number.NaN, -5000]), { trainRows: 200, maxBins: 8, minRows: 20 });
    assert.deepEqual(a.definition, b.definition);
  });

  it("leaves values missing only in the test part without a bin, and says so in the shape", () => {
    const values = Array.from({ length: 100 }, (_, i) => i);
    const b = fineBin(numeric([...values, Number.NaN, Number.POSITIVE_INFINITY]), { trainRows: 100, maxBins: 4, minRows: 20 });
    assert.equal(b.shape.missingBin, -1);
    assert.deepEqual(b.binOf.slice(100), Uint8Array.of(neutralBin, neutralBin));
  });

  it("sends a few missing rows to the bin of the median, many to a bin of their own at the end", () => {
    const values = Array.from({ length: 100 }, (_, i) => i);
    const few = fineBin(numeric([...values, ...repeat(Number.NaN, 3)]), { trainRows: 103, maxBins: 5, minRows: 20 });
    assert.equal(few.shape.missingBin, -1);
    assert.equal(few.binOf[100], few.binOf[50]);
    const many = fineBin(numeric([...values, ...repeat(Number.NaN, 25)]), { trainRows: 125, maxBins: 5, minRows: 20 });
    assert.equal(many.shape.missingBin, many.bins - 1);
    assert.equal(many.binOf[100], many.bins - 1);
  });

  it("keeps a frequent special value apart, pools rare ones, and treats the rarest as missing", () => {
    const values = Array.from({ length: 100 }, (_, i) => i + 1);
    const job = [...values, ...repeat(-1, 30), ...repeat(-2, 12), ...repeat(-3, 12), ...repeat(Number.NaN, 21)];
    const b = fineBin(numeric(job, [-1, -2, -3, -4]), { trainRows: job.length, maxBins: 5, minRows: 20 });
    assert.equal(b.bins, b.orderedBins + 3);
    assert.equal(b.binOf[100], b.orderedBins);
    assert.equal(b.binOf[130], b.orderedBins + 1);
    assert.equal(b.binOf[142], b.orderedBins + 1);
    assert.equal(b.shape.missingBin, b.orderedBins + 2);
    const rare = [...values, -1, -1, ...repeat(Number.NaN, 21)];
    const c = fineBin(numeric(rare, [-1]), { trainRows: rare.length, maxBins: 5, minRows: 20 });
    assert.equal(c.binOf[100], c.shape.missingBin);
  });

  it("pools rare levels, joins them to the largest group when even the pool is small, and answers for unknown levels", () => {
    const pooled = [...repeat("a", 50), ...repeat("b", 40), ...repeat("r1", 12), ...repeat("r2", 12)];
    const b = fineBin(categorical(pooled), { trainRows: pooled.length, maxBins: 20, minRows: 20 });
    assert.equal(b.bins, 3);
    assert.deepEqual([...applyFine(b.definition, categorical(["a", "b", "r2", "new", null]))], [0, 1, 2, 2, neutralBin]);
    const small = [...repeat("a", 50), ...repeat("b", 60), "r1", "r2"];
    const c = fineBin(categorical(small), { trainRows: small.length, maxBins: 20, minRows: 20 });
    assert.equal(c.bins, 2);
    assert.deepEqual([...applyFine(c.definition, categorical(["b", "a", "r1", "new"]))], [0, 1, 0, neutralBin]);
  });

  it("makes one bin of a constant, of an all-missing and of a nearly empty feature", () => {
    const options = { trainRows: 60, maxBins: 8, minRows: 20 };
    assert.equal(fineBin(numeric(repeat(7, 60)), options).bins, 1);
    const gone = fineBin(numeric(repeat(Number.NaN, 60)), options);
    assert.deepEqual([gone.bins, gone.orderedBins, gone.shape.missingBin], [1, 0, 0]);
    assert.deepEqual([...applyFine(gone.definition, numeric([3, Number.NaN]))], [neutralBin, 0]);
    const few = fineBin(numeric([...repeat(1, 5), ...repeat(Number.NaN, 55)]), options);
    assert.equal(few.bins, 1);
    assert.equal(fineBin(categorical(repeat(null, 60)), options).bins, 1);
    assert.equal(fineBin(categorical(Array.from({ length: 60 }, (_, i) => (i < 5 ? "a" : null))), options).bins, 1);
  });

  it("uses manual edges as they are and refuses those that cannot be", () => {
    const values = Array.from({ length: 100 }, (_, i) => i);
    const options = { trainRows: 100, maxBins: 4, minRows: 20 };
    assert.deepEqual([...new Set(fineBin(numeric(values), { ...options, edges: [30, 60] }).binOf)], [0, 1, 2]);
    for (const edges of [[60, 30], [30, 30], [Number.NaN], [5], [50, 99]]) {
      assert.equal(code(() => fineBin(numeric(values), { ...options, edges })), "MODEL_MANUAL_BINS");
    }
  });

  it("refuses too few training rows, codes outside the levels, and another kind", () => {
    assert.equal(code(() => fineBin(numeric([1, 2, 3]), { trainRows: 3, maxBins: 4, minRows: 20 })), "MODEL_TOO_FEW_ROWS");
    assert.equal(code(() => fineBin(numeric([1, 2, 3]), { trainRows: 4, maxBins: 4, minRows: 1 })), "MODEL_SHAPE");
    const wrong: Feature = { kind: "categorical", name: "c", levels: ["a"], codes: Int32Array.from(repeat(1, 30)) };
    assert.equal(code(() => fineBin(wrong, { trainRows: 30, maxBins: 4, minRows: 20 })), "MODEL_SHAPE");
    const b = fineBin(numeric(repeat(1, 30)), { trainRows: 30, maxBins: 4, minRows: 20 });
    assert.equal(code(() => applyFine(b.definition, categorical(["a"]))), "MODEL_SHAPE");
  });
});
