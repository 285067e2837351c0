// The audit of one domain as its process uses it: the log, what is summed up, what commands left, the alerts, signed heads, retention. After
// a failed write it takes nothing, and so whatever must be audited is refused, until the log could be opened again.
import { join } from "node:path";
import type { Env } from "../core/env.ts";
import { AppError, isAppError } from "../core/errors.ts";
import { AlertBook, alertsFile, type Alert } from "./alerts/book.ts";
import { rulesOf, type Rule } from "./alerts/rules.ts";
import { auditFolder, linesOf, onDisk, segmentsOf, type AuditDisk } from "./disk.ts";
import { readLine, type AuditEvent, type Entry } from "./entry.ts";
import { exportLines, type ExportRange } from "./export.ts";
import { signHead, type AuditSigner, type SignedHead } from "./head.ts";
import { LogHashes } from "./hashes.ts";
import { AuditLog, isStoppedError } from "./log.ts";
import type { Place } from "./opening.ts";
import type { AuditSettings } from "./settings.ts";
import { left, spoolOf, taken } from "./spool.ts";
import { kindOf, Sums } from "./sums.ts";
import { verifyFolder } from "./verify.ts";

/** What the parts of a process need of its audit. */
export type Audit = {
  /** Resolves when the entry is durable: for what must not happen, or not be answered, without one. Throws AUDIT_STOPPED, DISK_FAILED. */
  record(event: AuditEvent): Promise<void>;
  /** Durable with the next batch. Throws AUDIT_STOPPED while the log takes nothing. */
  note(event: AuditEvent): void;
  /** Resolves when all that was noted is durable; at once when nothing waits. Throws as `record`, and when the disk is nearly full. */
  settled(): Promise<void>;
  /** Counts an event that comes too often for an entry each; an entry per minute and kind. */
  sum(event: AuditEvent, bytes?: number): void;
  /** Throws AUDIT_STOPPED while the log takes nothing or the disk is nearly full: before something is begun that must be audited. */
  check(): void;
  /** The keyed hash under which a company stands in this log. */
  company(code: string): string;
};
/** What the listeners need besides. */
export type RequestLog = Audit & {
  /** The keyed hash under which a network address stands in this log. */
  address(text: string): string;
};

export type TrailOptions = {
  readonly folder: string; readonly domain: string; readonly signer: AuditSigner; readonly env: Env; readonly settings: AuditSettings;
  /** 32 secret bytes of this domain, for the hashes of companies and addresses. */
  readonly secret: Uint8Array;
  readonly disk?: AuditDisk;
};
const reopenAfterMs = 5_000;
const dayMs = 86_400_000;
const replayBytes = 4 * 2 ** 20;

export class AuditTrail implements RequestLog {
  readonly #o: TrailOptions;
  readonly #disk: AuditDisk;
  readonly #hashes: LogHashes;
  readonly #sums: Sums;
  readonly #book: AlertBook;
  #rules: readonly Rule[];
  #log: AuditLog | undefined;
  #failedAt = 0;
  #headAt = 0;
  #caredAt: number;
  #recent = new Set<string>();
  #isBookDirty = false;
  #isCaring = false;
  #isNearlyFull = false;

  private constructor(options: TrailOptions) {
    this.#o = options;
    this.#disk = options.disk ?? auditFolder(options.folder);
    this.#hashes = new LogHashes(options.secret);
    this.#sums = new Sums(options.env.now, (event) => this.note(event));
    this.#book = new AlertBook(join(options.folder, alertsFile));
    this.#rules = rulesOf(options.settings.alerts);
    this.#caredAt = options.env.now();
    this.#headAt = options.env.now();
  }

  /** Opens the log and takes in what commands left while no process ran. Throws DISK_FAILED, AUDIT_STOPPED. */
  static async open(options: TrailOptions): Promise<AuditTrail> {
    const trail = new AuditTrail(options);
    await trail.#open();
    await trail.#takeLeft();
    return trail;
  }

  async #open(): Promise<void> {
    const { domain, signer, env, settings } = this.#o;
    await this.#replay();
    this.#log = await AuditLog.open({
      disk: this.#disk, domain, signer, now: env.now, segmentBytes: settings.segmentMegabytes * 2 ** 20, onEntry: (entry) => this.#look(entry),
    });
    await this.#log.settled();
    await this.#measure();
  }

  /** A disk that is nearly full stops what is new before a write fails: then nothing is done that cannot be written down. */
  async #measure(): Promise<void> {
    // Where that cannot be asked, a write that fails is what stops.
    const free = await this.#disk.free().catch(() => Infinity);
    const isNearlyFull = free < this.#o.settings.leastFreeMegabytes * 2 ** 20;
    if (isNearlyFull && !this.#isNearlyFull) this.#o.env.log.error("audit.disk-nearly-full", { freeMegabytes: Math.floor(free / 2 ** 20) });
    this.#isNearlyFull = isNearlyFull;
  }

  /** The last entries, so that rules and the spool remember what was before a restart. */
  async #replay(): Promise<void> {
    this.#rules = rulesOf(this.#o.settings.alerts);
    this.#recent = new Set();
    const segments = await onDisk(() => segmentsOf(this.#disk));
    for (const { name } of segments.slice(-2)) {
      const size = await onDisk(() => this.#disk.size(name));
      await onDisk(async () => {
        for await (const part of linesOf(this.#disk.read(name, Math.max(0, size - replayBytes)))) {
          const entry = "line" in part ? readLine(part.line) : undefined;
          if (entry !== undefined) this.#look(entry, true);
        }
      });
    }
  }

  #look(entry: Entry, isReplay = false): void {
    if (entry.action === "operator.command" || entry.action === "alert.acknowledged") this.#recent.add(entry.request ?? "");
    for (const rule of this.#rules) {
      const found = rule(entry);
      const alert = found === undefined ? undefined : this.#book.raise(found, isReplay);
      if (alert === undefined) continue;
      this.#isBookDirty = true;
      this.#o.env.log.warn("alert", { kind: alert.kind, count: alert.count });
      // Not within the rules' own call: the entry that raised it has its number first.
      queueMicrotask(() => this.#quietly(() => this.note(entryOf(alert))));
    }
  }

  #quietly(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!isAppError(error)) throw error;
    }
  }

  check(): void {
    if (this.#isNearlyFull) throw new AppError("AUDIT_STOPPED");
    this.#writable();
  }

  #writable(): AuditLog {
    if (this.#log === undefined || this.#log.isStopped) throw new AppError("AUDIT_STOPPED");
    return this.#log;
  }

  note(event: AuditEvent): void {
    this.#writable().note(event);
  }

  async record(event: AuditEvent): Promise<void> {
    await this.#writable().record(event);
  }

  async settled(): Promise<void> {
    this.check();
    await this.#writable().settled();
  }

  sum(event: AuditEvent, bytes = 0): void {
    this.#writable();
    this.#sums.add(kindOf(event), bytes, () => event);
  }

  company(code: string): string {
    return this.#hashes.company(code);
  }
  address(text: string): string {
    return this.#hashes.address(text);
  }

  get durable(): Place {
    return this.#log?.durable ?? { size: 0, digest: "" };
  }

  /** What is durable now, signed: for others to keep. */
  head(): SignedHead {
    const { domain, signer, env } = this.#o;
    return signHead({ domain, ...this.durable, at: new Date(env.now()).toISOString() }, signer);
  }

  alerts(): Alert[] {
    return this.#book.list();
  }

  /** Throws ALERT_UNKNOWN, AUDIT_STOPPED. */
  async acknowledge(id: string, actor: { readonly role: string; readonly id: string }): Promise<void> {
    this.check();
    if (!this.#book.acknowledge(id, actor.id, new Date(this.#o.env.now()).toISOString())) return;
    this.#isBookDirty = true;
    await this.record({ actor, action: "alert.acknowledged", objects: { alert: id } });
    this.#saveBook();
  }

  /** The entries of a time with a signed head, line by line: verifies offline. The export itself is an entry. Throws AUDIT_EMPTY. */
  async *export(range: ExportRange): AsyncGenerator<string> {
    const { domain, signer, env } = this.#o;
    await this.#writable().settled();
    yield* exportLines({ disk: this.#disk, domain, range, until: this.durable.size, signer, now: env.now });
  }

  /** From a clock, about every second. What fails is tried again. */
  async tick(): Promise<void> {
    const now = this.#o.env.now();
    try {
      if (this.#log === undefined || this.#log.isStopped) {
        if (now - this.#failedAt < reopenAfterMs && now >= this.#failedAt) return;
        this.#failedAt = now;
        await this.#open();
      }
      await this.#measure();
      this.#sums.flushIfDue();
      await this.#takeLeft();
      if (now - this.#headAt >= this.#o.settings.headSeconds * 1000 && (this.#log?.entriesSinceHead ?? 0) > 0) {
        this.#headAt = now;
        await this.#log?.head();
      }
      this.#saveBook();
      if (now - this.#caredAt >= dayMs && !this.#isCaring) {
        this.#caredAt = now;
        this.#isCaring = true;
        void this.#care(now).finally(() => (this.#isCaring = false));
      }
    } catch (error) {
      if (!isStoppedError(error)) throw error;
      this.#o.env.log.error("audit.stopped", { code: isAppError(error) ? error.code : "AUDIT_STOPPED" });
    }
  }

  #saveBook(): void {
    if (!this.#isBookDirty) return;
    this.#book.save();
    this.#isBookDirty = false;
  }

  /** Once a day: the chain from its beginning, and what is older than it must be. */
  async #care(now: number): Promise<void> {
    try {
      const { problems } = await verifyFolder(this.#disk, this.#o.domain, { until: this.durable.size });
      const [first] = problems;
      if (first !== undefined) this.note({ actor: { role: "log" }, action: "log.broken", outcome: "AUDIT_BROKEN", facts: { entry: first.seq, problems: problems.length } });
      await this.#log?.removeBefore(now - this.#o.settings.retentionDays * dayMs);
    } catch (error) {
      this.#o.env.log.error("audit.care-failed", { code: isAppError(error) ? error.code : "PLATFORM_INTERNAL" });
    }
  }

  async #takeLeft(): Promise<void> {
    const files = left(spoolOf(this.#o.folder));
    if (files.length === 0) return;
    for (const { event } of files) {
      // It stands in the log when the process was killed before it removed the file.
      if (event.request !== undefined && this.#recent.has(event.request)) continue;
      const alert = event.action === "alert.acknowledged" ? event.objects?.alert : undefined;
      if (alert !== undefined) this.#quietly(() => this.#isBookDirty = this.#book.acknowledge(alert, event.actor.id ?? event.actor.role, new Date(this.#o.env.now()).toISOString()) || this.#isBookDirty);
      this.note(event);
    }
    await this.#writable().settled();
    for (const file of files) taken(file);
  }

  /** Sums, a last head; takes nothing after. */
  async close(): Promise<void> {
    try {
      this.#saveBook();
      this.#sums.flush();
      await this.#takeLeft();
      await this.#log?.head();
    } catch (error) {
      if (!isStoppedError(error)) throw error;
    } finally {
      await this.#log?.close().catch(() => {});
      this.#log = undefined;
    }
  }
}

function entryOf(alert: Alert): AuditEvent {
  return { actor: { role: "log" }, action: "alert.raised", objects: { alert: alert.id }, facts: { kind: alert.kind, count: alert.count, entry: alert.seq } };
}
