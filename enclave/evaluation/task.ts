// What follows from the sums of a run, without the sockets and the database: scores and grades, what may be published, what is pushed to whom. For
// a million companies it takes seconds and hundreds of megabytes: worker.ts runs it on a thread of its own.
import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import type { PartyId } from "../../core/brand.ts";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import { writeDurably } from "../../core/files.ts";
import type { FinancingPurpose } from "../../core/purposes.ts";
import { evaluate, ungraded, type Evaluation } from "../../evaluation/combine.ts";
import { withoutGrade } from "../../evaluation/distribution.ts";
import { figuresOf, type Figures } from "../../evaluation/figures.ts";
import type { Card } from "../../evaluation/load.ts";
import type { Part } from "../../evaluation/part.ts";
import { planPushes, pushedEvaluation, type Push } from "../../evaluation/pushes.ts";
import { gradeLetters } from "../../evaluation/schema.ts";
import { rowsPerPush, type PlannedPush } from "../../federation/evaluate/params.ts";
import { signStatement } from "../job/approval.ts";
import { sealResult } from "../job/seal-result.ts";
import { groupOf, pushType, type SealedPart } from "./push.ts";
import { readPushed, writePushed } from "./pushed.ts";
import { readRun, writeRun } from "./run-file.ts";

export type EvaluationTask = {
  readonly card: Card; readonly asOf: string; readonly away: readonly PartyId[]; readonly absent: readonly string[];
  /** Indicators by party. */
  readonly assigned: readonly (readonly [PartyId, readonly string[]])[];
  readonly sum: Part; readonly usccs: readonly string[]; readonly sectors: readonly (string | undefined)[];
  /** This job's folder of results; the last run's, and that of the run on the basis `full` of the same round. */
  readonly folder: string; readonly last: string | undefined; readonly full: string | undefined;
  readonly pushes: readonly PlannedPush[];
  /** By `groupOf`: companies whose authorisation names the institution for the purpose. */
  readonly authorised: ReadonlyMap<string, readonly string[]>;
  /** By company: what of the run's providers it objects to (征信业管理条例 第二十五条: marked where it is used). */
  readonly marks: ReadonlyMap<string, readonly string[]>;
  readonly job: string; readonly party: PartyId; readonly signKey: KeyObject;
};
export type PushSummary = { readonly institution: PartyId; readonly purpose: FinancingPurpose; readonly rows: number; readonly withheld: number; readonly parts: number };
export type EvaluationOutcome = {
  readonly figures: Figures;
  /** Companies by grade, exact: for the evaluating party's own report. */
  readonly grades: Readonly<Record<string, number>>;
  readonly pushes: readonly PushSummary[]; readonly sealed: readonly SealedPart[];
};
/** A part that was sealed, without some of its companies: they withdrew what it rested on before it left. */
export type ResealTask = Pick<EvaluationTask, "folder" | "pushes" | "marks" | "job" | "party" | "signKey"> & {
  readonly before: SealedPart; readonly companies: readonly string[];
  /** Digest by which the receipt names the part, where it does. */
  readonly replaces: string | undefined;
};

/** Lengths of pushes are multiples of it: the platform stores them and would count the companies of a small subscription. */
const paddedTo = 32 * 1024;

/** Writes the run and the sealed parts into the folder. */
export async function evaluateTask(task: EvaluationTask): Promise<EvaluationOutcome> {
  const { card, asOf, sum, usccs, sectors, folder, last } = task;
  const evaluation = evaluate(card, { parties: new Map(task.assigned), absent: task.absent }, sum, asOf);
  const companies = { usccs, sectors };
  const figures = figuresOf(evaluation, companies, { away: [...task.away], last: last === undefined ? undefined : readRun(last) });
  const planned = plannedPushes(task, { card, evaluation, companies });
  const sealed: SealedPart[] = [];
  const pushed = new Map<string, string[][]>();
  for (const { push: { institution, purpose, subscriptions }, rows } of planned) {
    const parts = partsOf(rows.length);
    for (let part = 0; part < parts; part++) {
      const own = rows.slice(part * rowsPerPush, (part + 1) * rowsPerPush);
      sealed.push(await sealPart(task, { institution, purpose, part, parts, subscriptions }, { evaluation, companies, rows: own }));
      pushed.set(groupOf({ institution, purpose }), [...(pushed.get(groupOf({ institution, purpose })) ?? []), own.map((row) => usccs[row] as string)]);
    }
  }
  if (card.basis === "full") writePushed(folder, pushed);
  writeRun(folder, evaluation, usccs);
  const grades = Object.fromEntries([...gradeLetters, withoutGrade].map((name, i) => [name, evaluation.grades.reduce((n, g) => n + ((g === ungraded ? gradeLetters.length : g) === i ? 1 : 0), 0)]));
  const pushes = planned.map(({ push, rows }) => ({ institution: push.institution, purpose: push.purpose, rows: rows.length, withheld: push.withheld, parts: partsOf(rows.length) }));
  return { figures, grades, pushes, sealed };
}

const partsOf = (rows: number): number => Math.max(1, Math.ceil(rows / rowsPerPush));

/** Seals a part anew, from the run's own files. */
export async function resealTask(task: ResealTask): Promise<SealedPart> {
  const { usccs, evaluation } = readRun(task.folder);
  const wanted = new Set(task.companies);
  return sealPart(task, task.before, { evaluation, companies: { usccs, sectors: [] }, rows: usccs.flatMap((uscc, row) => (wanted.has(uscc) ? [row] : [])) }, task.replaces);
}

type RunOfCompanies = NonNullable<Parameters<typeof planPushes>[0]["runs"]["open"]>;

/** A company whose `full` evaluation went to the institution for this purpose is not told a second time. */
function plannedPushes({ card: { basis }, pushes, authorised, full }: EvaluationTask, run: RunOfCompanies): { push: Push; rows: number[] }[] {
  const has = new Map([...authorised].map(([group, list]) => [group, new Set(list)]));
  const told = full === undefined ? undefined : readPushed(full);
  return planPushes({
    runs: { [basis]: run }, subscriptions: pushes.map(({ sealTo: _sealTo, ...subscription }) => subscription),
    mayReceive: (institution, purpose, uscc) => has.get(groupOf({ institution, purpose }))?.has(uscc) === true,
  }).map((push) => {
    const before = new Set(told?.get(groupOf(push))?.flat());
    return { push, rows: [...push.rows[basis]].filter((row) => !before.has(run.companies.usccs[row] ?? "")) };
  });
}

type PartRows = { readonly evaluation: Evaluation; readonly companies: RunOfCompanies["companies"]; readonly rows: readonly number[] };

async function sealPart(
  { pushes, marks, signKey, folder, job, party }: Omit<ResealTask, "before" | "companies" | "replaces">, of: Pick<SealedPart, "institution" | "purpose" | "part" | "parts" | "subscriptions"> & { readonly file?: string },
  { evaluation, companies, rows }: PartRows, replaces?: string,
): Promise<SealedPart> {
  const { institution, purpose, part, parts, subscriptions } = of;
  const to = pushes.find((p) => groupOf(p) === groupOf(of));
  if (to === undefined) throw new RangeError("a push to nobody");
  const { card, basis, asOf, partial, absent } = evaluation;
  const told = rows.map((row) => {
    const { uscc, score, grade, coverage } = pushedEvaluation({ evaluation, companies }, row);
    return { uscc, score, grade, coverage, ...(marks.has(uscc) ? { objections: [...(marks.get(uscc) ?? [])] } : {}) };
  });
  const bare = {
    version: 1, evaluator: party, job, institution, purpose, subscriptions: [...subscriptions], card, basis, asOf, partial, absent: [...absent], part, parts, companies: told,
    ...(replaces === undefined ? {} : { replaces }), padding: "",
  };
  const padding = " ".repeat(paddedTo - (Buffer.byteLength(canonicalJson(bare)) % paddedTo));
  const jws = await signStatement({ ...bare, padding }, pushType, signKey);
  const jwe = await sealResult(jws, { kty: "OKP", crv: "X25519", x: to.sealTo }, "application/jose");
  const digest = sha256Hex(jwe);
  // Of its own name: the one before stays until the outcome names this one.
  const file = of.file === undefined ? `push-${institution}-${purpose}-${part}.jwe` : `push-${institution}-${purpose}-${part}-${digest.slice(0, 16)}.jwe`;
  writeDurably(join(folder, file), jwe);
  return { institution, purpose, part, parts, subscriptions: [...subscriptions], file, digest };
}
