// What the evaluating enclave keeps and lets out at the end of a run: the companies' evaluations stay in its own folder; suppressed figures go to the
// platform through the door of reports, sealed rows to the institutions that the plan names, a sealed summary to its own institution.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { EntityId } from "../../core/brand.ts";
import { digestOf, type Json } from "../../core/canonical.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import type { Card } from "../../evaluation/load.ts";
import type { SummedParts } from "../../federation/evaluate/guest.ts";
import type { EvaluateJobParams } from "../../federation/evaluate/params.ts";
import type { JobContext } from "../job/context.ts";
import { putSealed, sinkOf, type Sink } from "../job/results.ts";
import { reach } from "../transport/reach.ts";
import type { RunConsents } from "./authorised.ts";
import { compute, reseal } from "./compute.ts";
import { groupOf, partName } from "./push.ts";
import { readPushed, writePushed, type Pushed } from "./pushed.ts";
import { lastRun } from "./run-file.ts";
import type { EvaluationOutcome, EvaluationTask } from "./task.ts";

/** What of an outcome is kept until all of it has left. */
type Kept = EvaluationOutcome & {
  readonly companies: number;
  /** From before the receipt is made: the digests that it names. */
  readonly named?: Readonly<Record<string, string>>;
  /** Parts that the platform has. */
  readonly put?: readonly string[];
};
const outcomeFile = "outcome.json";

export type KeepInput = {
  readonly card: Card; readonly params: EvaluateJobParams; readonly summed: SummedParts; readonly consents: RunConsents | undefined;
  /** Own companies of the run, by record, and their sections. */
  readonly ids: readonly EntityId[]; readonly sectors: readonly (string | undefined)[];
};

/** Repeated after a restart it finds what it has made before, and asks again whose authorisation still holds: who withdrew is in nothing that leaves
 *  from then on. */
export async function keepEvaluation(context: JobContext, input: KeepInput): Promise<void> {
  const { evaluation, log } = context.tools;
  const { params, summed, consents, card } = input;
  const sink = sinkOf(context);
  if (evaluation === undefined) throw new AppError("JOB_PARAMS");
  const path = join(sink.folder, outcomeFile);
  const keep = (now: Kept): Kept => {
    writeDurably(path, JSON.stringify(now));
    return now;
  };
  const assigned = [...summed.assignment.parties.values()].flat();
  let kept = existsSync(path) ? (JSON.parse(Buffer.from(readBytes(path)).toString("utf8")) as Kept) : keep(await workOut(context, input, sink.folder));
  const report = { job: sink.plan.job, figures: kept.figures };
  let { named } = kept;
  if (named === undefined) {
    const gone = await consents?.usePushed(card, assigned, params.pushes, readPushed(sink.folder));
    kept = await without(context, input, { kept, gone, keep });
    // As they leave, with their noise: a digest of exact counts could be guessed from the receipt.
    const released = evaluation.desk.asReleased("evaluation", report) as { readonly figures: Json };
    named = { figures: digestOf(released.figures), ...Object.fromEntries(kept.sealed.map((part) => [partName(part), part.digest])) };
    kept = keep({ ...kept, named });
  }
  await putSealed(sink, { report: JSON.stringify(summaryOf(kept, sink, input)) }, named);
  for (const { institution, purpose, part } of kept.sealed) {
    const name = partName({ institution, purpose, part });
    if (kept.put?.includes(name) === true) continue;
    let digest: string | undefined;
    try {
      await reach(async () => {
        // Each time: the platform may have been away for long.
        const gone = await consents?.withdrawn(card, assigned, params.pushes, waiting(kept, readPushed(sink.folder)));
        kept = await without(context, input, { kept, gone, keep });
        const found = kept.sealed.find((p) => partName(p) === name);
        if (found === undefined) throw new AppError("JOB_INTERNAL");
        ({ digest } = found);
        await evaluation.platform.putPush(sink.plan.job, { institution, purpose, part }, Buffer.from(readBytes(join(sink.folder, found.file))).toString("latin1"));
      }, sink);
    } catch (error) {
      // It had left before the withdrawal was known here, and this enclave was killed, or lost the answer, before it noted that.
      if (!isAppError(error) || error.code !== "RESULT_CONFLICT" || digest === named[name]) throw error;
      log.warn("evaluation.push-was-there", { job: sink.plan.job, part });
    }
    kept = keep({ ...kept, put: [...(kept.put ?? []), name] });
  }
  await reach(() => evaluation.desk.send("evaluation", report), sink);
}

/** Companies of the parts that have not left: who withdraws after its part has left is not looked at for the others again. */
function waiting({ sealed, put = [] }: Kept, pushed: Pushed): Pushed {
  const left = new Map(pushed);
  for (const part of sealed) if (put.includes(partName(part))) left.set(groupOf(part), left.get(groupOf(part))?.with(part.part, []) ?? []);
  return left;
}

type Leaving = { readonly kept: Kept; readonly gone: ReadonlyMap<string, ReadonlySet<string>> | undefined; readonly keep: (now: Kept) => Kept };

/** Seals the parts that have not left again, without companies that are gone; their places in the order of parts stay. */
async function without({ tools, input: { plan, signal }, party }: JobContext, { params }: KeepInput, { kept, gone, keep }: Leaving): Promise<Kept> {
  const folder = join(tools.paths.results, plan.job);
  let now = kept;
  if (gone === undefined || [...gone.values()].every((set) => set.size === 0)) return now;
  for (const before of kept.sealed) {
    const group = groupOf(before);
    const name = partName(before);
    const pushed = readPushed(folder);
    const told = pushed.get(group);
    const companies = told?.[before.part] ?? [];
    const left = companies.filter((uscc) => gone.get(group)?.has(uscc) !== true);
    const lost = companies.length - left.length;
    if (told === undefined || lost === 0 || kept.put?.includes(name) === true) continue;
    const part = await reseal({
      folder, pushes: params.pushes, marks: tools.marks(plan.hosts), job: plan.job, party: party.self, signKey: tools.identity.signKey, before, companies: left, replaces: kept.named?.[name],
    }, signal);
    now = keep({
      ...now, pushes: now.pushes.map((p) => (groupOf(p) === group ? { ...p, rows: p.rows - lost, withheld: p.withheld + lost } : p)), sealed: now.sealed.map((p) => (partName(p) === name ? part : p)),
    });
    // After the outcome: killed in between, the companies are found gone again, and the part is sealed once more.
    writePushed(folder, new Map([...pushed, [group, told.with(before.part, left)]]));
    rmSync(join(folder, before.file), { force: true });
    tools.log.info("evaluation.withdrawn", { job: plan.job, part: before.part, companies: lost });
  }
  return now;
}

function summaryOf({ figures, companies, grades, pushes }: Kept, { plan }: Pick<Sink, "plan">, { params, summed }: Pick<KeepInput, "params" | "summed">) {
  const { stability } = figures;
  return {
    version: 1, job: plan.job, basis: params.basis, asOf: params.asOf, card: figures.card, companies, grades, partial: figures.partial, absent: figures.absent,
    away: [...params.away], refused: summed.refused.size, alignedByHost: Object.fromEntries(summed.byHost), pushes,
    stability: stability === null ? null : { from: stability.from, psi: stability.psi, verdict: stability.verdict },
  };
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
    card, asOf: params.asOf, away: params.away, absent: assignment.absent, assigned: [...assignment.parties], sum, usccs, sectors: Array.from(rows, (record) => sectors[record]),
    folder, last: last === null ? undefined : join(tools.paths.results, last), full: params.full === undefined ? undefined : join(tools.paths.results, params.full),
    pushes: params.pushes, authorised: (await consents?.authorised(card, assigned, params.pushes, usccs)) ?? new Map(),
    marks: tools.marks(plan.hosts), job: plan.job, party: party.self, signKey: tools.identity.signKey,
  };
  return { ...(await compute(task, signal)), companies: usccs.length };
}
