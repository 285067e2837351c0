// A company's look at its uses (P21 (九)): this enclave opens those of that company alone, as bundles, sealed to the key in the request. It answers
// whoever the registrars that its policy believes say is the company, and it answers also when there was no use.
import { setImmediate } from "node:timers/promises";
import type { JobId, PartyId } from "../../core/brand.ts";
import type { Env } from "../../core/env.ts";
import { isAppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import { readUsesRequest } from "../../consent/uses-request.ts";
import type { Trust } from "../../consent/trust.ts";
import { paddedAnswer, type UsesAnswer } from "../../consent/uses-answer.ts";
import type { Bundle } from "../../receipts/bundle.ts";
import type { Use } from "../../receipts/uses.ts";
import type { JobAudit } from "../audit/job-audit.ts";
import { sealResult } from "../job/seal-result.ts";
import type { Place, ReceiptBook } from "../receipts/book.ts";
import { newestPlace } from "../receipts/newest-place.ts";
import { revealUse, usesOf } from "../receipts/reveal.ts";
import type { StateDatabase } from "../store/database.ts";
import { reach } from "../transport/reach.ts";
import type { LogPlatform } from "../transport/log.ts";
import type { SubjectPlatform } from "../transport/subject.ts";

const waitSeconds = 20;
const retryMs = 60_000;
/** What the platform takes is 4 MiB of base64url. */
const maxPlainBytes = 2_900_000;

export type UsesAnswerer = {
  readonly party: PartyId; readonly db: StateDatabase; readonly book: ReceiptBook; readonly certificate: string; readonly platform: SubjectPlatform; readonly env: Env;
  /** The registrars that are believed at this moment. */
  readonly trust: () => Trust;
  /** Tells where a receipt is under the newest co-signed checkpoint. */
  readonly log: Pick<LogPlatform, "placeOf">;
  /** Noted, durably, before an answer leaves; and why there was none. */
  readonly audit?: Pick<JobAudit, "shown" | "notShown">;
};

/** Answers until the signal aborts. What was answered before a restart is not asked again; a request that does not hold is looked at again every
 *  minute: its registrar may be believed later. */
export async function answerUsesRequests(parts: UsesAnswerer, signal: AbortSignal): Promise<void> {
  const { platform, env } = parts;
  let after = 0;
  let again = Infinity;
  while (!signal.aborted) {
    if (env.now() >= again) [after, again] = [0, Infinity];
    const news = await reach(() => platform.usesRequests(after, waitSeconds, signal), { signal, log: env.log });
    for (const { id, jws } of news.requests) {
      const isAnswered = await answerOne(parts, id, jws, signal);
      if (!isAnswered) again = Math.min(again, env.now() + retryMs);
    }
    after = news.next;
  }
}

async function answerOne(parts: UsesAnswerer, id: string, jws: string, signal: AbortSignal): Promise<boolean> {
  const { platform, env, party } = parts;
  try {
    const request = readUsesRequest(jws, parts.trust(), env.now());
    if (request.id !== id) return false;
    const jwe = await sealResult(await answerFor(parts, id, request.subject, signal), { kty: "OKP", crv: "X25519", x: request.key }, "application/json");
    await parts.audit?.shown(request.subject);
    await reach(() => platform.answerUses(id, jwe, signal), { signal, log: env.log });
    env.log.info("uses-answered", { party });
    return true;
  } catch (error) {
    if (signal.aborted || !isAppError(error)) throw error;
    // Not a trusted registrar's, over, or answered already just before a restart.
    env.log.warn("uses-not-answered", { code: error.code });
    parts.audit?.notShown(id, error.code);
    return error.code === "USES_ANSWERED";
  }
}

/** The padded text. Uses whose receipts are newest come first; what finds no room is counted. */
export async function answerFor(parts: Pick<UsesAnswerer, "party" | "db" | "book" | "certificate" | "log">, request: string, subject: string, signal?: AbortSignal): Promise<string> {
  const { book, party, certificate } = parts;
  const uses: UsesAnswer["uses"] = [];
  let [bytes, omitted] = [0, 0];
  const placeOf = placesOf(parts, signal);
  for await (const { job, index, use } of eachUse(parts, subject)) {
    const bundle = bundleOf(book, { job, index, certificate, place: await placeOf(job) });
    const entry = { job, grantee: use.grantee, items: [...use.items], bundle: bundle ?? null };
    const size = Buffer.byteLength(JSON.stringify(entry));
    if (bytes + size > maxPlainBytes) omitted += 1;
    else {
      uses.push(entry);
      bytes += size;
    }
  }
  return paddedAnswer({ request, party, uses, omitted });
}

/** Institutions for which this party's item of a company was used, by its own receipts. */
export async function usersOf(parts: Pick<UsesAnswerer, "db" | "book">, subject: string, item: string): Promise<PartyId[]> {
  const users = new Set<string>();
  for await (const { use } of eachUse(parts, subject)) if (use.items.includes(item)) users.add(use.grantee);
  return [...users].sort().flatMap((name) => partyIdSchema.safeParse(name).data ?? []);
}

/** All uses of a company, those of the newest receipts first. */
async function* eachUse({ db, book }: Pick<UsesAnswerer, "db" | "book">, subject: string): AsyncGenerator<{ readonly job: JobId; readonly index: number; readonly use: Use }> {
  const jobs = db.all("select u.job as job from (select distinct job from receipt_uses) u left join receipts r on r.job = u.job order by r.sequence is not null, r.sequence desc");
  for (const row of jobs) {
    await setImmediate(); // each job's uses are decrypted whole
    const job = String(row["job"]) as JobId;
    for (const found of usesOf(book, job, subject)) yield { job, ...found };
  }
}

/** Where the receipts of one answer are by now, each asked for once; a platform that does not prove one is not asked for the others. */
function placesOf(parts: Pick<UsesAnswerer, "db" | "book" | "log">, signal?: AbortSignal): (job: JobId) => Promise<Place | undefined> {
  const known = new Map<JobId, Place | undefined>();
  let isAsked = true;
  return async (job) => {
    const receipt = parts.book.of(job);
    if (!isAsked || receipt?.place === undefined) return receipt?.place;
    if (known.has(job)) return known.get(job);
    const { place, code } = await newestPlace(parts, receipt, signal);
    isAsked = code === undefined;
    known.set(job, place);
    return place;
  };
}

/** undefined while the receipt is not in the log. */
function bundleOf(book: ReceiptBook, parts: Parameters<typeof revealUse>[1]): Bundle | undefined {
  try {
    return revealUse(book, parts);
  } catch (error) {
    if (isAppError(error) && error.code === "RECEIPT_NOT_FOUND") return undefined;
    throw error;
  }
}
