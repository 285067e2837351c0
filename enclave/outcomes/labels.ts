// Labels for a new training job from returned outcomes: one row per company, with what was left out and how turned-down applications were treated written
// down beside it.
import { join } from "node:path";
import { csvField } from "../../core/csv.ts";
import { digestOf, sha256Hex } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import type { Rng } from "../../core/env.ts";
import { writeDurably, writePiecesDurably } from "../../core/files.ts";
import { badDefinitionSchema, monthNumber, monthText, type BadDefinition } from "../../models/outcomes/record.ts";
import { inferRejects, type InferredRows, type RejectMethod } from "../../models/outcomes/reject.ts";
import { labelLoans, outcomes } from "../../models/outcomes/label.ts";
import type { FeatureTableDefinition } from "../data/definition.ts";
import { DataSession } from "../data/duckdb.ts";
import { normaliseId } from "../data/ids.ts";
import { defaultLimits, locate, openSource } from "../data/source.ts";
import { columnOf, withCause } from "../data/table.ts";
import type { OutcomeSample } from "./report.ts";

export type Labelled = { readonly company: string; readonly label: number; readonly weight: number; /** Month number of the loan, or of the application. */ readonly originated: number; readonly source: "loan" | "rejected" };
/** What was done, as it is written beside the labels. */
export type LabelsManifest = {
  readonly version: 1; readonly asOf: string; readonly definition: BadDefinition;
  readonly rows: number; readonly goods: number; readonly bads: number;
  /** Loans that gave no row. older: of companies that have a later finished loan. */
  readonly excluded: { readonly indeterminate: number; readonly immature: number; readonly lost: number; readonly withoutCompany: number; readonly older: number };
  readonly rejects: { readonly method: RejectMethod; readonly model: string | null; readonly badRateFactor: number; readonly applications: number; readonly summary: InferredRows["summary"] | null };
  /** First month of origination of the test part; null: no split. */
  readonly testFrom: string | null;
  /** SHA-256 of labels.csv. */
  readonly digest: string;
};
export type LabelOptions = {
  readonly definition?: Partial<BadDefinition> | undefined; readonly method: RejectMethod; readonly badRateFactor?: number | undefined; readonly testFrom?: string | undefined;
  /** Its scores place turned-down applications among the accepted ones. */
  readonly model?: string | undefined;
  readonly rng: Rng;
};

/** Throws OUTCOME_SETTINGS, OUTCOME_MODEL where applications are to be placed without a model, OUTCOME_TOO_FEW. */
export function labelsOf({ loans, companies, rejected }: OutcomeSample, options: LabelOptions): { readonly rows: Labelled[]; readonly manifest: Omit<LabelsManifest, "digest"> } {
  const { method, model, badRateFactor = 1, rng } = options;
  const definition = badDefinitionSchema.safeParse(options.definition ?? {});
  if (!definition.success) throw new AppError("OUTCOME_SETTINGS");
  const labels = labelLoans(loans, definition.data);
  const excluded = { indeterminate: 0, immature: 0, lost: 0, withoutCompany: 0, older: 0 };
  const latest = new Map<string, number>();
  for (let loan = 0; loan < loans.count; loan++) {
    const outcome = outcomes[labels.outcome[loan] ?? 0] ?? "lost";
    const company = companies[loan];
    if (outcome !== "good" && outcome !== "bad") excluded[outcome] += 1;
    else if (company === undefined) excluded.withoutCompany += 1;
    else {
      const before = latest.get(company);
      if (before !== undefined) excluded.older += 1;
      if (before === undefined || (loans.originated[before] ?? 0) <= (loans.originated[loan] ?? 0)) latest.set(company, loan);
    }
  }
  const place = model === undefined ? -1 : loans.models.indexOf(model);
  if (method !== "none" && place === -1) throw new AppError("OUTCOME_MODEL");
  // Only loans of that version have a score that an application's can be held against.
  const accepted = [...latest].filter(([, loan]) => method === "none" || loans.model[loan] === place);
  const labelAt = (loan: number): number => (outcomes[labels.outcome[loan] ?? 0] === "bad" ? 1 : 0);
  const applications = [...new Map(rejected.flatMap((r) => (r.company === undefined || r.score === undefined || r.model !== model || latest.has(r.company) ? [] : [[r.company, r] as const])))];
  const inferred = method === "none" ? undefined : inferRejects({
    accepted: { score: Float64Array.from(accepted, ([, loan]) => loans.score[loan] ?? 0), label: Uint8Array.from(accepted, ([, loan]) => labelAt(loan)) },
    rejected: { score: Float64Array.from(applications, ([, r]) => r.score ?? 0) },
  }, { method, badRateFactor, rng });
  const rowOf = (source: "loan" | "rejected", index: number, label: number, weight: number): Labelled => {
    const [company, of] = (source === "loan" ? accepted : applications)[index] as readonly [string, number | { readonly originated: number }];
    return { company, label, weight, source, originated: typeof of === "number" ? (loans.originated[of] ?? 0) : of.originated };
  };
  const rows = inferred === undefined ? accepted.map(([, loan], i) => rowOf("loan", i, labelAt(loan), 1))
    : Array.from(inferred.source, (source, i) => rowOf(source === 0 ? "loan" : "rejected", inferred.row[i] ?? 0, inferred.label[i] ?? 0, inferred.weight[i] ?? 1));
  const bads = rows.filter((r) => r.label === 1).length;
  return {
    rows,
    manifest: {
      version: 1, asOf: monthText(loans.asOf), definition: definition.data, rows: rows.length, goods: rows.length - bads, bads, excluded,
      rejects: { method, model: method === "none" ? null : (model ?? null), badRateFactor, applications: applications.length, summary: inferred?.summary ?? null }, testFrom: options.testFrom ?? null,
    },
  };
}

export type ExportOptions = {
  readonly out: string; readonly rows: readonly Labelled[]; readonly manifest: Omit<LabelsManifest, "digest">;
  /** The bank's ready-made table, to be written again with these labels in place of its own, as a data set for an enclave. */
  readonly features?: { readonly definition: FeatureTableDefinition; readonly folder: string } | undefined;
};

/** Writes labels.csv and labels.json; with features also features.csv and dataset.json, and split.csv where a test part is wanted. Returns the manifest and
 *  how many companies of the labels the table has. Throws OUTCOME_WEIGHTS, DATA_*, DISK_FAILED. */
export async function writeLabels({ out, rows, manifest, features }: ExportOptions): Promise<{ readonly manifest: LabelsManifest; readonly matched: number | null }> {
  const isWeighted = new Set(rows.map((r) => r.company)).size !== rows.length || rows.some((r) => r.weight !== 1);
  if (features !== undefined && isWeighted) throw new AppError("OUTCOME_WEIGHTS");
  const text = ["id,label,weight,originated,source", ...rows.map((r) => [csvField(r.company), r.label, r.weight, monthText(r.originated), r.source].join(","))].join("\n");
  const whole: LabelsManifest = { ...manifest, digest: sha256Hex(`${text}\n`) };
  writeDurably(join(out, "labels.csv"), `${text}\n`);
  const matched = features === undefined ? null : await writeFeatures(out, rows, features);
  if (manifest.testFrom !== null) {
    const from = monthNumber(manifest.testFrom);
    writeDurably(join(out, "split.csv"), `${["id,part", ...rows.map((r) => `${csvField(r.company)},${r.originated >= from ? "test" : "train"}`)].join("\n")}\n`);
  }
  writeDurably(join(out, "labels.json"), `${JSON.stringify({ ...whole, manifestDigest: digestOf(JSON.parse(JSON.stringify(whole))) }, undefined, 2)}\n`);
  return { manifest: whole, matched };
}

const labelColumn = "outcome";

async function writeFeatures(out: string, rows: readonly Labelled[], { definition, folder }: NonNullable<ExportOptions["features"]>): Promise<number> {
  const file = await locate(definition.features, folder, defaultLimits, {});
  await using session = await DataSession.open({ files: [file.path], threads: 1 });
  const source = await openSource(session, file, defaultLimits);
  const id = columnOf(source, definition.idColumn, { id: true });
  const kept = source.columns.filter((c) => c.name !== definition.labelColumn && c.name !== labelColumn);
  const labels = new Map(rows.map((r) => [r.company, r.label]));
  const at = kept.indexOf(id);
  let matched = 0;
  const lines = async function* (fault: Parameters<DataSession["chunks"]>[1]): AsyncGenerator<string> {
    yield `${[...kept.map((c) => csvField(c.name)), labelColumn].join(",")}\n`;
    for await (const chunk of session.chunks(`SELECT ${kept.map((c) => `CAST(${c.sql} AS VARCHAR)`).join(", ")} FROM ${source.from}`, fault)) {
      let piece = "";
      for (const cells of chunk.getRows()) {
        const label = labels.get(normaliseId(String(cells[at] ?? ""), definition.idKind));
        if (label === undefined) continue;
        matched += 1;
        piece += `${[...cells.map((c) => csvField(c === null ? "" : String(c))), label].join(",")}\n`;
      }
      yield piece;
    }
  };
  await withCause(session, source, (fault) => writePiecesDurably(join(out, "features.csv"), lines(fault)));
  writeDurably(join(out, "dataset.json"), `${JSON.stringify({ ...definition, features: { file: "features.csv", format: "csv", delimiter: "," }, labelColumn }, undefined, 2)}\n`);
  return matched;
}
