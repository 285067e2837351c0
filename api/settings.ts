// What the platform's operator sets in `settings.json` of the data folder. Read at each start, and by the commands on the machine.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../core/errors.ts";
import { readBytes, writeDurably } from "../core/files.ts";
import { checkRules } from "../monitoring/webhooks/receiver-url.ts";

/** Where webhooks of institutions may go: public addresses on port 443 by https, unless said otherwise here. */
const webhookSettings = z.strictObject({
  /** Networks that may be called though they are not public ("10.20.0.0/16"). */
  allow: z.array(z.string()).max(64).default([]),
  ports: z.array(z.int()).min(1).max(64).default([443]),
  /** Plain http too, to networks of `allow` alone. */
  plainHttp: z.boolean().default(false),
  /** A CA beside the well-known ones: a PEM file, from the data folder on. */
  caFile: z.string().max(1024).optional(),
}).refine((rules) => {
  try {
    checkRules(rules);
    return true;
  } catch {
    return false;
  }
});

const settingsSchema = z.strictObject({
  version: z.literal(1).default(1),
  /** Institutions come in through assessment and two supervisors only; those admitted without (demos) become due for review. */
  requireAssessment: z.boolean().default(false),
  /** Days from an admission or a passed review to the next one. */
  reviewEveryDays: z.number().int().min(1).max(3650).default(365),
  /** Days from the warning of an overdue review to suspension. */
  reviewGraceDays: z.number().int().min(0).max(365).default(30),
  webhooks: webhookSettings.default({ allow: [], ports: [443], plainHttp: false }),
});
export type PlatformSettings = z.output<typeof settingsSchema>;

const pathOf = (data: string): string => join(data, "settings.json");

/** The standard values where there is no file. Throws PLATFORM_SETTINGS. */
export function readSettings(data: string): PlatformSettings {
  if (!existsSync(pathOf(data))) return settingsSchema.parse({});
  try {
    return settingsSchema.parse(JSON.parse(Buffer.from(readBytes(pathOf(data))).toString("utf8")));
  } catch (cause) {
    throw new AppError("PLATFORM_SETTINGS", {}, { cause });
  }
}

export function writeSettings(data: string, change: Partial<PlatformSettings>): void {
  writeDurably(pathOf(data), `${JSON.stringify({ ...readSettings(data), ...change }, undefined, 2)}\n`);
}
