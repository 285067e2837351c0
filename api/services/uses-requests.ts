// A company asks every enclave for its uses. The platform signs as registrar who asks, and hands on answers that it cannot open: it does not
// learn who was scored. Every enclave answers, also one without a use, so that an answer says nothing.
import type { PartyId } from "../../core/brand.ts";
import { maxUsesRequestMs, signUsesRequest } from "../../consent/uses-request.ts";
import { AppError } from "../../core/errors.ts";
import { each } from "../each.ts";
import type { RoleCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { isTaken, nextChange } from "../store/database.ts";
import {
  addUsesAnswer, addUsesRequest, countEnclaves, findEndedRequests, findUsesRequest, forgetUsesRequest, listUsesAnswers, listUsesRequests, usesRequestsFor, type UsesRequestRow,
} from "../store/uses-requests.ts";
import { subjectOf } from "./consents.ts";
import type { InFlight } from "./in-flight.ts";
import { JweInspector } from "./results.ts";

const maxOpen = 5;
const feedPage = 100;
export const usesWakeKey = "uses-requests";
const folder = (id: string): string => `uses/${id}`;
const fileName = (id: string, party: PartyId, digest: string): string => `${folder(id)}/${party}-${digest}`;
const isoSeconds = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** Throws USES_TOO_MANY. */
export async function askUses(platform: Platform, caller: RoleCaller, key: string) {
  const { env, db, registrar } = platform;
  const subject = subjectOf(caller);
  const now = Math.floor(env.now() / 1000) * 1000;
  const open = (await listUsesRequests(db.read, subject)).filter((row) => row.expiresAt.getTime() > now);
  if (open.length >= maxOpen) throw new AppError("USES_TOO_MANY", { limit: maxOpen });
  const id = `uses_${Buffer.from(env.rng(12)).toString("hex")}`;
  const expiresAt = now + maxUsesRequestMs;
  const jws = signUsesRequest({ registrar: registrar.name, id, subject, key, issuedAt: isoSeconds(now), notAfter: isoSeconds(expiresAt) }, registrar.key);
  const row = { id, subject, jws, createdAt: new Date(now), expiresAt: new Date(expiresAt) };
  const n = await db.write(async (tx) => {
    const change = await nextChange(tx);
    await addUsesRequest(tx, { ...row, n: change });
    return change;
  });
  platform.wakeups.wake(usesWakeKey);
  return viewUsesRequest(platform, { ...row, n });
}

export async function viewUsesRequest({ db }: Platform, row: UsesRequestRow) {
  const answers = (await listUsesAnswers(db.read, row.id)).map(({ party, at, bytes, digest }) => ({ party, at: at.toISOString(), bytes, digest }));
  return { id: row.id, createdAt: row.createdAt.toISOString(), expiresAt: row.expiresAt.toISOString(), asked: await countEnclaves(db.read), answers };
}

/** Throws USES_NOT_FOUND, also for another company's. */
export async function ownUsesRequest(platform: Platform, caller: RoleCaller, id: string): Promise<UsesRequestRow> {
  const row = await findUsesRequest(platform.db.read, id);
  if (row === undefined || row.subject !== subjectOf(caller)) throw new AppError("USES_NOT_FOUND");
  return row;
}

/** One enclave's sealed answer. Throws USES_NOT_FOUND. */
export async function openUsesAnswer(platform: Platform, caller: RoleCaller, id: string, party: PartyId) {
  const row = await ownUsesRequest(platform, caller, id);
  const answer = (await listUsesAnswers(platform.db.read, row.id)).find((a) => a.party === party);
  const blob = answer === undefined ? undefined : await platform.blobs.read(fileName(id, party, answer.digest));
  if (answer === undefined || blob === undefined) throw new AppError("USES_NOT_FOUND");
  return { ...blob, digest: answer.digest };
}

/** Requests that a party's enclave has not answered; undefined while there are none. */
export async function feedUsesRequests({ db, env }: Platform, party: PartyId, after: number) {
  const rows = await usesRequestsFor(db.read, party, after, new Date(env.now()), feedPage);
  if (rows.length === 0) return undefined;
  return { next: rows.at(-1)?.n ?? after, requests: rows.map(({ n, id, jws }) => ({ n, id, jws })) };
}

/** Throws USES_NOT_FOUND, USES_ANSWERED for another answer than the one before, RESULT_NOT_SEALED, REQUEST_LENGTH, PLATFORM_*. */
export async function putUsesAnswer(
  platform: Platform, inFlight: InFlight, party: PartyId, put: { id: string; bytes: number; source: AsyncIterable<Uint8Array> },
): Promise<{ digest: string }> {
  const { db, env, blobs } = platform;
  const row = await findUsesRequest(db.read, put.id);
  if (row === undefined || row.expiresAt.getTime() <= env.now()) throw new AppError("USES_NOT_FOUND");
  return inFlight.during(put.bytes, async () => {
    const inspector = new JweInspector();
    const received = await blobs.receive(put.source, put.bytes, (chunk) => inspector.see(chunk));
    try {
      inspector.finish();
      const { digest } = received;
      const earlier = async (): Promise<boolean> => {
        const before = (await listUsesAnswers(db.read, put.id)).find((a) => a.party === party);
        if (before !== undefined && before.digest !== digest) throw new AppError("USES_ANSWERED");
        return before !== undefined;
      };
      if (await earlier()) return { digest };
      await blobs.keep(received, fileName(put.id, party, digest));
      try {
        await db.write((tx) => addUsesAnswer(tx, put.id, { party, at: new Date(env.now()), bytes: put.bytes, digest }));
      } catch (error) {
        if (!isTaken(error) || !(await earlier())) throw error;
      }
      return { digest };
    } finally {
      await blobs.discard(received);
    }
  });
}

/** For the clock: requests that are over, with their answers. May be interrupted and run again. */
export async function sweepUsesRequests({ db, env, blobs }: Platform): Promise<void> {
  await each(await findEndedRequests(db.read, new Date(env.now()), 50), async (id) => {
    await blobs.remove(folder(id));
    await db.write((tx) => forgetUsesRequest(tx, id));
  }, env.log);
}
