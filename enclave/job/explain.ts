// Explanations of a scoring job: the file that stays in the bank's own enclave folder, and what a provider's enclave lets its role tell.
import { setImmediate } from "node:timers/promises";
import type { EntityId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { writePiecesDurably } from "../../core/files.ts";
import { explainBatch, type Explainer, type Told } from "../../federation/score/explain.ts";
import type { BatchScores } from "../../federation/score/guest.ts";
import { scoreJobSchema } from "../../federation/score/params.ts";
import type { HostExplain } from "../../federation/score/reasons-host.ts";
import { pointDecimals } from "../../models/explain/parts.ts";
import type { LoadedDataset } from "../data/load.ts";
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
  { tools, input: { plan } }: JobContext, scored: { readonly explainer: Explainer; readonly scores: BatchScores; readonly batch: LoadedDataset },
): Promise<ExplanationSummary | undefined> {
  const { explain } = scoreJobSchema.parse(plan.params);
  const { explainer, scores, batch } = scored;
  if (explain.reasons === 0) return undefined;
  const told = explainBatch({
    self: tools.identity.party, explainer, features: batch.features, odds: scores.odds, told: scores.reasons,
    groupOf: (name) => tools.groups.get(name), reasons: explain.reasons,
  });
  await writePiecesDurably(`${tools.paths.results}/${plan.job}/${explanationsFile}`, explanationLines(told, batch.ids, scores.away.length > 0));
  return { companies: batch.ids.length, reasons: explain.reasons, hosts: explain.hosts, against: explainer.typical === undefined ? "average" : "median" };
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
export function hostExplain({ tools, input: { plan, rule } }: JobContext): HostExplain | undefined {
  const { explain } = scoreJobSchema.parse(plan.params);
  if (!explain.hosts.includes(tools.identity.party)) return undefined;
  if (rule.explain === "nothing") throw new AppError("POLICY_EXPLAIN");
  return { reasons: explain.reasons, naming: rule.explain, groupOf: (feature) => tools.groups.get(feature) };
}
