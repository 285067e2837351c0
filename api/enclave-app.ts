// The app of the enclaves' listener: mutual TLS, the caller is the party that its certificate names. Enclaves connect
// outwards only, so everything that they wait for is a long poll.
import { pipeline } from "node:stream/promises";
import type { Express, Request } from "express";
import { AppError } from "../core/errors.ts";
import { addEnclaveAudit } from "./areas/audit.ts";
import { addEnclaveConsents } from "./areas/consents.ts";
import { addEnclaveOutcomes } from "./areas/outcomes.ts";
import { addEnclaveProbing } from "./areas/probing.ts";
import { addEnclaveEvaluations } from "./areas/evaluations.ts";
import { addEnclaveQuality } from "./areas/quality.ts";
import { addEnclaveUsage } from "./areas/usage.ts";
import { addEnclaveMonitoring } from "./areas/monitoring.ts";
import { addEnclaveSubject } from "./areas/subject.ts";
import { enclaveEndpoints as e } from "./contract.ts";
import { newApp } from "./http/app.ts";
import { partyGuard } from "./http/auth.ts";
import { route } from "./http/route.ts";
import { addWitnessRoutes } from "./log/routes.ts";
import type { Platform } from "./platform.ts";
import { InFlight } from "./services/in-flight.ts";
import { approve, feed, refuse, reportEvents, reportState } from "./services/jobs.ts";
import { forgetFrames, getFrame, putFrame } from "./services/relay.ts";
import { putPublicBatch } from "./services/public-items.ts";
import { putModel, putResult } from "./services/results.ts";
import { listIdentities, storeDataset } from "./store/parties.ts";

const feedPage = 20;
// A refusal in the middle of a body must not cut the connection before it is read: Node drops the rest of the body.
const bodyOf = (request: Request): AsyncIterable<Uint8Array> => request.iterator({ destroyOnReturn: false });

export function buildEnclaveApp(platform: Platform): Express {
  const { app, finish } = newApp(platform.env, "enclave", platform.audit);
  const guard = partyGuard(platform);
  const inFlight = new InFlight(platform.limits.inFlightBytes);

  route(app, e.putDataset, guard, async ({ caller, body }) => {
    await platform.db.write((tx) => storeDataset(tx, caller.party, body, new Date(platform.env.now())));
    return { party: caller.party };
  });
  route(app, e.listParties, guard, async () => ({
    caCertificate: platform.authority.certificatePem,
    parties: await listIdentities(platform.db.read),
  }));
  route(app, e.followJobs, guard, async ({ caller, query, signal }) => {
    if (query.wait > 0 && !platform.wakeups.hasRoom) throw new AppError("PLATFORM_BUSY");
    const found = await platform.wakeups.until(`feed:${caller.party}`, query.wait * 1000, signal, () =>
      feed(platform, caller.party, query.cursor, feedPage),
    );
    return found ?? { cursor: query.cursor, jobs: [] };
  });
  route(app, e.approve, guard, async ({ caller, params, body }) => ({ state: await approve(platform, caller.party, params.id, body.jws) }));
  route(app, e.refuse, guard, async ({ caller, params, body }) => ({ state: await refuse(platform, caller.party, params.id, body.code) }));
  route(app, e.reportEvents, guard, async ({ caller, params, body }) => ({
    state: await reportEvents(platform, caller.party, params.id, body.events),
  }));
  route(app, e.reportState, guard, async ({ caller, params, body }) => ({
    state: await reportState(platform, caller.party, params.id, body),
  }));
  route(app, e.putModel, guard, ({ caller, params, body }) => putModel(platform, caller.party, params.id, body));
  route(app, e.putResult, guard, ({ caller, params, request, length }) =>
    putResult(platform, inFlight, caller.party, { job: params.id, name: params.name, bytes: length, source: bodyOf(request) }),
  );
  route(app, e.putRelay, guard, ({ caller, params, request, length }) => {
    const header = request.headers["x-content-digest"];
    const digest = typeof header === "string" ? header : undefined;
    return putFrame(platform, inFlight, caller.party, { ...params, bytes: length, digest, source: request });
  });
  route(app, e.getRelay, guard, async ({ caller, params, query, response, signal }) => {
    const frame = await getFrame(platform, caller.party, { ...params, waitMs: query.wait * 1000, signal });
    if (frame === undefined) {
      response.status(204).end();
      return;
    }
    response
      .status(200)
      .setHeader("Content-Type", "application/octet-stream")
      .setHeader("Content-Length", frame.bytes)
      .setHeader("X-Content-Digest", frame.digest);
    if (frame.body instanceof Uint8Array) {
      const { body } = frame;
      response.once("finish", () => platform.buffers.give(body)); // handed to the operating system
      response.end(body);
    } else await pipeline(frame.body, response);
  });
  route(app, e.forgetRelay, guard, ({ caller, params, body }) => forgetFrames(platform, caller.party, { ...params, ...body }));
  addWitnessRoutes(app, platform, guard);
  route(app, e.putPublicBatch, guard, ({ caller, params, request, length }) =>
    putPublicBatch(platform, inFlight, caller.party, { digest: params.digest, bytes: length, source: bodyOf(request) }),
  );
  addEnclaveAudit(app, platform, guard);
  addEnclaveEvaluations(app, platform, guard, inFlight);
  addEnclaveConsents(app, platform, guard);
  addEnclaveProbing(app, platform, guard);
  addEnclaveQuality(app, platform, guard);
  addEnclaveUsage(app, platform, guard);
  addEnclaveMonitoring(app, platform, guard);
  addEnclaveOutcomes(app, platform, guard);
  addEnclaveSubject(app, platform, guard, inFlight, bodyOf);
  return finish();
}
