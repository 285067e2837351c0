// Alerts of monitoring services: taken from the bank's enclave, listed for its institution, pushed to its webhooks in the same transaction.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { AlertReport, AlertView } from "../contract/monitoring.ts";
import type { InstitutionCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { acknowledgeAlert, addAlert, findAlert, forgetAlerts, listAlerts, type AlertRow } from "../store/alerts.ts";
import { jobOfParty } from "./jobs.ts";
import { JweInspector } from "./results.ts";
import { enqueueWebhook, eventTime } from "./webhooks.ts";

const keptMs = 400 * 86_400_000;

/** Throws JOB_NOT_FOUND, RESULT_WRONG_PARTY, RESULT_NOT_SEALED. Also after the end of the service: what was told before is still on its way. */
export async function putAlert(platform: Platform, self: PartyId, { id, service, sealed }: AlertReport): Promise<void> {
  const { job } = await jobOfParty(platform, self, service);
  if (job.kind !== "watch") throw new AppError("JOB_NOT_FOUND");
  if (job.guest !== self) throw new AppError("RESULT_WRONG_PARTY");
  const inspector = new JweInspector();
  inspector.see(Buffer.from(sealed, "latin1"));
  inspector.finish();
  const now = platform.env.now();
  await platform.db.write(async (tx) => {
    if ((await findAlert(tx, id)) !== undefined) return;
    await addAlert(tx, { id, institution: job.institution, service, sealed, createdAt: new Date(now) });
    await enqueueWebhook(tx, job.institution, { id, body: { type: "alert.new", timestamp: eventTime(now), data: { alert: id, service, sealed } } }, now);
  });
  platform.env.log.info("alert.taken", { job: service });
}

export async function alertsOf(
  platform: Platform, { institution }: InstitutionCaller, query: { readonly limit: number; readonly cursor?: string | undefined; readonly service?: string | undefined; readonly state?: "open" | "acknowledged" | undefined },
): Promise<{ items: AlertView[]; next: string | null }> {
  const { limit, cursor, service, state } = query;
  const after = cursor === undefined ? undefined : await findAlert(platform.db.read, cursor);
  if (cursor !== undefined && after?.institution !== institution) throw new AppError("REQUEST_INVALID");
  const rows = await listAlerts(platform.db.read, institution, { limit, after, service, state });
  return { items: rows.map(viewOf), next: rows.length < limit ? null : (rows.at(-1)?.id ?? null) };
}

/** Throws MONITOR_ALERT_NOT_FOUND. */
export async function alertOf(platform: Platform, { institution }: InstitutionCaller, id: string): Promise<AlertView> {
  const row = await findAlert(platform.db.read, id);
  if (row?.institution !== institution) throw new AppError("MONITOR_ALERT_NOT_FOUND");
  return viewOf(row);
}

/** Throws MONITOR_ALERT_NOT_FOUND. */
export async function acknowledge(platform: Platform, caller: InstitutionCaller, id: string): Promise<AlertView> {
  await alertOf(platform, caller, id);
  await platform.db.write((tx) => acknowledgeAlert(tx, id, caller.person?.holder ?? "program", new Date(platform.env.now())));
  return alertOf(platform, caller, id);
}

/** Alerts are kept for 400 days. */
export async function sweepAlerts(platform: Pick<Platform, "db" | "env">): Promise<void> {
  await platform.db.write((tx) => forgetAlerts(tx, new Date(platform.env.now() - keptMs)));
}

function viewOf({ id, service, sealed, createdAt, acknowledgedAt, acknowledgedBy }: AlertRow): AlertView {
  return { id, service, sealed, at: createdAt.toISOString(), acknowledgedAt: acknowledgedAt?.toISOString() ?? null, acknowledgedBy };
}
