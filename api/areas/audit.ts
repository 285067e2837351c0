// The audit log for supervisors, and alerts.
import { pipeline } from "node:stream/promises";
import type { Express } from "express";
import { AppError } from "../../core/errors.ts";
import { isHeadOf } from "../../audit/head.ts";
import { auditEndpoints as e, enclaveAuditEndpoints } from "../contract/audit.ts";
import type { ByRole } from "../http/role-guard.ts";
import { route, type Guard, type PartyCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";

const timeOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Date.parse(text));

export function addAudit(app: Express, { audit }: Platform, byRole: ByRole): void {
  route(app, e.exportAudit, byRole(e.exportAudit), async ({ query, response }) => {
    const lines = audit.export({ from: timeOf(query.from), to: timeOf(query.to) });
    // An empty time is a problem and no stream.
    const first = await lines.next();
    response.status(200).setHeader("Content-Type", "application/x-ndjson");
    await pipeline(async function* () {
      if (first.done !== true) yield first.value;
      yield* lines;
    }, response);
  });
  route(app, e.listAlerts, byRole(e.listAlerts), async ({ query }) => {
    const wanted = query.open === undefined ? undefined : query.open === "true";
    return { alerts: audit.alerts().filter((alert) => wanted === undefined || (alert.acknowledged === null) === wanted) };
  });
  route(app, e.acknowledgeAlert, byRole(e.acknowledgeAlert), async ({ caller, params }) => {
    await audit.acknowledge(params.id, { role: caller.role, id: caller.credential });
    const alert = audit.alerts().find(({ id }) => id === params.id);
    if (alert === undefined) throw new AppError("ALERT_UNKNOWN");
    return alert;
  });
}

export function addEnclaveAudit(app: Express, { audit, authority }: Platform, guard: Guard<PartyCaller>): void {
  route(app, enclaveAuditEndpoints.exchangeHeads, guard, async ({ caller: { party }, body }) => {
    const event = { actor: { role: "party", id: party }, objects: { party, after: body.digest }, facts: { size: body.size } };
    if (!isHeadOf(body, party, authority.certificatePem)) {
      await audit.record({ ...event, action: "head.refused", outcome: "AUDIT_HEAD" });
      throw new AppError("AUDIT_HEAD");
    }
    await audit.record({ ...event, action: "head.taken" });
    return audit.head();
  });
}
