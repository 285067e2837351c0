// The append-only log of one domain: segments of lines, a chain over all of them, group commit. An entry gets its number when it is handed
// in; what waits together is written by one synchronous write. After a failed write nothing is taken until the log is opened anew.
import { isAppError, AppError } from "../core/errors.ts";
import { sha256Hex } from "../core/canonical.ts";
import { maxLineBytes, onDisk, segmentName, segmentsOf, type AuditDisk, type AuditFile } from "./disk.ts";
import { lineOf, readLine, type AuditEvent, type Entry } from "./entry.ts";
import { signHead, type AuditSigner, type SignedHead } from "./head.ts";
import { findEnd, headFile, lastLine, own, type Opening, type Place } from "./opening.ts";

const maxWaiting = 65_536;
const defaultSegmentBytes = 16 * 2 ** 20;

export type LogOptions = {
  readonly disk: AuditDisk;
  readonly domain: string;
  readonly signer: AuditSigner;
  readonly now: () => number;
  readonly segmentBytes?: number;
  /** A signed head goes into the log after so many entries at the latest. */
  readonly headEvery?: number;
  /** Every entry, when it gets its number. */
  readonly onEntry?: (entry: Entry) => void;
};

export class AuditLog {
  readonly #o: LogOptions;
  #next: Place;
  #durable: Place;
  #lastAt: string;
  #segment: string;
  #segmentBytes: number;
  #file: AuditFile | undefined;
  #waiting: string[] = [];
  #batch: PromiseWithResolvers<void> | undefined;
  /** The batch that is being written. */
  #writing: Promise<void> | undefined;
  #isRunning = false;
  #isStopped = false;
  #sinceHead = 0;
  /** The head that was entered last; it is put beside the log when its entry is durable. */
  #entered: SignedHead | undefined;

  private constructor(options: LogOptions, opening: Opening) {
    this.#o = options;
    this.#next = opening.place;
    this.#durable = opening.place;
    this.#lastAt = opening.at;
    this.#segment = opening.segment;
    this.#segmentBytes = opening.bytes;
  }

  /** Opens or begins the log. A last line that a killed process left torn is cut off; a chain that does not hold in the last segment, or that
   *  ends before the signed head, stays as it is and the log goes on in a new one: all that is an entry then. Throws DISK_FAILED. */
  static async open(options: LogOptions): Promise<AuditLog> {
    const opening = await onDisk(() => findEnd(options));
    const log = new AuditLog(options, opening);
    for (const event of opening.found) log.note(event);
    return log;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }
  get durable(): Place {
    return this.#durable;
  }
  get entriesSinceHead(): number {
    return this.#sinceHead;
  }

  /** Hands one entry in; it is durable with the next batch. Throws AUDIT_STOPPED after a failed write, and when too many wait. */
  note(event: AuditEvent): Entry {
    if (this.#isStopped || this.#waiting.length >= maxWaiting) throw new AppError("AUDIT_STOPPED");
    const entry = this.#enter(event);
    if (event.action !== "log.head") {
      this.#sinceHead += 1;
      if (this.#sinceHead >= (this.#o.headEvery ?? 1000)) this.#enterHead();
    }
    return entry;
  }

  /** The same, and resolves when it is durable. */
  async record(event: AuditEvent): Promise<Entry> {
    const entry = this.note(event);
    await this.settled();
    return entry;
  }

  /** Resolves when everything that was handed in is durable. Throws AUDIT_STOPPED or DISK_FAILED. */
  async settled(): Promise<void> {
    if (this.#isStopped) throw new AppError("AUDIT_STOPPED");
    await (this.#batch?.promise ?? this.#writing);
  }

  /** Puts a signed head into the log and beside it. Throws AUDIT_STOPPED, DISK_FAILED. */
  async head(): Promise<SignedHead> {
    if (this.#isStopped) throw new AppError("AUDIT_STOPPED");
    const head = this.#enterHead();
    await this.settled();
    return head;
  }

  #enterHead(): SignedHead {
    const { size, digest } = this.#next;
    const head = signHead({ domain: this.#o.domain, size, digest, at: new Date(this.#o.now()).toISOString() }, this.#o.signer);
    this.#enter({ actor: own, action: "log.head", signature: head.signature }, head.at);
    this.#sinceHead = 0;
    this.#entered = head;
    return head;
  }

  #enter(event: AuditEvent, at = new Date(this.#o.now()).toISOString()): Entry {
    const { line, entry, digest } = lineOf(event, { seq: this.#next.size, at, previous: this.#next.digest });
    if (line.length >= maxLineBytes) throw new TypeError("an entry that is too long");
    this.#next = { size: entry.seq + 1, digest };
    this.#waiting.push(line);
    this.#lastAt = at;
    this.#batch ??= quietly(Promise.withResolvers<void>());
    if (!this.#isRunning) void this.#run();
    this.#o.onEntry?.(entry);
    return entry;
  }

  /** Time of the last entry. */
  get lastAt(): string {
    return this.#lastAt;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // What is handed in within the same turn of the event loop goes into the first batch.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      const batch = this.#batch;
      const place = this.#next;
      const head = this.#entered;
      this.#waiting = [];
      this.#batch = undefined;
      this.#entered = undefined;
      this.#writing = batch?.promise;
      try {
        await onDisk(() => this.#write(lines));
        if (head !== undefined) await onDisk(() => this.#o.disk.put(headFile, `${JSON.stringify(head)}\n`));
        this.#durable = place;
        batch?.resolve();
      } catch (error) {
        // What of it is on the disk only opening anew tells.
        this.#isStopped = true;
        this.#waiting = [];
        batch?.reject(error);
        const next = this.#batch as PromiseWithResolvers<void> | undefined;
        next?.reject(new AppError("AUDIT_STOPPED"));
        await this.#file?.close().catch(() => {});
        this.#file = undefined;
      }
    }
    this.#writing = undefined;
    this.#isRunning = false;
  }

  async #write(lines: readonly string[]): Promise<void> {
    const { disk, segmentBytes = defaultSegmentBytes } = this.#o;
    if (this.#segmentBytes >= segmentBytes) {
      await this.#file?.close();
      this.#file = undefined;
      this.#segment = segmentName(this.#durable.size);
      this.#segmentBytes = 0;
    }
    this.#file ??= await disk.append(this.#segment);
    const bytes = Buffer.from(`${lines.join("\n")}\n`);
    for (let at = 0; at < bytes.length; ) {
      const taken = await this.#file.write(bytes.subarray(at));
      if (taken <= 0) throw new Error("the disk takes no bytes");
      at += taken;
    }
    this.#segmentBytes += bytes.length;
  }

  /** Removes whole segments whose last entry is older than that time (ms), never the newest. The removal is an entry first. */
  async removeBefore(time: number): Promise<number> {
    const segments = await onDisk(() => segmentsOf(this.#o.disk));
    const old: string[] = [];
    let cut: { below: number; digest: string } | undefined;
    for (const [i, { name }] of segments.slice(0, -1).entries()) {
      const last = await onDisk(() => lastLine(this.#o.disk, name));
      const entry = last === undefined ? undefined : readLine(last);
      if (last === undefined || entry === undefined || Date.parse(entry.at) >= time) break;
      cut = { below: segments[i + 1]?.first ?? 0, digest: sha256Hex(last) };
      old.push(name);
    }
    if (cut === undefined) return 0;
    await this.record({ actor: own, action: "log.removed", objects: { before: cut.digest }, facts: { below: cut.below, segments: old.length } });
    await this.head();
    for (const name of old) await onDisk(() => this.#o.disk.remove(name));
    return old.length;
  }

  /** Waits for what was handed in, then takes no more. */
  async close(): Promise<void> {
    try {
      await this.settled();
    } finally {
      this.#isStopped = true;
      await this.#file?.close();
      this.#file = undefined;
    }
  }
}

/** Whoever waits sees the rejection; that nobody waits is no crash. */
function quietly<T>(resolvers: PromiseWithResolvers<T>): PromiseWithResolvers<T> {
  resolvers.promise.catch(() => {});
  return resolvers;
}

/** True when an error means that the log takes nothing now. */
export function isStoppedError(error: unknown): boolean {
  return isAppError(error) && (error.code === "AUDIT_STOPPED" || error.code === "DISK_FAILED");
}
