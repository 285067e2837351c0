// What an operator may set about auditing: audit.json in the folder of a platform or enclave.
import { existsSync } from "node:fs";
import { z } from "zod";
import { AppError } from "../core/errors.ts";
import { readBytes } from "../core/files.ts";

/** Network logs are kept for at least six months: 网络安全法, article 21 (3). */
export const leastDays = 183;

const days = z.number().int().max(36_500);
export const auditSettingsSchema = z.strictObject({
  /** Entries younger than this are never removed. */
  retentionDays: days.default(1096),
  /** The minimum of this place; retention below it is refused. */
  minimumDays: days.min(leastDays).default(leastDays),
  segmentMegabytes: z.number().int().min(1).max(1024).default(16),
  /** With less space left on the disk nothing new is begun; what is under way is still written down. */
  leastFreeMegabytes: z.number().int().min(1).max(1_048_576).default(32),
  headSeconds: z.number().int().min(1).max(86_400).default(60),
  alerts: z.strictObject({
    /** Uses of one company within so many minutes. */
    companyUses: z.number().int().min(2).default(20),
    companyMinutes: z.number().int().min(1).max(1440).default(10),
    failures: z.number().int().min(2).default(10),
    failureMinutes: z.number().int().min(1).max(1440).default(10),
    /** Companies whose consent was asked for by one bank and did not hold, within failureMinutes. */
    consentRefusals: z.number().int().min(1).default(50),
    refusals: z.number().int().min(1).default(3),
    refusalMinutes: z.number().int().min(1).max(1440).default(60),
    budgetShare: z.number().min(0.1).max(1).default(0.8),
    /** Usual hours of people: from, to (0 to 24) and the offset of the local time, minutes. Absent: not looked at. */
    hours: z.strictObject({ from: z.number().min(0).max(24), to: z.number().min(0).max(24), offsetMinutes: z.number().int().min(-840).max(840) }).optional(),
  }).prefault({}),
}).refine((s) => s.retentionDays >= s.minimumDays);
export type AuditSettings = z.output<typeof auditSettingsSchema>;

/** Throws AUDIT_SETTINGS: malformed, or a retention below the minimum. */
export function readAuditSettings(path: string): AuditSettings {
  try {
    return auditSettingsSchema.parse(existsSync(path) ? JSON.parse(Buffer.from(readBytes(path)).toString("utf8")) : {});
  } catch (cause) {
    throw new AppError("AUDIT_SETTINGS", {}, { cause });
  }
}
