// Outcomes of loans and served models, as banks' enclaves tell of them.
import type { Express } from "express";
import { enclaveOutcomeEndpoints, outcomeEndpoints as e } from "../contract/outcomes.ts";
import type { ByRole } from "../http/role-guard.ts";
import { route, type Guard, type PartyCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { outcomesOf, servedModelsOf, tellOutcomes, tellServedModels } from "../services/outcomes.ts";

export function addOutcomes(app: Express, platform: Platform, byRole: ByRole): void {
  route(app, e.listOutcomes, byRole(e.listOutcomes), ({ caller, query }) => outcomesOf(platform, caller, query.party));
  route(app, e.listServedModels, byRole(e.listServedModels), ({ caller, query }) => servedModelsOf(platform, caller, query.party));
}

export function addEnclaveOutcomes(app: Express, platform: Platform, guard: Guard<PartyCaller>): void {
  route(app, enclaveOutcomeEndpoints.putOutcomes, guard, async ({ caller, body }) => {
    await tellOutcomes(platform, caller.party, body);
    return { party: caller.party };
  });
  route(app, enclaveOutcomeEndpoints.putServedModels, guard, async ({ caller, body }) => {
    await tellServedModels(platform, caller.party, body);
    return { party: caller.party };
  });
}
