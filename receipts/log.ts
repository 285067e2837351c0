// The append-only log on disk, in the layout of C2SP tlog-tiles. A batch is: new tiles and bundles under names that the
// present checkpoint does not reach, all durable; then the new checkpoint, put in place by one rename. That rename is the
// commit: after a crash at any call the log is the one of its checkpoint, and what lies beyond it is thrown away.
import { createPublicKey } from "node:crypto";
import { AppError } from "../core/errors.ts";
import { openCheckpoint, signCheckpoint, type Checkpoint } from "./checkpoint.ts";
import { DurableFiles, onDisk, type Disk } from "./disk.ts";
import { consistencyRanges, emptyRoot, hashBytes, inclusionRanges, sameHash, type Hash, type Range } from "./merkle.ts";
import { noteKey, type NoteKey, type NoteSigner } from "./note.ts";
import { sweep } from "./sweep.ts";
import { Tail } from "./tail.ts";
import { TileCache } from "./tile-cache.ts";
import { hashOfRange, maxEntryBytes, parseTilePath, packEntries, tilePath, tileWidth, unpackEntries, widthAt, type TileName } from "./tiles.ts";

export const checkpointPath = "checkpoint";
/** The latest checkpoint that enough witnesses have co-signed. */
export const witnessedPath = "witnessed";
/** Entries of one commit, and entries that may wait for one. */
export const maxBatch = 2_048;
const maxWaiting = 32_768;

export type LogOptions = { readonly disk: Disk; readonly signer: NoteSigner };
export type Appended = { readonly index: number; readonly checkpoint: string };
type Waiting = { readonly entry: Uint8Array; readonly resolve: (done: Appended) => void; readonly reject: (error: Error) => void };

/** The public key of a log, under the origin that its signer's name is. */
export function logKey(signer: NoteSigner): NoteKey {
  return noteKey(signer.name, 1, createPublicKey(signer.key.export({ format: "pem", type: "pkcs8" })));
}

/** Makes an empty log: a signed checkpoint of size 0. Throws LOG_EXISTS, also over remains of a log whose checkpoint is gone. */
export async function createLog({ disk, signer }: LogOptions): Promise<void> {
  const names = await onDisk(() => disk.list(""));
  if (names.some((name) => name === checkpointPath || name === witnessedPath || name === "tile")) throw new AppError("LOG_EXISTS");
  await new DurableFiles(disk).publish([{ path: checkpointPath, bytes: Buffer.from(signCheckpoint({ size: 0, root: emptyRoot }, signer)) }]);
}

export class ReceiptLog {
  readonly #disk: Disk;
  readonly #files: DurableFiles;
  readonly #signer: NoteSigner;
  readonly #key: NoteKey;
  #tail: Tail;
  #checkpoint: string;
  #witnessed: string | undefined;
  #waiting: Waiting[] = [];
  #pump: Promise<void> | undefined;
  #isStopped = false;
  #stale: TileName[] = [];
  readonly #cache = new TileCache();

  private constructor(options: LogOptions, key: NoteKey, state: { tail: Tail; checkpoint: string }) {
    this.#disk = options.disk;
    this.#files = new DurableFiles(options.disk);
    this.#signer = options.signer;
    this.#key = key;
    this.#tail = state.tail;
    this.#checkpoint = state.checkpoint;
  }

  /** Opens the log of the checkpoint and clears away what a crash has left beyond it. Throws LOG_MISSING, LOG_KEY,
   *  LOG_DAMAGED (the files at the right edge do not give the checkpoint's root) or DISK_FAILED. */
  static async open(options: LogOptions): Promise<ReceiptLog> {
    const { disk } = options;
    const key = logKey(options.signer);
    return onDisk(async () => {
      const note = await textOf(disk, checkpointPath);
      if (note === undefined) throw new AppError("LOG_MISSING");
      const head = openOwn(note, key);
      const tail = await Tail.load(disk, head.size);
      if (!sameHash(tail.root(), head.root)) throw new AppError("LOG_DAMAGED");
      await sweep(disk, head.size, maxBatch);
      const log = new ReceiptLog(options, key, { tail, checkpoint: note });
      const witnessed = await textOf(disk, witnessedPath);
      if (witnessed !== undefined) await log.#checkWitnessed(witnessed);
      log.#witnessed = witnessed;
      return log;
    });
  }

  get size(): number {
    return this.#tail.size;
  }

  get key(): NoteKey {
    return this.#key;
  }

  /** The signed checkpoint of everything that was acknowledged. */
  get checkpoint(): string {
    return this.#checkpoint;
  }

  /** The latest checkpoint with co-signatures that was saved, if any. */
  get witnessed(): string | undefined {
    return this.#witnessed;
  }

  /** Appends one entry (1 to 65,535 bytes); entries that wait together are committed together. Resolves when entry and
   *  checkpoint are durable. Throws LOG_ENTRY, LOG_BUSY, DISK_FAILED (this batch is not acknowledged) or LOG_STOPPED. */
  append(entry: Uint8Array): Promise<Appended> {
    if (entry.length === 0 || entry.length > maxEntryBytes) return Promise.reject(new AppError("LOG_ENTRY"));
    if (this.#isStopped) return Promise.reject(new AppError("LOG_STOPPED"));
    if (this.#waiting.length >= maxWaiting) return Promise.reject(new AppError("LOG_BUSY"));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry: entry.slice(), resolve, reject });
      this.#pump ??= this.#run();
    });
  }

  /** Waits for what was handed in, then takes no more. */
  async close(): Promise<void> {
    await this.#pump;
    this.#isStopped = true;
  }

  async #run(): Promise<void> {
    // What is appended in the same turn of the event loop is in the first batch already.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, maxBatch);
      try {
        const before = this.#tail;
        await this.#commit(batch.map(({ entry }) => entry));
        batch.forEach(({ resolve }, i) => resolve({ index: before.size + i, checkpoint: this.#checkpoint }));
        await this.#drop(before);
      } catch (error) {
        // A failed call leaves unknown what is durable (a failed fsync may have dropped the pages): only opening anew tells.
        this.#isStopped = true;
        for (const { reject } of batch) reject(error as Error);
        for (const { reject } of this.#waiting.splice(0)) reject(new AppError("LOG_STOPPED"));
      }
    }
    this.#pump = undefined;
  }

  async #commit(entries: readonly Uint8Array[]): Promise<void> {
    const { tail, files } = this.#tail.with(entries);
    const checkpoint = signCheckpoint({ size: tail.size, root: tail.root() }, this.#signer);
    await this.#files.publish(files);
    const present = await onDisk(() => this.#disk.read(checkpointPath));
    if (present === undefined || Buffer.from(present).toString("utf8") !== this.#checkpoint) throw new AppError("LOG_STOPPED");
    await this.#files.publish([{ path: checkpointPath, bytes: Buffer.from(checkpoint) }]);
    this.#tail = tail;
    this.#checkpoint = checkpoint;
  }

  /** Partial files that the new ones replace. What stays because of an error is tried again, or swept at the next opening. */
  async #drop(before: Tail): Promise<void> {
    const old = [...this.#stale.slice(-64), ...before.partials()];
    this.#stale = [];
    for (const name of old) {
      const width = widthAt(this.size, name.kind, name.index);
      if (width === name.width) continue;
      const path = tilePath(name);
      try {
        if (width === tileWidth) await this.#files.removeFolder(path.slice(0, path.lastIndexOf("/")));
        else await this.#disk.remove(path);
      } catch {
        this.#stale.push(name);
      }
    }
  }

  /** A hash tile: full, or that of the right edge. */
  async #tile(level: number, index: number): Promise<Uint8Array> {
    return this.#tail.partial(level, index) ?? this.#cache.get(level, index, async (path) => {
      const tile = await this.#read(path);
      if (tile.length !== tileWidth * hashBytes) throw new AppError("LOG_DAMAGED", { level, index });
      return tile;
    });
  }

  async #read(path: string): Promise<Uint8Array> {
    const bytes = await onDisk(() => this.#disk.read(path));
    if (bytes === undefined) throw new AppError("LOG_DAMAGED");
    return bytes;
  }

  async #hashes(ranges: readonly Range[]): Promise<Hash[]> {
    const hashes: Hash[] = [];
    for (const range of ranges) hashes.push(await hashOfRange(range, (level, index) => this.#tile(level, index), (...asked) => this.#cache.subtree(...asked)));
    return hashes;
  }

  /** The inclusion proof of entry `index` in the tree of the first `size` entries (RFC 9162, 2.1.3.1). Throws LOG_RANGE. */
  async inclusion(index: number, size: number = this.size): Promise<Hash[]> {
    this.#checkRange(index + 1, size);
    return this.#hashes(inclusionRanges(index, size));
  }

  /** The proof that the tree of `second` entries begins with that of `first` (2.1.4.1). Throws LOG_RANGE. */
  async consistency(first: number, second: number = this.size): Promise<Hash[]> {
    if (first !== 0) this.#checkRange(first, second);
    return this.#hashes(consistencyRanges(first, second));
  }

  /** The root of the first `size` entries. Throws LOG_RANGE. */
  async rootAt(size: number): Promise<Hash> {
    if (size === 0) return emptyRoot;
    this.#checkRange(size, size);
    return (await this.#hashes([[0, size]]))[0] as Hash;
  }

  #checkRange(first: number, size: number): void {
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(size) || first < 1 || first > size || size > this.size) throw new AppError("LOG_RANGE");
  }

  /** Entry `index`. Throws LOG_RANGE. */
  async entry(index: number): Promise<Uint8Array> {
    this.#checkRange(index + 1, this.size);
    return (await this.#bundle(Math.floor(index / tileWidth)))[index % tileWidth] as Uint8Array;
  }

  /** The entries [from, to), a bundle at a time in memory: to rebuild an index beside the log. */
  async *entries(from = 0, to: number = this.size): AsyncGenerator<{ readonly index: number; readonly entry: Uint8Array }> {
    if (from >= to) return;
    this.#checkRange(from + 1, this.size);
    this.#checkRange(to, this.size);
    for (let n = Math.floor(from / tileWidth); n * tileWidth < to; n++) {
      const bundle = await this.#bundle(n);
      for (const [i, entry] of bundle.entries()) {
        const index = n * tileWidth + i;
        if (index >= from && index < to) yield { index, entry };
      }
    }
  }

  async #bundle(n: number): Promise<readonly Uint8Array[]> {
    const tail = this.#tail.bundle(n);
    return tail ?? unpackEntries(await this.#read(tilePath({ kind: "entries", index: n, width: tileWidth })), tileWidth);
  }

  /** What the static API of tlog-tiles serves under a path (`checkpoint`, `tile/…`), or undefined. A partial tile of an
   *  earlier size is the beginning of what is there. */
  async resource(path: string): Promise<Uint8Array | undefined> {
    if (path === checkpointPath) return Buffer.from(this.#checkpoint);
    if (path === witnessedPath) return this.#witnessed === undefined ? undefined : Buffer.from(this.#witnessed);
    const name = parseTilePath(path);
    if (name === undefined || widthAt(this.size, name.kind, name.index) < name.width) return undefined;
    if (name.kind === "entries") return packEntries((await this.#bundle(name.index)).slice(0, name.width));
    return (await this.#tile(name.kind, name.index)).slice(0, name.width * 32);
  }

  /** Keeps a co-signed checkpoint; one of a smaller tree than the kept one changes nothing. Throws CHECKPOINT_FORMAT,
   *  CHECKPOINT_SIGNATURE, LOG_DAMAGED (another tree than the log's own), DISK_FAILED. */
  async saveWitnessed(note: string): Promise<void> {
    const { size } = await this.#checkWitnessed(note);
    if (this.#witnessed !== undefined && openOwn(this.#witnessed, this.#key).size > size) return;
    await this.#files.publish([{ path: witnessedPath, bytes: Buffer.from(note) }]);
    this.#witnessed = note;
  }

  async #checkWitnessed(note: string): Promise<Checkpoint> {
    const head = openCheckpoint(note, this.#key);
    if (head.size > this.size || !sameHash(await this.rootAt(head.size), head.root)) throw new AppError("LOG_DAMAGED");
    return head;
  }
}

async function textOf(disk: Disk, path: string): Promise<string | undefined> {
  const bytes = await disk.read(path);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString("utf8");
}

/** A checkpoint of this log. Throws LOG_KEY, or LOG_DAMAGED when it is no checkpoint. */
function openOwn(note: string, key: NoteKey): Checkpoint {
  try {
    return openCheckpoint(note, key);
  } catch (cause) {
    const isKey = cause instanceof AppError && cause.code === "CHECKPOINT_SIGNATURE";
    throw new AppError(isKey ? "LOG_KEY" : "LOG_DAMAGED", {}, { cause });
  }
}

