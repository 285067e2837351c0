// Stability of models over the parties that have a part in them: indices come in month by month, and the institution is told when a level is left.
import type { PartyId } from "../../core/brand.ts";
import { canonicalJson } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import { stabilityTable, type StabilityReport } from "../../monitoring/drift/report.ts";
import type { ModelStability } from "../contract/monitoring.ts";
import type { InstitutionCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { findJobParties } from "../store/jobs.ts";
import { findModel } from "../store/relay.ts";
import { addStability, findStability, listStability } from "../store/stability.ts";
import { enqueueWebhook, eventTime } from "./webhooks.ts";

/** Throws MODEL_NOT_FOUND for a model that the party has no part in, STABILITY_REPORT for another party's name or a month that was told otherwise. */
export async function putStability(platform: Platform, self: PartyId, report: StabilityReport): Promise<void> {
  const model = await findModel(platform.db.read, report.model);
  const parties = model === undefined ? [] : await findJobParties(platform.db.read, model.job);
  if (model === undefined || !parties.some(({ party }) => party === self)) throw new AppError("MODEL_NOT_FOUND");
  if (report.party !== self) throw new AppError("STABILITY_REPORT", { party: self });
  const now = platform.env.now();
  await platform.db.write(async (tx) => {
    const known = await findStability(tx, report);
    if (known !== undefined && canonicalJson(known) !== canonicalJson(report)) throw new AppError("STABILITY_REPORT", { party: self });
    if (known !== undefined) return;
    await addStability(tx, report, new Date(now));
    const { alerts } = stabilityTable(await listStability(tx, report.model));
    for (const { id, series, month } of alerts) {
      if (month !== report.month || !series.startsWith(`${report.model}|${self}|`)) continue;
      await enqueueWebhook(tx, model.institution, { id, body: { type: "model.drift", timestamp: eventTime(now), data: { model: report.model, month } } }, now);
    }
  });
}

/** Throws MODEL_NOT_FOUND. */
export async function stabilityOf(platform: Platform, { institution }: InstitutionCaller, id: string): Promise<ModelStability> {
  const model = await findModel(platform.db.read, id);
  if (model?.institution !== institution) throw new AppError("MODEL_NOT_FOUND");
  const { rows, alerts } = stabilityTable(await listStability(platform.db.read, id));
  return {
    model: id, rows: rows.map((row) => ({ ...row })),
    alerts: alerts.map(({ series, ...alert }) => {
      const [, party = "", feature = ""] = series.split("|");
      return { ...alert, party: partyIdSchema.parse(party), feature };
    }),
  };
}
