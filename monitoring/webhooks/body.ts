// What a webhook carries: a type, the time of the event, the place in the receiver's order, and a payload sealed to the institution. Neither a company
// nor what happened is in the open: who runs the platform or stands on the way learns that there was an alert.
import { z } from "zod";
import { canonicalJson } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";

/** The specification recommends bodies below 20 kB. */
export const maxBodyBytes = 20_000;
export const webhookTypes = ["monitor.alert", "monitor.drift", "score.batch"] as const;

const bodySchema = z.strictObject({
  type: z.enum(webhookTypes),
  timestamp: z.iso.datetime({ precision: 0 }),
  /** From 1 per receiver, without gaps but those of dead letters. */
  sequence: z.int().min(1),
  data: z.strictObject({ sealed: z.string().max(maxBodyBytes).refine(isSealed) }),
});
export type WebhookBody = z.output<typeof bodySchema>;

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

/** The bytes that are signed and sent, as canonical JSON. Throws WEBHOOK_BODY: what is not sealed does not go out. */
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
    return bodySchema.parse(JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString("utf8")));
  } catch (cause) {
    throw new AppError("WEBHOOK_BODY", { bytes: body.length, limit: maxBodyBytes }, { cause: cause instanceof SyntaxError ? undefined : cause });
  }
}
