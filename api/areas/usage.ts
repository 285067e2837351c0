// Feedback to providers on the use of their items.
import type { Express } from "express";
import { enclaveUsageEndpoints, usageEndpoints as e } from "../contract/usage.ts";
import type { ByRole } from "../http/role-guard.ts";
import { route, type Guard, type PartyCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { reportUsage, usageOf } from "../services/usage.ts";

export function addUsage(app: Express, platform: Platform, byRole: ByRole): void {
  route(app, e.getUsage, byRole(e.getUsage), ({ caller, query }) => usageOf(platform, caller, query.since));
}

export function addEnclaveUsage(app: Express, platform: Platform, guard: Guard<PartyCaller>): void {
  route(app, enclaveUsageEndpoints.putUsage, guard, async ({ caller, body }) => {
    await reportUsage(platform, caller.party, body);
    return { job: body.job };
  });
}
