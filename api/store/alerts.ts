// Alerts of monitoring services: sealed texts, by institution and time.
import type { JobId } from "../../core/brand.ts";
import { jobIdSchema } from "../../core/names.ts";
import type { Tx } from "./database.ts";

export type AlertRow = {
  readonly id: string; readonly institution: string; readonly service: JobId; readonly sealed: string; readonly createdAt: Date; readonly acknowledgedAt: Date | null; readonly acknowledgedBy: string | null;
};
type Stored = { id: string; institutionId: string; service: string; sealed: string; createdAt: Date; acknowledgedAt: Date | null; acknowledgedBy: string | null };

function toAlert({ institutionId, service, ...rest }: Stored): AlertRow {
  return { ...rest, institution: institutionId, service: jobIdSchema.parse(service) };
}

export async function findAlert(tx: Tx, id: string): Promise<AlertRow | undefined> {
  const row = await tx.alert.findUnique({ where: { id } });
  return row === null ? undefined : toAlert(row);
}

export async function addAlert(tx: Tx, { institution, ...row }: Pick<AlertRow, "id" | "institution" | "service" | "sealed" | "createdAt">): Promise<void> {
  await tx.alert.create({ data: { ...row, institutionId: institution }, select: { id: true } });
}

/** Newest first. after: the last of the page before. */
export async function listAlerts(
  tx: Tx, institutionId: string, page: { readonly limit: number; readonly after?: Pick<AlertRow, "createdAt" | "id"> | undefined; readonly service?: string | undefined; readonly state?: "open" | "acknowledged" | undefined },
): Promise<AlertRow[]> {
  const { limit, after, service, state } = page;
  const where = {
    institutionId, ...(service !== undefined && { service }), ...(state !== undefined && { acknowledgedAt: state === "open" ? null : { not: null } }),
    ...(after !== undefined && { OR: [{ createdAt: { lt: after.createdAt } }, { createdAt: after.createdAt, id: { lt: after.id } }] }),
  };
  return (await tx.alert.findMany({ where, orderBy: [{ createdAt: "desc" }, { id: "desc" }], take: limit })).map(toAlert);
}

/** The first acknowledgement stays. */
export async function acknowledgeAlert(tx: Tx, id: string, by: string, at: Date): Promise<void> {
  await tx.alert.updateMany({ where: { id, acknowledgedAt: null }, data: { acknowledgedAt: at, acknowledgedBy: by } });
}

export async function forgetAlerts(tx: Tx, before: Date): Promise<number> {
  return (await tx.alert.deleteMany({ where: { createdAt: { lt: before } } })).count;
}
