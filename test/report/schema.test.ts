import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { z } from "zod";
import { insidePlan, joinFlows } from "../../report/plan-check.ts";
import { jointReportSchema, type JointReport } from "../../report/schema.ts";
import { sampleReport } from "../support/sample-report.ts";

const sample = sampleReport({ rows: 3000 });
const changed = (edit: (report: JointReport) => void): unknown => {
  const copy = structuredClone(sample);
  edit(copy);
  return copy;
};
type Flow = ReturnType<typeof line>;
const refusal = (value: unknown): string[] => {
  const result = jointReportSchema.safeParse(value);
  return result.success ? [] : result.error.issues.map((issue) => issue.path.join("."));
};

describe("the schema of report.json", () => {
  it("gives back a report after a round trip through JSON text, unchanged", () => {
    assert.deepEqual(jointReportSchema.parse(JSON.parse(JSON.stringify(sample))), sample);
  });

  const refused: readonly (readonly [string, (report: JointReport) => void, string])[] = [
    ["an unknown field on top", (r) => Object.assign(r, { extra: 1 }), ""],
    ["an unknown field inside a bin", (r) => Object.assign(r.features[0]?.table?.[0] ?? {}, { edge: 3 }), "features.0.table.0"],
    ["an AUC that is not a number", (r) => { r.metrics.test.auc = Number.NaN; }, "metrics.test.auc"],
    ["an infinite stability index", (r) => { r.stabilityIndex.psi = Number.POSITIVE_INFINITY; }, "stabilityIndex.psi"],
    ["a negative count of bytes", (r) => { (r.traffic[0] as { bytes: number }).bytes = -1; }, "traffic.0.bytes"],
    ["a host's bin with a label", (r) => { Object.assign(r.features[8]?.table?.[0] ?? {}, { label: "[0, 3)" }); }, "features.8"],
    ["a feature of an unknown party", (r) => { (r.features[0] as { party: string }).party = "stranger"; }, "features.0"],
    ["a second guest", (r) => { (r.parties[1] as { role: string }).role = "guest"; }, "parties"],
    ["parts that do not add up", (r) => { r.rows.total += 1; }, "rows"],
    ["metrics of other rows than those of the part", (r) => { r.guestOnly.test.rows -= 1; }, "guestOnly.test"],
    ["more matched companies than a host has", (r) => { r.alignedByHost["registry"] = { matched: 10, hostSize: 9 }; }, "alignedByHost.registry"],
    ["alignment with the guest itself", (r) => { r.alignedByHost["bank"] = { matched: 1, hostSize: 1 }; }, "alignedByHost.bank"],
    ["more refinement rounds kept than tried", (r) => { r.refinement = { rounds: 0, kept: 1 }; }, "refinement"],
    ["a distribution with an edge too many", (r) => { r.metrics.train.distribution.edges.push(99); }, "metrics.train.distribution"],
    ["a ledger outside the plan that says it is inside", (r) => { Object.assign(r.leakage.ledger[0] ?? {}, { bytes: 1e9 }); }, "leakage.insidePlan"],
    ["a ledger inside the plan that says it is outside", (r) => { r.leakage.insidePlan = false; }, "leakage.insidePlan"],
    ["another version", (r) => { (r as { version: number }).version = 2; }, "version"],
    ["a time that is no time", (r) => { r.createdAt = "yesterday"; }, "createdAt"],
  ];
  for (const [what, edit, where] of refused) it(`refuses ${what}`, () => assert.include(refusal(changed(edit)), where));

  it("can be written as a JSON schema, for the API's description", () => {
    const schema = z.toJSONSchema(jointReportSchema, { io: "input" });
    assert.include(schema.required ?? [], "leakage");
    assert.isFalse(schema.additionalProperties);
  });

  it("takes a report whose ledger is outside its plan when it says so", () => {
    assert.deepEqual(refusal(changed((r) => {
      (r.leakage.ledger[0] as { bytes: number }).bytes = 1e9;
      r.leakage.insidePlan = false;
    })), []);
  });
});

const line = (type: string, messages: number, bytes: number, numbers: number) => ({ from: "a", to: "b", type, messages, bytes, numbers });

describe("the comparison of plan and ledger", () => {
  it("lets no two halves below a bound exceed it together", () => {
    assert.isTrue(insidePlan([line("x", 2, 100, 5)], [line("x", 1, 60, 2)]));
    assert.isFalse(insidePlan([line("x", 2, 100, 5)], [line("x", 1, 60, 2), line("x", 1, 60, 2)]));
  });

  it("marks a type that the plan does not have and keeps planned ones that were not sent", () => {
    const flows = joinFlows([line("x", 1, 1, 1), line("y", 1, 1, 1)], [line("z", 1, 1, 0)]);
    const seen = flows.map((f) => [f.planned?.type, f.sent?.type, f.inside]);
    assert.deepEqual(seen, [["x", undefined, true], ["y", undefined, true], [undefined, "z", false]]);
  });

  it("does not confuse the opposite direction", () => {
    assert.isFalse(insidePlan([line("x", 1, 1, 1)], [{ ...line("x", 1, 1, 1), from: "b", to: "a" }]));
  });

  it("is inside exactly when every sum over a type is within the sum of its bounds", () => {
    const any = fc.tuple(fc.constantFrom("x", "y"), fc.nat(4), fc.nat(4), fc.nat(4)).map((parts) => line(...parts));
    const lines = fc.array(any, { maxLength: 6 });
    const keys = ["messages", "bytes", "numbers"] as const;
    fc.assert(fc.property(lines, lines, (statement, ledger) => {
      const total = (of: readonly Flow[], type: string, key: (typeof keys)[number]): number =>
        of.filter((l) => l.type === type).reduce((sum, l) => sum + l[key], 0);
      const has = (of: readonly Flow[], type: string): boolean => of.some((l) => l.type === type);
      const expected = ["x", "y"].every((type) => !has(ledger, type)
        || (has(statement, type) && keys.every((key) => total(ledger, type, key) <= total(statement, type, key))));
      assert.equal(insidePlan(statement, ledger), expected);
    }));
  });
});
