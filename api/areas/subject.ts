// The company's rights over the API: login, everything held on it, uses, objections.
import { pipeline } from "node:stream/promises";
import type { Express, Request } from "express";
import { AppError } from "../../core/errors.ts";
import { enclaveSubjectEndpoints as x, subjectEndpoints as e } from "../contract/subject.ts";
import { addressOf, openGuard, type FailureLimit } from "../http/auth.ts";
import type { ByRole } from "../http/role-guard.ts";
import { route, type Guard, type PartyCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { subjectOf } from "../services/consents.ts";
import type { InFlight } from "../services/in-flight.ts";
import { beginLogin, finishLogin, viewSession } from "../services/login.ts";
import {
  answerObjection, decideObjection, feedObjections, lodgeObjection, objectionWakeKey, ownObjection, summariseObjection, viewObjection, withdrawObjection,
} from "../services/objections.ts";
import { exportSubject } from "../services/subject-export.ts";
import { askUses, feedUsesRequests, openUsesAnswer, ownUsesRequest, putUsesAnswer, usesWakeKey, viewUsesRequest } from "../services/uses-requests.ts";
import { findObjection, listObjections, type ObjectionRow } from "../store/objections.ts";
import { endSessions } from "../store/sessions.ts";
import { requestKey } from "./consents.ts";

export function addSubject(app: Express, platform: Platform, byRole: ByRole, failures: FailureLimit): void {
  addLogin(app, platform, byRole, failures);
  addUses(app, platform, byRole);
  addObjections(app, platform, byRole);
}

function addLogin(app: Express, platform: Platform, byRole: ByRole, failures: FailureLimit): void {
  const { db, env } = platform;
  route(app, e.beginLogin, openGuard, ({ body }) => beginLogin(platform, body.redirectUri));
  route(app, e.finishLogin, openGuard, ({ body, request }) => failures.guard(addressOf(request), async () => {
    const { token, row } = await finishLogin(platform, body);
    return { token, session: viewSession(row), subject: row.subject };
  }));
  route(app, e.logout, byRole(e.logout), async ({ caller, body, request }) => {
    platform.sessions.answerFirst(request);
    const which = { subject: subjectOf(caller), ...(body.all ? {} : { id: caller.credential }) };
    return { ended: await db.write((tx) => endSessions(tx, which, new Date(env.now()))) };
  });
  route(app, e.exportSubject, byRole(e.exportSubject), ({ caller }) => exportSubject(platform, caller));
}

function addUses(app: Express, platform: Platform, byRole: ByRole): void {
  route(app, e.askUses, byRole(e.askUses), ({ caller, body }) => askUses(platform, caller, body.key));
  route(app, e.getUses, byRole(e.getUses), async ({ caller, params }) => viewUsesRequest(platform, await ownUsesRequest(platform, caller, params.id)));
  route(app, e.getUsesAnswer, byRole(e.getUsesAnswer), async ({ caller, params, response }) => {
    const answer = await openUsesAnswer(platform, caller, params.id, params.party);
    response.status(200).setHeader("Content-Type", "application/jose").setHeader("Content-Length", answer.bytes).setHeader("X-Content-Digest", answer.digest);
    await pipeline(answer.stream, response);
  });
}

function addObjections(app: Express, platform: Platform, byRole: ByRole): void {
  const { read } = platform.db;
  const pageOf = (rows: ObjectionRow[], limit: number) => ({ items: rows.map(summariseObjection), next: rows.length < limit ? null : (rows.at(-1)?.id ?? null) });
  route(app, e.lodgeObjection, byRole(e.lodgeObjection), ({ caller, body, request }) => lodgeObjection(platform, caller, body, requestKey(request)));
  route(app, e.listObjections, byRole(e.listObjections), async ({ caller, query }) => {
    if (query.cursor !== undefined) await ownObjection(platform, caller, query.cursor);
    return pageOf(await listObjections(read, { subject: subjectOf(caller) }, query.limit, query.cursor), query.limit);
  });
  // Before the paths with an id.
  route(app, e.objectionInbox, byRole(e.objectionInbox), async ({ query }) => {
    if (query.cursor !== undefined && (await findObjection(read, query.cursor)) === undefined) throw new AppError("REQUEST_INVALID");
    const filter = { state: query.state, ...(query.overdue === undefined ? {} : { overdue: true }) };
    return pageOf(await listObjections(read, filter, query.limit, query.cursor), query.limit);
  });
  route(app, e.getObjection, byRole(e.getObjection), async ({ caller, params }) => viewObjection(read, await ownObjection(platform, caller, params.id)));
  route(app, e.withdrawObjection, byRole(e.withdrawObjection), async ({ caller, params }) => viewObjection(read, await withdrawObjection(platform, caller, params.id)));
  route(app, e.decideObjection, byRole(e.decideObjection), async ({ caller, params, body }) => summariseObjection(await decideObjection(platform, caller, params.id, body)));
}

export function addEnclaveSubject(app: Express, platform: Platform, guard: Guard<PartyCaller>, inFlight: InFlight, bodyOf: (request: Request) => AsyncIterable<Uint8Array>): void {
  const waiting = (seconds: number): number => {
    if (seconds > 0 && !platform.wakeups.hasRoom) throw new AppError("PLATFORM_BUSY");
    return seconds * 1000;
  };
  route(app, x.followUsesRequests, guard, async ({ caller, query, signal }) => {
    const found = await platform.wakeups.until(usesWakeKey, waiting(query.wait), signal, () => feedUsesRequests(platform, caller.party, query.after));
    return found ?? { next: query.after, requests: [] };
  });
  route(app, x.answerUsesRequest, guard, ({ caller, params, request, length }) =>
    putUsesAnswer(platform, inFlight, caller.party, { id: params.id, bytes: length, source: bodyOf(request) }));
  route(app, x.followObjections, guard, async ({ caller, query, signal }) => {
    const found = await platform.wakeups.until(objectionWakeKey(caller.party), waiting(query.wait), signal, () => feedObjections(platform, caller.party, query.after));
    return found ?? { next: query.after, notices: [] };
  });
  route(app, x.answerObjection, guard, async ({ caller, params, body }) => ({ state: (await answerObjection(platform, caller.party, params.id, body)).state }));
}
