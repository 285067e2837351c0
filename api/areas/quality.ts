// Data quality of providers.
import type { Express } from "express";
import { enclaveQualityEndpoints, qualityEndpoints as e } from "../contract/quality.ts";
import { openGuard } from "../http/auth.ts";
import type { ByRole } from "../http/role-guard.ts";
import { route, type Guard, type PartyCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { publishQuality, qualityIssues, qualityRates, qualityRules } from "../services/quality.ts";

export function addQuality(app: Express, platform: Platform, byRole: ByRole): void {
  route(app, e.qualityRules, openGuard, async () => qualityRules());
  route(app, e.listQuality, byRole(e.listQuality), ({ caller, query }) => qualityRates(platform, caller, query));
  route(app, e.listQualityIssues, byRole(e.listQualityIssues), ({ caller, query }) => qualityIssues(platform, caller, query));
}

export function addEnclaveQuality(app: Express, platform: Platform, guard: Guard<PartyCaller>): void {
  route(app, enclaveQualityEndpoints.putQuality, guard, async ({ caller, body }) => {
    await publishQuality(platform, caller.party, body);
    return { party: caller.party };
  });
}
