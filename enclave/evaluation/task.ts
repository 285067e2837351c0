// What follows from the sums of a run, without the sockets and the database: scores and grades, what may be published, what is pushed to whom. For
// a million companies it takes seconds and hundreds of megabytes: worker.ts runs it on a thread of its own.
import type { KeyObject } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { PartyId } from "../../core/brand.ts";
import { canonicalJson, sha256Hex, type Json } from "../../core/canonical.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import type { FinancingPurpose } from "../../core/purposes.ts";
import { evaluate, ungraded } from "../../evaluation/combine.ts";
import { withoutGrade } from "../../evaluation/distribution.ts";
import { figuresOf, type Figures } from "../../evaluation/figures.ts";
import type { Basis } from "../../evaluation/load.ts";
import type { Part } from "../../evaluation/part.ts";
import { planPushes, pushedEvaluation, type Push } from "../../evaluation/pushes.ts";
import { gradeLetters } from "../../evaluation/schema.ts";
import { publishedCards, type PlannedPush } from "../../federation/evaluate/params.ts";
import { signStatement } from "../job/approval.ts";
import { sealResult } from "../job/seal-result.ts";
import { pushType } from "./push.ts";
import { readRun, writeRun } from "./run-file.ts";

export type EvaluationTask = {
  readonly basis: Basis; readonly asOf: string; readonly away: readonly PartyId[]; readonly absent: readonly string[];
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
/** A sealed part that waits in the folder. */
export type SealedPart = { readonly institution: PartyId; readonly purpose: FinancingPurpose; readonly part: number; readonly file: string; readonly digest: string };
export type PushSummary = { readonly institution: PartyId; readonly purpose: FinancingPurpose; readonly rows: number; readonly withheld: number; readonly parts: number };
export type EvaluationOutcome = {
  readonly figures: Figures;
  /** Companies by grade, exact: for the evaluating party's own report. */
  readonly grades: Readonly<Record<string, number>>;
  readonly pushes: readonly PushSummary[]; readonly sealed: readonly SealedPart[];
  /** By group: the companies of `full` pushes. */
  readonly pushed: ReadonlyMap<string, readonly string[]>;
};

const rowsPerPart = 100_000;
/** Lengths of pushes are multiples of it: the platform stores them and would count the companies of a small subscription. */
const paddedTo = 32 * 1024;
const pushedFile = "pushed.json";

export const groupOf = ({ institution, purpose }: { readonly institution: string; readonly purpose: string }): string => `${institution} ${purpose}`;

/** Writes the run and the sealed parts into the folder. */
export async function evaluateTask(task: EvaluationTask): Promise<EvaluationOutcome> {
  const { basis, asOf, sum, usccs, sectors, folder, last } = task;
  const card = publishedCards[basis];
  const evaluation = evaluate(card, { parties: new Map(task.assigned), absent: task.absent }, sum, asOf);
  const companies = { usccs, sectors };
  const figures = figuresOf(evaluation, companies, { away: [...task.away], last: last === undefined ? undefined : readRun(last) });
  const planned = plannedPushes(task, { card, evaluation, companies });
  const sealed: SealedPart[] = [];
  for (const { push, rows } of planned) {
    const parts = Math.max(1, Math.ceil(rows.length / rowsPerPart));
    for (let part = 0; part < parts; part++) {
      const told = rows.slice(part * rowsPerPart, (part + 1) * rowsPerPart).map((row) => {
        const { uscc, score, grade, coverage } = pushedEvaluation({ evaluation, companies }, row);
        return { uscc, score, grade, coverage, ...(task.marks.has(uscc) ? { objections: [...(task.marks.get(uscc) ?? [])] } : {}) };
      });
      const statement = {
        version: 1, evaluator: task.party, job: task.job, institution: push.institution, purpose: push.purpose, subscriptions: [...push.subscriptions], card: evaluation.card, basis, asOf,
        partial: evaluation.partial, absent: [...evaluation.absent], part, parts, companies: told,
      };
      sealed.push(await sealPart(task, push, part, statement));
    }
  }
  const pushed = new Map(basis === "full" ? planned.map(({ push, rows }) => [groupOf(push), rows.map((row) => usccs[row] as string)] as const) : []);
  if (basis === "full") writeDurably(join(folder, pushedFile), JSON.stringify(Object.fromEntries(pushed)));
  writeRun(folder, evaluation, usccs);
  const grades = Object.fromEntries([...gradeLetters, withoutGrade].map((name, i) => [name, evaluation.grades.reduce((n, g) => n + ((g === ungraded ? gradeLetters.length : g) === i ? 1 : 0), 0)]));
  const pushes = planned.map(({ push, rows }) => ({ institution: push.institution, purpose: push.purpose, rows: rows.length, withheld: push.withheld, parts: Math.max(1, Math.ceil(rows.length / rowsPerPart)) }));
  return { figures, grades, pushes, sealed, pushed };
}

type RunOfCompanies = NonNullable<Parameters<typeof planPushes>[0]["runs"]["open"]>;

/** A company whose `full` evaluation went to the institution for this purpose is not told a second time. */
function plannedPushes({ basis, pushes, authorised, full }: EvaluationTask, run: RunOfCompanies): { push: Push; rows: number[] }[] {
  const has = new Map([...authorised].map(([group, list]) => [group, new Set(list)]));
  const told = full === undefined || !existsSync(join(full, pushedFile)) ? {} : (JSON.parse(Buffer.from(readBytes(join(full, pushedFile))).toString("utf8")) as Record<string, string[]>);
  return planPushes({
    runs: { [basis]: run }, subscriptions: pushes.map(({ sealTo: _sealTo, ...subscription }) => subscription),
    mayReceive: (institution, purpose, uscc) => has.get(groupOf({ institution, purpose }))?.has(uscc) === true,
  }).map((push) => {
    const before = new Set(told[groupOf(push)]);
    return { push, rows: [...push.rows[basis]].filter((row) => !before.has(run.companies.usccs[row] ?? "")) };
  });
}

async function sealPart({ pushes, signKey, folder }: EvaluationTask, push: Push, part: number, statement: { readonly [name: string]: Json }): Promise<SealedPart> {
  const to = pushes.find((p) => groupOf(p) === groupOf(push));
  if (to === undefined) throw new RangeError("a push to nobody");
  const bare = { ...statement, padding: "" };
  const padding = " ".repeat(paddedTo - (Buffer.byteLength(canonicalJson(bare)) % paddedTo));
  const jws = await signStatement({ ...bare, padding }, pushType, signKey);
  const jwe = await sealResult(jws, { kty: "OKP", crv: "X25519", x: to.sealTo }, "application/jose");
  const file = `push-${push.institution}-${push.purpose}-${part}.jwe`;
  writeDurably(join(folder, file), jwe);
  return { institution: push.institution, purpose: push.purpose, part, file, digest: sha256Hex(jwe) };
}
