// Standing services, as a bank's programs call them.
import type { Express } from "express";
import { serviceEndpoints as e } from "../contract/services.ts";
import type { ForInstitution } from "../http/role-guard.ts";
import { route } from "../http/route.ts";
import { idempotencyKey } from "../http/idempotency.ts";
import type { ServiceRequests } from "../live/requests.ts";

export function addServices(app: Express, requests: ServiceRequests, forInstitution: ForInstitution): void {
  route(app, e.getService, forInstitution(e.getService), ({ caller, params }) => requests.describe(caller, params.id));
  route(app, e.askService, forInstitution(e.askService), async ({ caller, params, body, request }) => ({ answer: await requests.ask(caller, params.id, body.request, idempotencyKey(request)) }));
}
