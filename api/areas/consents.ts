// Consents over the API: companies, institutions' people, enclaves.
import type { Express, Request } from "express";
import { currentNotice } from "../../consent/notice.ts";
import { AppError } from "../../core/errors.ts";
import { consentEndpoints as e, enclaveConsentEndpoints as x } from "../contract/consents.ts";
import { openGuard } from "../http/auth.ts";
import type { ByRole } from "../http/role-guard.ts";
import { route, type Guard, type PartyCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import {
  decideWrittenConsent, enterWritten, getOwn, grantOnline, listOwn, lodgeOwn, registerKey, viewWritten, withdrawKey, withdrawOwn,
} from "../services/consents.ts";
import { listWakeKey } from "../services/revocations.ts";
import { consentsFor } from "../store/consents.ts";
import { findWritten, listWritten } from "../store/written.ts";

const feedPage = 200;

/** The key of a request that must not be done twice. Throws REQUEST_INVALID without one. */
export function requestKey(request: Request): string {
  const key = request.headers["idempotency-key"];
  if (typeof key !== "string" || !/^[A-Za-z0-9_-]{8,64}$/.test(key)) throw new AppError("REQUEST_INVALID");
  return key;
}

export function addConsents(app: Express, platform: Platform, byRole: ByRole): void {
  route(app, e.consentNotice, openGuard, async () => {
    const { notice, digest } = currentNotice();
    return { ...notice, digest };
  });
  // Before the paths with an id.
  route(app, e.enterWritten, byRole(e.enterWritten), ({ caller, body, request }) => enterWritten(platform, caller, body, requestKey(request)));
  route(app, e.listWritten, byRole(e.listWritten), async ({ caller, query }) => {
    const { read } = platform.db;
    if (query.cursor !== undefined && (await findWritten(read, query.cursor))?.institutionId !== caller.institution) throw new AppError("REQUEST_INVALID");
    const rows = await listWritten(read, caller.institution ?? "", query.limit, query.cursor);
    return { items: rows.map(viewWritten), next: rows.length < query.limit ? null : (rows.at(-1)?.id ?? null) };
  });
  route(app, e.decideWritten, byRole(e.decideWritten), ({ caller, params, body }) => decideWrittenConsent(platform, caller, params.id, body));
  route(app, e.grantConsent, byRole(e.grantConsent), ({ caller, body, request }) => grantOnline(platform, caller, body, requestKey(request)));
  route(app, e.lodgeConsent, byRole(e.lodgeConsent), ({ caller, body }) => lodgeOwn(platform, caller, body.jws));
  route(app, e.listConsents, byRole(e.listConsents), ({ caller, query }) => listOwn(platform, caller, query.cursor));
  route(app, e.getConsent, byRole(e.getConsent), ({ caller, params }) => getOwn(platform, caller, params.id));
  route(app, e.withdrawConsent, byRole(e.withdrawConsent), ({ caller, params }) => withdrawOwn(platform, caller, params.id));
  route(app, e.registerKey, byRole(e.registerKey), ({ caller, body }) => registerKey(platform, caller, body));
  route(app, e.withdrawKey, byRole(e.withdrawKey), ({ caller, params }) => withdrawKey(platform, caller, params.kid));
}

export function addEnclaveConsents(app: Express, platform: Platform, guard: Guard<PartyCaller>): void {
  route(app, x.followConsents, guard, async ({ caller, query }) => {
    const consents = await consentsFor(platform.db.read, caller.party, query.after, new Date(platform.env.now()), feedPage);
    return { next: consents.at(-1)?.n ?? query.after, consents };
  });
  route(app, x.revocations, guard, async ({ query, signal }) => {
    if (query.wait > 0 && !platform.wakeups.hasRoom) throw new AppError("PLATFORM_BUSY");
    const newer = await platform.wakeups.until(listWakeKey, query.wait * 1000, signal, async () => {
      const last = await platform.revocations.current();
      return last.sequence > query.after ? last : undefined;
    });
    return { lists: newer === undefined ? [] : [newer.jws] };
  });
  route(app, x.registrars, guard, async () => ({ certificates: [...platform.registrar.certificates] }));
}
