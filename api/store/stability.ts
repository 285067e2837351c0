// What parties told of the stability of models: one report for each model, party and month.
import { canonicalJson } from "../../core/canonical.ts";
import { parseStabilityReport, type StabilityReport } from "../../monitoring/drift/report.ts";
import type { Tx } from "./database.ts";

export async function findStability(tx: Tx, { model, party, month }: Pick<StabilityReport, "model" | "party" | "month">): Promise<StabilityReport | undefined> {
  const row = await tx.stabilityReport.findUnique({ where: { modelId_party_month: { modelId: model, party, month } } });
  return row === null ? undefined : parseStabilityReport(JSON.parse(row.report));
}

export async function addStability(tx: Tx, report: StabilityReport, now: Date): Promise<void> {
  const { model: modelId, party, month } = report;
  await tx.stabilityReport.create({ data: { modelId, party, month, report: canonicalJson(report), createdAt: now, changedAt: now }, select: { modelId: true } });
}

/** Of one model, all parties and months. */
export async function listStability(tx: Tx, modelId: string): Promise<StabilityReport[]> {
  const rows = await tx.stabilityReport.findMany({ where: { modelId }, orderBy: [{ month: "asc" }, { party: "asc" }], select: { report: true } });
  return rows.map(({ report }) => parseStabilityReport(JSON.parse(report)));
}
