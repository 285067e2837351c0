// What the platform's operator sets in `settings.json` of the data folder. Read at each start, and by the commands on the machine.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../core/errors.ts";
import { readBytes, writeDurably } from "../core/files.ts";

const settingsSchema = z.strictObject({
  version: z.literal(1).default(1),
  /** Institutions come in through assessment and two supervisors only; those admitted without (demos) become due for review. */
  requireAssessment: z.boolean().default(false),
  /** Days from an admission or a passed review to the next one. */
  reviewEveryDays: z.number().int().min(1).max(3650).default(365),
  /** Days from the warning of an overdue review to suspension. */
  reviewGraceDays: z.number().int().min(0).max(365).default(30),
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
