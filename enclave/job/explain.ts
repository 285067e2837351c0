// Explanations of a scoring job: the file that stays in the bank's own enclave folder, and what a provider's enclave lets its role tell.
import { setImmediate } from "node:timers/promises";
import { gradeTable } from "../../catalogue/grades.ts";
import type { EntityId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { writePiecesDurably } from "../../core/files.ts";
import { explainBatch, type Explainer, type Told } from "../../federation/score/explain.ts";
import type { BatchScores } from "../../federation/score/guest.ts";
import { alignFeature } from "../../federation/rows/align.ts";
import { scoreJobSchema, type ScoreExplain } from "../../federation/score/params.ts";
import type { HostReasons } from "../../federation/score/reasons-guest.ts";
import type { HostExplain } from "../../federation/score/reasons-host.ts";
import { pointDecimals } from "../../models/explain/parts.ts";
import { gradeOfFeature } from "../data/declared.ts";
import type { Batch } from "../batch/load.ts";
import type { JobContext } from "./context.ts";

/** Name of the file in the job's folder of results: one line of JSON per company, in the order of the batch. */
export const explanationsFile = "explanations.ndjson";
/** What leaves of it: counts and names that the plan has. */
export type ExplanationSummary = {
  readonly companies: number; readonly reasons: number; readonly hosts: readonly string[];
  /** What a contribution is the difference to: the median training company, or the average one for models of earlier versions. */
  readonly against: "median" | "average";
};

/** Writes the explanations of a batch when its plan has any. Repeated after a restart it writes the same. */
export async function keepExplanations(
  { tools, input: { plan } }: JobContext, scored: { readonly explainer: Explainer; readonly scores: BatchScores; readonly batch: Batch },
): Promise<ExplanationSummary | undefined> {
  const { explain } = scoreJobSchema.parse(plan.params);
  const { explainer, scores, batch } = scored;
  if (explain.reasons === 0) return undefined;
  // Who was refused has no score to explain.
  const kept = Int32Array.from([...batch.ids.keys()].filter((record) => !scores.refused.has(record)));
  const told = explainBatch({
    self: tools.identity.party, explainer, features: batch.features.map((f) => alignFeature(f, kept)), odds: Float64Array.from(kept, (r) => scores.odds[r] ?? 0),
    told: scores.reasons && new Map([...scores.reasons].map(([host, reasons]) => [host, reasonsOfSome(reasons, kept)])),
    groupOf: (name) => tools.groups.get(name), reasons: explain.reasons,
  });
  const ids = Array.from(kept, (record) => batch.ids[record] as EntityId);
  await writePiecesDurably(`${tools.paths.results}/${plan.job}/${explanationsFile}`, explanationLines(told, ids, scores.away.length > 0));
  return { companies: kept.length, reasons: explain.reasons, hosts: explain.hosts, against: explainer.typical === undefined ? "average" : "median" };
}

function reasonsOfSome(reasons: HostReasons, records: Int32Array): HostReasons {
  const { perCompany } = reasons;
  const of = <T extends Uint8Array | Uint16Array>(from: T, to: T): T => {
    for (const [i, record] of records.entries()) to.set(from.subarray(record * perCompany, (record + 1) * perCompany), i * perCompany);
    return to;
  };
  const size = records.length * perCompany;
  return { ...reasons, labelOf: of(reasons.labelOf, new Uint16Array(size)), sizeOf: of(reasons.sizeOf, new Uint8Array(size)) };
}

/** Lines in pieces, with a breath between them: a large batch must not keep this enclave from its other work. */
export async function* explanationLines(told: ReturnType<typeof explainBatch>, ids: readonly EntityId[], partial: boolean): AsyncGenerator<string> {
  let at = 0;
  for (const some of told) {
    yield some.map((one) => `${lineOf(ids[at++] ?? "", one, partial)}\n`).join("");
    await setImmediate();
  }
}

/** Numbers are points with `pointDecimals` decimals: added up as decimals they give the score exactly. */
function lineOf(id: string, { score, base, contributions, reasons }: Told, partial: boolean): string {
  const points = (units: number): number => units / 10 ** pointDecimals;
  return JSON.stringify({
    id, score: points(score), base: points(base), partial,
    contributions: contributions.map(({ label, value }) => ({ label, value: points(value) })),
    reasons: reasons.map(({ rank, label, value, zh, en }) => ({ rank, label, value: points(value), zh, en })),
  });
}

/** What this provider's role may tell in this job; undefined when the plan does not ask it. Throws POLICY_EXPLAIN when its own policy
 *  does not let it tell what the plan asks for. */
export function hostExplain({ tools, input: { plan, rule } }: JobContext, explain: ScoreExplain = scoreJobSchema.parse(plan.params).explain): HostExplain | undefined {
  if (!explain.hosts.includes(tools.identity.party)) return undefined;
  if (rule.explain === "nothing") throw new AppError("POLICY_EXPLAIN");
  const { catalogue } = tools.dataset;
  // A name that a log may not have (catalogue/grades.ts) is no reason either: the item stands for it.
  const isNamed = (feature: string): boolean => gradeTable[gradeOfFeature(catalogue, feature)].log === "field";
  return { reasons: explain.reasons, naming: rule.explain, isNamed, groupOf: (feature) => tools.groups.get(feature) };
}
