// Alerts of monitoring services and stability of models: the bank's listener, and what enclaves bring.
import type { Express } from "express";
import { enclaveMonitoringEndpoints, monitoringEndpoints as e } from "../contract/monitoring.ts";
import type { ForInstitution } from "../http/role-guard.ts";
import { route, type Guard, type PartyCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { acknowledge, alertOf, alertsOf, putAlert } from "../services/alerts.ts";
import { putStability, stabilityOf } from "../services/stability.ts";

export function addMonitoring(app: Express, platform: Platform, forInstitution: ForInstitution): void {
  route(app, e.listMonitoringAlerts, forInstitution(e.listMonitoringAlerts), ({ caller, query }) => alertsOf(platform, caller, query));
  route(app, e.getMonitoringAlert, forInstitution(e.getMonitoringAlert), ({ caller, params }) => alertOf(platform, caller, params.alert));
  route(app, e.modelStability, forInstitution(e.modelStability), ({ caller, params }) => stabilityOf(platform, caller, params.model));
  route(app, e.acknowledgeMonitoringAlert, forInstitution(e.acknowledgeMonitoringAlert), ({ caller, params }) => acknowledge(platform, caller, params.alert));
}

export function addEnclaveMonitoring(app: Express, platform: Platform, guard: Guard<PartyCaller>): void {
  route(app, enclaveMonitoringEndpoints.putAlert, guard, async ({ caller, body }) => {
    await putAlert(platform, caller.party, body);
    return { id: body.id };
  });
  route(app, enclaveMonitoringEndpoints.putStability, guard, async ({ caller, body }) => {
    await putStability(platform, caller.party, body);
    return { party: caller.party };
  });
}
