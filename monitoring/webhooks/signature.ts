// Signed requests by the Standard Webhooks specification, version 1.0.0 (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md):
// headers webhook-id, webhook-timestamp, webhook-signature; `v1a`, Ed25519 over "{id}.{timestamp}.{body}". HMAC (`v1`) is neither made nor
// accepted: receivers would hold a key that forges.
import { sign, verify, type KeyObject } from "node:crypto";
import { AppError } from "../../core/errors.ts";

/** 5 minutes, as the specification's own libraries have it. */
export const toleranceSeconds = 300;
export const webhookIdPattern = /^msg_[0-9A-Za-z]{16,64}$/;
const maxSignatures = 8;

export type WebhookHeaders = { readonly "webhook-id": string; readonly "webhook-timestamp": string; readonly "webhook-signature": string };

// Neither id nor time can hold a full stop, so that nothing moves between them and the body.
const signedContent = (id: string, timestamp: number, body: Uint8Array): Buffer => Buffer.concat([Buffer.from(`${id}.${timestamp}.`, "latin1"), body]);

/** Headers of one attempt. `timestamp`: seconds, of the attempt. Signed by each key (rotation). Throws WEBHOOK_HEADERS, WEBHOOK_KEY. */
export function signWebhook(message: { readonly id: string; readonly timestamp: number; readonly body: Uint8Array }, keys: readonly KeyObject[]): WebhookHeaders {
  const { id, timestamp, body } = message;
  if (!webhookIdPattern.test(id) || !Number.isSafeInteger(timestamp) || timestamp < 0) throw new AppError("WEBHOOK_HEADERS");
  if (keys.length === 0 || keys.some((key) => key.type !== "private" || key.asymmetricKeyType !== "ed25519")) throw new AppError("WEBHOOK_KEY");
  const content = signedContent(id, timestamp, body);
  const signatures = keys.map((key) => `v1a,${sign(null, content, key).toString("base64")}`);
  return { "webhook-id": id, "webhook-timestamp": String(timestamp), "webhook-signature": signatures.join(" ") };
}

/** Which webhooks a receiver has seen. Its owner claims in the transaction in which it processes: else a crash between the two loses the webhook. */
export interface SeenWebhooks {
  /** new: neither id nor attempt is known; known from now on. duplicate: the id in another attempt (a retry). replayed: this very attempt. */
  claim(id: string, timestamp: number): "new" | "duplicate" | "replayed";
}

export type Received = {
  readonly id: string;
  readonly timestamp: number;
  /** duplicate: processed before; answer 2xx and do nothing. */
  readonly status: "new" | "duplicate";
};

export type ReceiverOptions = {
  readonly keys: readonly KeyObject[];
  /** ms. */
  readonly now: number;
  readonly seen: SeenWebhooks;
  readonly tolerance?: number;
};

/**
 * Verifies a request at its receiver, over the body's bytes as they came. `headers`: names in lower case, as Node gives them.
 * Throws WEBHOOK_HEADERS, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE, WEBHOOK_REPLAYED, in this order; nothing is claimed before the signature holds.
 */
export function receiveWebhook(headers: Readonly<Record<string, string | readonly string[] | undefined>>, body: Uint8Array, options: ReceiverOptions): Received {
  const one = (name: string): string => {
    const value = headers[name];
    if (typeof value !== "string") throw new AppError("WEBHOOK_HEADERS");
    return value;
  };
  const id = one("webhook-id");
  const time = one("webhook-timestamp");
  const signatures = one("webhook-signature").split(" ");
  const timestamp = Number(time);
  if (!webhookIdPattern.test(id) || !/^(0|[1-9]\d{0,11})$/.test(time) || signatures.length > maxSignatures) throw new AppError("WEBHOOK_HEADERS");
  if (Math.abs(options.now / 1000 - timestamp) > (options.tolerance ?? toleranceSeconds)) throw new AppError("WEBHOOK_TIMESTAMP");
  const content = signedContent(id, timestamp, body);
  // Other versions may stand beside ours; they prove nothing here.
  const own = signatures.flatMap((text) => (text.startsWith("v1a,") ? signatureOf(text.slice(4)) : []));
  const isSigned = own.some((signature) => options.keys.some((key) => key.asymmetricKeyType === "ed25519" && key.type === "public" && verify(null, content, key, signature)));
  if (!isSigned) throw new AppError("WEBHOOK_SIGNATURE");
  const status = options.seen.claim(id, timestamp);
  if (status === "replayed") throw new AppError("WEBHOOK_REPLAYED");
  return { id, timestamp, status };
}

function signatureOf(text: string): Buffer[] {
  const bytes = Buffer.from(text, "base64");
  return bytes.length === 64 && bytes.toString("base64") === text ? [bytes] : [];
}
