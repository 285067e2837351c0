// The keys (Ed25519) that sign an institution's webhooks: numbered, derived from one secret of the data folder, so that no private key is in the
// database. `webhook.key` holds 32 random bytes (0600).
import { hkdfSync } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { KeyObject } from "node:crypto";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import { readSigningKey } from "../../monitoring/webhooks/keys.ts";

const secretBytes = 32;

/** The key with this number (from 1) of an institution. */
export type WebhookKeys = (institution: string, number: number) => KeyObject;

/** Opens the secret of a data folder; makes it when there is none. Throws WEBHOOK_KEY for a file that is none. */
export function openWebhookKeys(data: string, rng: Rng): WebhookKeys {
  const path = join(data, "webhook.key");
  if (!existsSync(path)) writeDurably(path, rng(secretBytes));
  const secret = readBytes(path);
  if (secret.length !== secretBytes) throw new AppError("WEBHOOK_KEY");
  return (institution, number) => {
    const seed = hkdfSync("sha256", secret, new Uint8Array(0), `yunei/webhook-key/v1|${institution}|${number}`, secretBytes);
    return readSigningKey(`whsk_${Buffer.from(seed).toString("base64")}`);
  };
}
