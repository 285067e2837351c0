// What a webhook carries: a type, the time of the event, the place in the receiver's order, ids of jobs, services, alerts and models, and at most a
// payload sealed to the institution. No company and no score is in the open: who stands on the way learns that there was an event.
import { z } from "zod";
import { canonicalJson } from "../../core/canonical.ts";
import { AppError, errorTable, type Code } from "../../core/errors.ts";
import { jobIdSchema } from "../../core/names.ts";

/** The specification recommends bodies below 20 kB. */
export const maxBodyBytes = 20_000;

// Lower case behind a word and "_": no credit code of a company has this form.
const idOf = (word: string) => z.string().regex(new RegExp(`^${word}_[0-9a-z]{16,64}$`));
const sealed = z.string().max(maxBodyBytes).refine(isSealed);
const kind = z.string().regex(/^[a-z][a-z-]{0,31}$/);
const code = z.enum(Object.keys(errorTable) as [Code, ...Code[]]);

/** What the body of each type says, in the open or sealed to the institution. A new type is a new line. */
const dataOf = {
  "job.done": z.strictObject({ job: jobIdSchema, kind }),
  "job.failed": z.strictObject({ job: jobIdSchema, kind, code }),
  "service.ended": z.strictObject({ service: jobIdSchema, kind, code: code.nullable() }),
  "alert.new": z.strictObject({ alert: idOf("alert"), service: jobIdSchema.optional(), sealed: sealed.optional() }),
  "model.drift": z.strictObject({ model: idOf("model"), month: z.string().regex(/^\d{4}-(0[1-9]|1[0-2])$/).optional(), sealed: sealed.optional() }),
  "evaluation.push": z.strictObject({ evaluation: idOf("[a-z]{2,12}"), sealed: sealed.optional() }),
  /** Asked for by the institution itself. */
  "webhook.test": z.strictObject({ webhook: idOf("hook") }),
} as const;
type Data = typeof dataOf;
export type WebhookType = keyof Data;
export const webhookTypes = Object.keys(dataOf) as [WebhookType, ...WebhookType[]];

/** What happened, before it has a place in a receiver's order. */
export type WebhookEvent = { [T in WebhookType]: { readonly type: T; /** ISO 8601, whole seconds, UTC. */ readonly timestamp: string; readonly data: z.input<Data[T]> } }[WebhookType];
/** sequence: from 1 per receiver, without gaps but those of dead letters and of events that came while the queue was full. */
export type WebhookBody = WebhookEvent & { readonly sequence: number };

const bodySchema = z.union((Object.entries(dataOf) as [WebhookType, Data[WebhookType]][]).map(([type, data]) =>
  z.strictObject({ type: z.literal(type), timestamp: z.iso.datetime({ precision: 0 }), sequence: z.int().min(1), data })));

/** The header of a JWE is in the open: nothing but these fits into it. */
const headerSchema = z.strictObject({
  alg: z.literal("ECDH-ES"), enc: z.literal("A256GCM"),
  epk: z.strictObject({ kty: z.literal("OKP"), crv: z.literal("X25519"), x: z.string().regex(/^[\w-]{43}$/) }),
  cty: z.string().regex(/^[a-z]+(\/[a-z+-]+)?$/).max(32).optional(),
  /** A thumbprint. */
  kid: z.string().regex(/^([\w-]{43}|[0-9a-f]{64})$/).optional(),
});

/** A compact JWE (RFC 7516) to a key on X25519 with AES-256-GCM, not compressed: in form; only its receiver can open it. */
function isSealed(text: string): boolean {
  const parts = text.split(".");
  const [header = "", key, iv, ciphertext, tag] = parts;
  // 12 bytes of nonce, 16 of tag; direct key agreement has no encrypted key.
  if (parts.length !== 5 || key !== "" || !/^[\w-]{16}$/.test(iv ?? "") || !/^[\w-]{22}$/.test(tag ?? "") || !/^[\w-]+$/.test(ciphertext ?? "")) return false;
  try {
    return headerSchema.safeParse(JSON.parse(Buffer.from(header, "base64url").toString("utf8"))).success;
  } catch {
    return false; // no JSON
  }
}

/** The bytes that are signed and sent, as canonical JSON. Throws WEBHOOK_BODY: what is neither a listed id nor sealed does not go out. */
export function webhookBody(body: WebhookBody): string {
  const parsed = bodySchema.safeParse(body);
  const text = parsed.success ? canonicalJson(parsed.data) : "";
  if (!parsed.success || Buffer.byteLength(text) > maxBodyBytes) throw new AppError("WEBHOOK_BODY", { bytes: Buffer.byteLength(text), limit: maxBodyBytes });
  return text;
}

/** Reads a verified body at its receiver. Throws WEBHOOK_BODY. */
export function readWebhookBody(body: Uint8Array): WebhookBody {
  if (body.length > maxBodyBytes) throw new AppError("WEBHOOK_BODY", { bytes: body.length, limit: maxBodyBytes });
  try {
    return bodySchema.parse(JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString("utf8"))) as WebhookBody;
  } catch (cause) {
    throw new AppError("WEBHOOK_BODY", { bytes: body.length, limit: maxBodyBytes }, { cause: cause instanceof SyntaxError ? undefined : cause });
  }
}
