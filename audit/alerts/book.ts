// The alerts that were raised and whether somebody has seen them: one small file beside the log, in which each stands too.
import { existsSync } from "node:fs";
import { z } from "zod";
import { sha256Hex } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import { alertKinds, type Finding } from "./rules.ts";

export const alertSchema = z.strictObject({
  id: z.string().regex(/^alert_[0-9a-f]{24}$/),
  kind: z.enum(alertKinds),
  about: z.string().max(96),
  count: z.number(),
  /** Number of the entry that raised it. */
  seq: z.number().int().min(0),
  at: z.iso.datetime(),
  acknowledged: z.strictObject({ at: z.iso.datetime(), by: z.string().max(96) }).nullable(),
});
export type Alert = z.output<typeof alertSchema>;
export const alertsFile = "alerts.json";
const fileSchema = z.strictObject({ alerts: z.array(alertSchema) });
const maxAlerts = 1000;
const dayMs = 86_400_000;

/** Reads the alerts of a log's folder, newest first. Throws AUDIT_FORMAT. */
export function readAlerts(path: string): Alert[] {
  if (!existsSync(path)) return [];
  try {
    return fileSchema.parse(JSON.parse(Buffer.from(readBytes(path)).toString("utf8"))).alerts.toReversed();
  } catch (cause) {
    throw new AppError("AUDIT_FORMAT", {}, { cause });
  }
}

export class AlertBook {
  readonly #path: string;
  readonly #alerts: Map<string, Alert>;

  constructor(path: string) {
    this.#path = path;
    this.#alerts = new Map(readAlerts(path).toReversed().map((alert) => [alert.id, alert]));
  }

  /** Newest first. */
  list(): Alert[] {
    return [...this.#alerts.values()].toReversed();
  }

  /** undefined: this entry has raised it before. isReplay: entries of before a restart are looked at again, with less history than at first:
   *  what is known of that day stays one alert. Not durable before `save`. */
  raise(found: Finding, isReplay = false): Alert | undefined {
    const id = `alert_${sha256Hex(`${found.kind}|${found.about}|${found.seq}`).slice(0, 24)}`;
    const isKnown = (a: Alert): boolean => a.kind === found.kind && a.about === found.about && Math.abs(Date.parse(a.at) - Date.parse(found.at)) < dayMs;
    if (this.#alerts.has(id) || (isReplay && [...this.#alerts.values()].some(isKnown))) return undefined;
    const alert: Alert = { id, ...found, acknowledged: null };
    this.#alerts.set(id, alert);
    while (this.#alerts.size > maxAlerts) {
      const [oldest] = this.#alerts.keys();
      const seen = [...this.#alerts.values()].find((a) => a.acknowledged !== null)?.id ?? oldest;
      if (seen !== undefined) this.#alerts.delete(seen);
    }
    return alert;
  }

  /** false when somebody did so before. Throws ALERT_UNKNOWN. */
  acknowledge(id: string, by: string, at: string): boolean {
    const alert = this.#alerts.get(id);
    if (alert === undefined) throw new AppError("ALERT_UNKNOWN");
    if (alert.acknowledged !== null) return false;
    this.#alerts.set(id, { ...alert, acknowledged: { at, by } });
    return true;
  }

  /** Throws DISK_FAILED. */
  save(): void {
    writeDurably(this.#path, JSON.stringify({ alerts: [...this.#alerts.values()] }));
  }
}
