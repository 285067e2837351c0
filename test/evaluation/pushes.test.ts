import { assert } from "chai";
import { describe, it } from "mocha";
import { parseSubscriptions, planPushes, pushedEvaluation, type Push, type RunOfCompanies } from "../../evaluation/pushes.ts";
import { cards, codeAt, evaluationOf } from "./support.ts";

const places = ["330106", "330212", "440305", "110108"];
const sectors = ["C", "F", "C", undefined];
const usccs = places.map((place, n) => codeAt(place, n));
const open: RunOfCompanies = { card: cards.open, evaluation: evaluationOf([610, 590, 620, null], {}, "open"), companies: { usccs, sectors } };
/** The second and third company authorised an evaluation. */
const full: RunOfCompanies = { card: cards.full, evaluation: evaluationOf([500, 700]), companies: { usccs: usccs.slice(1, 3), sectors: sectors.slice(1, 3) } };
const runs = { open, full };

const plan = (subscriptions: readonly unknown[], mayReceive: (institution: string, purpose: string, uscc: string) => boolean = () => false, of: typeof runs | { open: RunOfCompanies } = runs): Push[] =>
  planPushes({ runs: of, subscriptions: parseSubscriptions(subscriptions), mayReceive });
const rowsOf = (push: Push | undefined): { open: number[]; full: number[] } => ({ open: [...(push?.rows.open ?? [])], full: [...(push?.rows.full ?? [])] });
const subscription = (change: object = {}): object => ({ institution: "bank_a", name: "all", purpose: "credit-evaluation", ...change });

describe("the plan of pushes", () => {
  it("filters by province and, of those that authorised the institution alone, by sector", () => {
    assert.deepEqual(rowsOf(plan([subscription()])[0]).open, [0, 1, 2, 3]);
    assert.deepEqual(rowsOf(plan([subscription({ provinces: ["33"] })])[0]).open, [0, 1]);
    // Who is in the list of a section is in it: that is not public.
    assert.deepEqual(rowsOf(plan([subscription({ sectors: ["C"] })])[0]), { open: [], full: [] });
    assert.deepEqual(rowsOf(plan([subscription({ sectors: ["C"] })], () => true)[0]), { open: [], full: [1] });
    assert.deepEqual(rowsOf(plan([subscription({ provinces: ["33"], sectors: ["C", "F"] })], () => true)[0]), { open: [], full: [0] });
    assert.deepEqual(rowsOf(plan([subscription({ provinces: ["50"] })])[0]).open, []);
  });

  it("filters by grade, of companies without one as well", () => {
    assert.deepEqual(rowsOf(plan([subscription({ grades: ["C", "D"] })])[0]).open, [1]);
    assert.deepEqual(rowsOf(plan([subscription({ grades: ["none"] })])[0]).open, [3]);
  });

  it("gives the full evaluation where the company authorised this institution, the open one else, never both", () => {
    const [push] = plan([subscription()], (institution, purpose, uscc) => institution === "bank_a" && purpose === "credit-evaluation" && uscc === usccs[2]);
    assert.deepEqual(rowsOf(push), { open: [0, 1, 3], full: [1] });
    assert.strictEqual(push?.withheld, 1);
    const [other] = plan([subscription({ institution: "bank_b" })], (institution) => institution === "bank_a");
    assert.deepEqual(rowsOf(other), { open: [0, 1, 2, 3], full: [] });
    assert.strictEqual(other?.withheld, 2);
  });

  it("asks for no authorisation of what does not fit", () => {
    const asked: string[] = [];
    plan([subscription({ provinces: ["33"] })], (_institution, _purpose, uscc) => asked.push(uscc) > 0);
    assert.deepEqual(asked, [`${usccs[1]}`]);
  });

  it("puts the subscriptions of one institution and purpose together: no company twice", () => {
    const pushes = plan([
      subscription({ name: "zhejiang", provinces: ["33"] }), subscription({ institution: "bank_b", sectors: ["F"] }),
      subscription({ name: "industry", sectors: ["C"] }), subscription({ name: "loans", purpose: "loan-approval", provinces: ["33"] }),
    ]);
    assert.deepEqual(pushes.map((p): unknown[] => [p.institution, p.purpose, p.subscriptions, [...p.rows.open]]), [
      ["bank_a", "credit-evaluation", ["industry", "zhejiang"], [0, 1]],
      ["bank_a", "loan-approval", ["loans"], [0, 1]],
      ["bank_b", "credit-evaluation", ["all"], []],
    ]);
    assert.deepEqual(plan([]), []);
  });

  it("gives a purpose only what it needs every item of", () => {
    // Screening of customers: what is public by law, and no more, whatever was authorised.
    assert.deepEqual(rowsOf(plan([subscription({ purpose: "customer-screening" })], () => true)[0]), { open: [0, 1, 2, 3], full: [] });
    assert.deepEqual(rowsOf(plan([subscription({ purpose: "loan-approval" })], () => true)[0]), { open: [0, 3], full: [0, 1] });
    assert.throws(() => plan([subscription({ purpose: "post-loan-monitoring" })], () => true), /CATALOGUE_UNNECESSARY/);
  });

  it("does without a full run", () => {
    assert.deepEqual(rowsOf(plan([subscription()], () => assert.fail("asked"), { open })[0]).open, [0, 1, 2, 3]);
  });

  it("tells of a company its score, grade, coverage and what they rest on", () => {
    assert.deepEqual(pushedEvaluation(full, 1), {
      uscc: usccs[2] ?? "", score: 700, grade: "A", coverage: 1, partial: false, basis: "full", asOf: "2025-01-01", card: "yunei-baseline", version: cards.full.version,
    });
    assert.strictEqual(pushedEvaluation(open, 3).grade, null);
    assert.strictEqual(pushedEvaluation(open, 3).coverage, 0.3);
    assert.throws(() => pushedEvaluation(full, 2), /EVALUATION_ROWS/);
  });

  it("refuses runs that do not fit together", () => {
    assert.throws(() => plan([subscription()], () => false, { open: { ...open, companies: { usccs: usccs.slice(1), sectors } } }), /EVALUATION_ROWS/);
    assert.throws(() => plan([subscription()], () => false, { open: { ...open, companies: { usccs: usccs.map(() => usccs[0] ?? ""), sectors } } }), /EVALUATION_ROWS/);
    assert.throws(() => plan([subscription()], () => false, { open: { ...open, card: cards.full } }), /EVALUATION_ROWS/);
  });

  it("refuses subscriptions that are wrong, and tells how many", () => {
    for (const change of [
      { institution: "Bank A" }, { name: "" }, { purpose: "marketing" }, { provinces: ["99"] }, { provinces: [] }, { provinces: ["33", "33"] }, { sectors: ["Z"] },
      { sectors: "C" }, { grades: ["E"] }, { extra: 1 },
    ]) assert.throws(() => parseSubscriptions([subscription(change)]), /EVALUATION_SUBSCRIPTION {"problems":1}/, JSON.stringify(change));
    assert.throws(() => parseSubscriptions([subscription(), subscription(), null]), /EVALUATION_SUBSCRIPTION {"problems":2}/);
    assert.doesNotThrow(() => parseSubscriptions([subscription(), subscription({ institution: "bank_b" })]));
  });
});
