// Full-coverage evaluations.
import { pipeline } from "node:stream/promises";
import type { Express, Request } from "express";
import { enclaveEvaluationEndpoints as x, evaluationEndpoints as e } from "../contract/evaluations.ts";
import { idempotencyKey } from "../http/idempotency.ts";
import { scorecardEndpoints as s } from "../contract/scorecards.ts";
import type { ByRole, ForInstitution } from "../http/role-guard.ts";
import { route, type Guard, type PartyCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { openPush, pushesTo, putPush, subscribersConsents } from "../services/evaluations/pushes.ts";
import { publishScorecard, publishedScorecard, publishedScorecards } from "../services/evaluations/scorecards.ts";
import { cancelRun, createRun, evaluatorOf, publishedFigures, publishedRuns, putFigures, runsOf, viewRun, visibleRun } from "../services/evaluations/runs.ts";
import { pauseSchedule, scheduleOf, setSchedule } from "../services/evaluations/schedule.ts";
import { subscribe, subscriptionsOf, unsubscribe } from "../services/evaluations/subscriptions.ts";
import type { InFlight } from "../services/in-flight.ts";

export function addEvaluations(app: Express, platform: Platform, forInstitution: ForInstitution, byRole: ByRole): void {
  route(app, e.createRun, forInstitution(e.createRun), ({ caller, body, request }) => createRun(platform, caller, body, idempotencyKey(request)));
  route(app, e.listRuns, forInstitution(e.listRuns), ({ caller, query }) => runsOf(platform, caller, query));
  route(app, e.getRun, forInstitution(e.getRun), async ({ caller, params }) => {
    const run = await visibleRun(platform, caller, params.id);
    return { run: viewRun(run), figures: run.state === "done" ? run.figures : null };
  });
  route(app, e.cancelRun, forInstitution(e.cancelRun), ({ caller, params }) => cancelRun(platform, caller, params.id));
  route(app, e.evaluatorCertificate, forInstitution(e.evaluatorCertificate), ({ caller, params }) => evaluatorOf(platform, caller, params.id));
  route(app, e.supervisedRuns, byRole(e.supervisedRuns), ({ query }) => publishedRuns(platform, query));
  route(app, e.supervisedFigures, byRole(e.supervisedFigures), ({ params }) => publishedFigures(platform, params.id));
  route(app, s.publishScorecard, forInstitution(s.publishScorecard), ({ caller, body }) => publishScorecard(platform, caller, body.scorecard));
  route(app, s.listScorecards, forInstitution(s.listScorecards), async () => ({ items: await publishedScorecards(platform) }));
  route(app, s.getScorecard, forInstitution(s.getScorecard), ({ params }) => publishedScorecard(platform, params.digest));
  route(app, e.getSchedule, forInstitution(e.getSchedule), ({ caller }) => scheduleOf(platform, caller));
  route(app, e.putSchedule, forInstitution(e.putSchedule), ({ caller, body }) => setSchedule(platform, caller, body));
  route(app, e.pauseSchedule, forInstitution(e.pauseSchedule), ({ caller, body }) => pauseSchedule(platform, caller, body.paused));
  route(app, e.subscribeEvaluations, forInstitution(e.subscribeEvaluations), ({ caller, body }) => subscribe(platform, caller, body));
  route(app, e.listEvaluationSubscriptions, forInstitution(e.listEvaluationSubscriptions), async ({ caller }) => ({ items: await subscriptionsOf(platform, caller) }));
  route(app, e.endEvaluationSubscription, forInstitution(e.endEvaluationSubscription), ({ caller, params }) => unsubscribe(platform, caller, params.id));
  route(app, e.listPushes, forInstitution(e.listPushes), ({ caller, query }) => pushesTo(platform, caller, query.run));
  route(app, e.getPush, forInstitution(e.getPush), async ({ caller, params, response }) => {
    const push = await openPush(platform, caller, params);
    response.status(200).setHeader("Content-Type", "application/jose").setHeader("Content-Length", push.bytes).setHeader("X-Content-Digest", push.digest);
    await pipeline(push.stream, response);
  });
}

// A refusal in the middle of a body must not cut the connection before it is read: Node drops the rest of the body.
const bodyOf = (request: Request): AsyncIterable<Uint8Array> => request.iterator({ destroyOnReturn: false });

export function addEnclaveEvaluations(app: Express, platform: Platform, guard: Guard<PartyCaller>, inFlight: InFlight): void {
  route(app, x.putFigures, guard, async ({ caller, body }) => {
    await putFigures(platform, caller.party, body);
    return { job: body.job };
  });
  route(app, x.putPush, guard, ({ caller, params, request, length }) => putPush(platform, inFlight, caller.party, { ...params, bytes: length, source: bodyOf(request) }));
  route(app, x.subscribersConsents, guard, ({ caller, params, query }) => subscribersConsents(platform, caller.party, params.job, query.after));
}
