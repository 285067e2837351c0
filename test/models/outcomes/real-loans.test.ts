// Real loans and their real outcomes. The sets have no dates (they were removed from them): months of origination are dealt out here, so what is about time
// is mechanics; ranking, calibration and reject inference are about what happened.
import { assert } from "chai";
import { describe, it } from "mocha";
import { sha256Hex } from "../../../core/canonical.ts";
import { seededRng } from "../../../core/rng.ts";
import { fitLogistic, logOdds, sigmoid } from "../../../models/linear/logistic.ts";
import { ranking } from "../../../models/metrics/ranking.ts";
import { backTest } from "../../../models/outcomes/back-test.ts";
import { logOddsOf } from "../../../models/outcomes/calibration.ts";
import { OutcomeBook, type Loans } from "../../../models/outcomes/book.ts";
import { monthNumber, monthText } from "../../../models/outcomes/record.ts";
import { inferRejects, type Applicants } from "../../../models/outcomes/reject.ts";
import { dataSets, loadJob, type DataSet } from "../../support/csv.ts";
import { needsRealData } from "../../support/real-data.ts";

const modelA = sha256Hex("a model on real loans");
type Fitted = { readonly probability: Float64Array; readonly label: Uint8Array; readonly trainRows: number };

/** Logistic regression on columns in tenths of the training rows (numeric) and levels (categorical), one indicator each. */
function fitted(set: DataSet): Fitted {
  const { label, trainRows, guest, hosts } = loadJob(set);
  const columns = [guest, ...hosts].flatMap(({ table }) => table.features.flatMap((feature): Int8Array[] => {
    if (feature.kind === "categorical") {
      return feature.levels.flatMap((_, code) => {
        const column = Int8Array.from(feature.codes, (c) => (c === code ? 1 : 0));
        return column.subarray(0, trainRows).reduce((s, v) => s + v, 0) >= 100 ? [column] : [];
      });
    }
    const sorted = feature.values.slice(0, trainRows).filter((v) => !Number.isNaN(v)).sort();
    const edges = [...new Set(Array.from({ length: 9 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / 10)] ?? 0))];
    return edges.map((edge) => Int8Array.from(feature.values, (v) => (v >= edge ? 1 : 0)));
  }));
  const fit = fitLogistic(columns, label, trainRows, { ridge: 1e-3 });
  return { probability: Float64Array.from(logOdds(fit, columns, label.length), sigmoid), label, trainRows };
}

/** Rows from..to-1 returned as loans of twelve months; a bad one is charged off in its first year. */
function returned({ probability, label }: Fitted, from: number, to: number, given: (p: number) => number = (p) => p): Loans {
  const book = new OutcomeBook({ asOf: "2025-06", maxMonths: 24 });
  for (let i = from; i < to; i++) {
    const originated = monthText(monthNumber("2023-01") + (i % 12));
    const about = { loan: sha256Hex(`real ${i}`), originated, score: given(probability[i] ?? 0.5), model: modelA };
    const end = monthText(monthNumber(originated) + (label[i] === 1 ? 3 + (i % 10) : 12));
    book.add({ ...about, month: originated, status: "current" });
    book.add({ ...about, month: end, status: label[i] === 1 ? "charged-off" : "current" });
  }
  return book.loans();
}

for (const [name, set] of [["small-business loans 2003-2006", dataSets.sba], ["FATE's credit example", dataSets.fate]] as const) {
  describe(`outcomes of real loans: ${name}`, () => {
    let model: Fitted;
    let middle: number;
    before(function () {
      needsRealData(this);
      model = fitted(set);
      middle = model.trainRows + Math.floor((model.label.length - model.trainRows) / 2);
    });
    const development = (): { probability: Float64Array; label: Uint8Array } => ({ probability: model.probability.slice(model.trainRows, middle), label: model.label.slice(model.trainRows, middle) });

    it("a model whose loans came out as those of its test part passes its back-test", () => {
      const report = backTest({ loans: returned(model, middle, model.label.length), model: modelA, development: development(), settings: { cohort: "quarter" } });
      const rest = ranking(model.probability, model.label, middle, model.label.length);
      assert.approximately(report.discrimination.all?.auc ?? 0, rest.auc, 1e-12);
      assert.equal(report.population.bad, rest.events);
      const of = Object.fromEntries(report.verdicts.map((v) => [v.subject, v.verdict]));
      assert.deepInclude(of, { sample: "ok", stability: "ok", discrimination: "ok" });
      assert.notEqual(of["calibration"], "act");
      assert.notEqual(of["vintages"], "act");
    });

    it("scores that promised too little are found, and how far they are off", () => {
      const low = (p: number): number => sigmoid(logOddsOf(p) - 0.5);
      const { calibration, verdicts, discrimination } = backTest({ loans: returned(model, middle, model.label.length, low), model: modelA, development: development() });
      assert.equal(verdicts.find((v) => v.subject === "calibration")?.verdict, "act");
      assert.isTrue((calibration.line?.shiftInterval.low ?? 0) > 0.3 && (calibration.line?.shiftInterval.high ?? 1) < 0.7);
      assert.isAbove(calibration.line?.ratio ?? 0, 1.3);
      assert.equal(verdicts.find((v) => v.subject === "discrimination")?.verdict, "ok");
      assert.isAbove(discrimination.all?.auc ?? 0, 0.6);
    });

    it("reject inference by score comes within a fifth of what those rejected by that score would have done, and cannot where the bank knew more", () => {
      // The riskiest three tenths rejected by a coin that leans on the score: outcomes of the rejected are known here, and hidden.
      const n = model.label.length;
      const draws = new DataView(seededRng(new Uint8Array(32), "decisions")(4 * n).buffer);
      const by = (leans: (i: number) => number): Applicants & { truth: number } => {
        const isIn = Array.from({ length: n }, (_, i) => draws.getUint32(4 * i) / 2 ** 32 < sigmoid(-2 * leans(i)));
        const rows = (wanted: boolean): number[] => isIn.flatMap((x, i) => (x === wanted ? [i] : []));
        const rejected = rows(false);
        return {
          accepted: { score: Float64Array.from(rows(true), (i) => model.probability[i] ?? 0), label: Uint8Array.from(rows(true), (i) => model.label[i] ?? 0) },
          rejected: { score: Float64Array.from(rejected, (i) => model.probability[i] ?? 0) }, truth: rejected.reduce((s, i) => s + (model.label[i] ?? 0), 0) / rejected.length,
        };
      };
      const odds = (i: number): number => logOddsOf(model.probability[i] ?? 0.5) + 1;
      const seen = by(odds);
      for (const method of ["augmentation", "fuzzy"] as const) {
        const { rejectedBadRate, acceptedBadRate } = inferRejects(seen, { method, bands: 20 }).summary;
        assert.approximately((rejectedBadRate ?? 0) / seen.truth, 1, 0.2, method);
        assert.isAbove(rejectedBadRate ?? 0, acceptedBadRate, method);
      }
      // A decision that also knew something of the outcome beyond the score: every method takes the rejected for better than they are.
      const knew = by((i) => odds(i) + (model.label[i] ?? 0));
      for (const method of ["augmentation", "fuzzy"] as const) assert.isBelow(inferRejects(knew, { method, bands: 20 }).summary.rejectedBadRate ?? 1, 0.8 * knew.truth, method);
    });
  });
}
