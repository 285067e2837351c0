// What the evaluating enclave keeps and lets out at the end of a run: the companies' evaluations stay in its own folder; suppressed figures go to the
// platform through the door of reports, sealed rows to the institutions that the plan names, a sealed summary to its own institution.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { EntityId } from "../../core/brand.ts";
import { digestOf } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import type { Card } from "../../evaluation/load.ts";
import type { SummedParts } from "../../federation/evaluate/guest.ts";
import type { EvaluateJobParams } from "../../federation/evaluate/params.ts";
import type { JobContext } from "../job/context.ts";
import { putSealed, sinkOf } from "../job/results.ts";
import { reach } from "../transport/reach.ts";
import type { RunConsents } from "./authorised.ts";
import { compute } from "./compute.ts";
import { lastRun } from "./run-file.ts";
import type { EvaluationOutcome, EvaluationTask } from "./task.ts";

/** What of an outcome is kept until all of it has left. */
type Kept = Pick<EvaluationOutcome, "figures" | "grades" | "pushes" | "sealed"> & { readonly companies: number };
const outcomeFile = "outcome.json";

export type KeepInput = {
  readonly card: Card; readonly params: EvaluateJobParams; readonly summed: SummedParts; readonly consents: RunConsents | undefined;
  /** Own companies of the run, by record, and their sections. */
  readonly ids: readonly EntityId[]; readonly sectors: readonly (string | undefined)[];
};

/** Repeated after a restart it finds what it has made before. */
export async function keepEvaluation(context: JobContext, input: KeepInput): Promise<void> {
  const { evaluation } = context.tools;
  const { params, summed } = input;
  const sink = sinkOf(context);
  if (evaluation === undefined) throw new AppError("JOB_PARAMS");
  const path = join(sink.folder, outcomeFile);
  if (!existsSync(path)) writeDurably(path, JSON.stringify(await workOut(context, input, sink.folder)));
  const kept = JSON.parse(Buffer.from(readBytes(path)).toString("utf8")) as Kept;
  const { figures, sealed } = kept;
  const summary = {
    version: 1, job: sink.plan.job, basis: params.basis, asOf: params.asOf, card: figures.card, companies: kept.companies, grades: kept.grades, partial: figures.partial, absent: figures.absent,
    away: [...params.away], refused: summed.refused.size, alignedByHost: Object.fromEntries(summed.byHost), pushes: kept.pushes,
    stability: figures.stability === null ? null : { from: figures.stability.from, psi: figures.stability.psi, verdict: figures.stability.verdict },
  };
  const also = { figures: digestOf(figures), ...Object.fromEntries(sealed.map(({ file, digest }) => [file, digest])) };
  await putSealed(sink, { report: JSON.stringify(summary) }, also);
  for (const { institution, purpose, part, file } of sealed) {
    const jwe = Buffer.from(readBytes(join(sink.folder, file))).toString("latin1");
    await reach(() => evaluation.platform.putPush(sink.plan.job, { institution, purpose, part }, jwe), sink);
  }
  await reach(() => evaluation.desk.send("evaluation", { job: sink.plan.job, figures }), sink);
}

async function workOut(context: JobContext, { card, params, summed, consents, ids, sectors }: KeepInput, folder: string): Promise<Kept> {
  const { tools, input: { plan, signal }, party } = context;
  const { rows, assignment, sum } = summed;
  const usccs = Array.from(rows, (record) => ids[record] as EntityId);
  const assigned = [...assignment.parties.values()].flat();
  await consents?.use(usccs);
  const { id, version, digest } = card;
  const last = await tools.records.once(plan.job, "evaluation|last", () => lastRun(tools.paths.results, { card: { id, version, digest }, basis: params.basis, asOf: params.asOf }) ?? null);
  const task: EvaluationTask = {
    basis: params.basis, asOf: params.asOf, away: params.away, absent: assignment.absent, assigned: [...assignment.parties], sum, usccs, sectors: Array.from(rows, (record) => sectors[record]),
    folder, last: last === null ? undefined : join(tools.paths.results, last), full: params.full === undefined ? undefined : join(tools.paths.results, params.full),
    pushes: params.pushes, authorised: (await consents?.authorised(card, assigned, params.pushes, usccs)) ?? new Map(),
    marks: tools.marks(plan.hosts), job: plan.job, party: party.self, signKey: tools.identity.signKey,
  };
  const outcome = await compute(task, signal);
  await consents?.usePushed(card, assigned, params.pushes, outcome.pushed);
  const { figures, grades, pushes, sealed } = outcome;
  return { figures, grades, pushes, sealed, companies: usccs.length };
}
