// One entry of an audit log. Its form lets in public names, digests, counts and codes: no code of a company, token, key or value fits.
// An entry is one line of canonical JSON; `previous` is the SHA-256 of the line before, so that the lines are a chain.
import { z } from "zod";
import { canonicalJson, sha256Hex } from "../core/canonical.ts";

/** Everything that can be said. The endpoint of a request stands in `route`; "requests" is a sum of equal ones. */
export const actions = [
  "log.head", "log.recovered", "log.broken", "log.removed", "alert.raised", "alert.acknowledged",
  "process.started", "process.stopped", "config.changed", "data.taken", "data.refused", "operator.command", "database.migrated", "list.signed",
  "request", "requests", "request.sent", "tls.refused", "head.taken", "head.refused", "job.state", "relay.sums", "webhook.sent",
  "plan.approved", "plan.refused", "plan.asked", "job.started", "job.ended", "messages.released", "messages.taken", "message.refused", "report.released",
  "budget.charged", "budget.refused", "probing.seen", "consents.checked", "company.used", "company.shown", "receipt.made", "receipt.checked",
] as const;
export type Action = (typeof actions)[number];

const hex64 = z.string().regex(/^[0-9a-f]{64}$/);
/** A keyed hash (HMAC-SHA-256 under a key of this domain, 16 bytes): equal within one domain, without meaning outside. */
const keyed = z.string().regex(/^[0-9a-f]{32}$/);
/** Party, institution, credential, job, model … : public names in lower case. */
export const publicName = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/);
const word = z.string().regex(/^[a-z][a-z0-9_./-]{0,63}$/);
const routeForm = z.string().regex(/^(GET|POST|PUT|DELETE|PATCH) \/[A-Za-z0-9_./:-]{0,95}$|^none$/);

export const objectsSchema = z.strictObject({
  job: publicName, model: publicName, party: publicName, institution: publicName, credential: publicName, alert: publicName, consent: publicName,
  plan: hex64, snapshot: hex64, ledger: hex64, receipt: hex64, list: hex64, before: hex64, after: hex64,
}).partial();
export type Objects = z.output<typeof objectsSchema>;

export const eventSchema = z.strictObject({
  /** Who: a role, and the public id of its credential, institution or party. */
  actor: z.strictObject({ role: word, id: publicName.optional() }),
  action: z.enum(actions),
  route: routeForm.optional(),
  objects: objectsSchema.optional(),
  /** The company that it was about. */
  company: keyed.optional(),
  /** The companies, where it was about many. */
  companies: z.array(keyed).min(1).max(150).optional(),
  /** The address that a failed request came from. */
  from: keyed.optional(),
  /** ok; begun: before a stream or a command; gone: the caller hung up; or an error code. */
  outcome: z.string().regex(/^(ok|begun|gone|[A-Z][A-Z0-9_]{1,47})$/).default("ok"),
  request: z.string().regex(/^[0-9a-f]{24}$|^[0-9a-f]{32}$|^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/).optional(),
  facts: z.record(z.string().regex(/^[A-Za-z]{1,32}$/), z.union([z.number(), z.boolean(), word])).optional(),
  /** Of log.head alone: Ed25519 over `headText`, base64. */
  signature: z.string().regex(/^[A-Za-z0-9+/]{86}==$/).optional(),
});
export type AuditEvent = z.input<typeof eventSchema>;

export const entrySchema = eventSchema.extend({
  v: z.literal(1),
  /** From 0, without a gap. */
  seq: z.number().int().min(0),
  at: z.iso.datetime({ precision: 3 }),
  previous: hex64,
});
export type Entry = z.output<typeof entrySchema>;

/** What the first entry of a log names as its predecessor: it binds the whole chain to the domain. */
export function genesis(domain: string): string {
  return sha256Hex(`yunei-audit/v1\n${domain}`);
}

/** Throws a ZodError for an event that is not of the form above: a mistake in this program. */
export function lineOf(event: AuditEvent, place: { readonly seq: number; readonly at: string; readonly previous: string }): { line: string; entry: Entry; digest: string } {
  const entry = { ...eventSchema.parse(event), v: 1 as const, ...place };
  const line = canonicalJson(entry);
  return { line, entry, digest: sha256Hex(line) };
}

/** undefined: the line is not exactly what this program writes. */
export function readLine(line: string): Entry | undefined {
  try {
    const parsed = entrySchema.safeParse(JSON.parse(line));
    return parsed.success && canonicalJson(parsed.data) === line ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** A text as a fact, or "other" when it is not a public word. */
export function wordOf(text: string): string {
  return word.safeParse(text).success ? text : "other";
}
