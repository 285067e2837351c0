// The answering side: splits features over threads, streams the hint, floods and packs answers.
import { createHash } from "node:crypto";
import type { Rng } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { cellCount, type Answered, type AnswerOptions, type PlainColumns, type SumsHost } from "./api.ts";
import { requireCrsSeed } from "./crs.ts";
import { requireNoise } from "./noise.ts";
import { packAnswer } from "./pack.ts";
import { answerBytes, dataBlocks, hintBytesPerCell, queryBytes, sumsParams } from "./params.ts";
import type { Pool, Remote } from "./pool.ts";
import { indexedStreams } from "./streams.ts";
import type { AnswerWork, HostPartOptions } from "./workers/host-part.ts";

type Unit = { readonly slot: number; readonly index: number; readonly cells: number; readonly firstCell: number };
const partUrl = new URL("./workers/host-part.ts", import.meta.url);
/** Units (features) that one thread may have in work or waiting to be sent: enough to go on while a chunk is sealed and stored, and a
 *  bound of the memory of a hint. */
const unitsAhead = 4;

export async function openHost(pool: Pool, options: { crsSeed: Uint8Array; columns: PlainColumns; rng: Rng }): Promise<SumsHost> {
  const { columns } = options;
  const features = columns.kind === "bins"
    ? columns.features.map((f) => ({ data: f.binOf, cells: f.bins }))
    : columns.columns.map((data) => ({ data, cells: 1 }));
  requireCrsSeed(options.crsSeed);
  dataBlocks(columns.rows);
  for (const f of features) {
    const fits = f.data.length === columns.rows && Number.isInteger(f.cells) && f.cells >= 1 && f.cells <= 256;
    if (!fits) throw new AppError("KERNEL_COLUMNS", { rows: f.data.length, expected: columns.rows, cells: f.cells });
  }
  if (features.length === 0) throw new AppError("KERNEL_COLUMNS", { features: 0 });
  const hintSeed = options.rng(32);
  // Every secret below is bound to what it is used for. Even a caller who hands the same stream in twice, for other columns or
  // another CRS, gets a fresh r_c: the same one in two hints would show the difference of the columns.
  const context = createHash("sha256").update(options.crsSeed).update(hintSeed).update(`${columns.kind}/${columns.rows}`);
  for (const f of features) context.update(`/${f.cells}/`).update(f.data);
  const purpose = context.digest("hex");
  const slots = Math.min(pool.size, features.length);
  const part: HostPartOptions = { kind: columns.kind, rows: columns.rows, crsSeed: options.crsSeed, hintSeed, purpose: `hint/${purpose}` };
  const parts: Remote[] = [];
  const units: Unit[] = [];
  try {
    for (let slot = 0; slot < slots; slot++) parts.push(await pool.open(slot, partUrl, "openHostPart", [part]));
    let firstCell = 0;
    const added: Promise<unknown>[] = [];
    for (const [i, f] of features.entries()) {
      const slot = i % slots;
      units.push({ slot, index: Math.floor(i / slots), cells: f.cells, firstCell });
      // A copy that is moved: a view would be cloned with all of its buffer.
      const data = f.data.slice();
      added.push(required(parts[slot]).call("add", [data, f.cells, firstCell], [data.buffer]));
      firstCell += f.cells;
      // A few columns in flight: their copies must not pile up.
      if (added.length >= 4 * slots) await Promise.all(added.splice(0));
    }
    await Promise.all(added);
  } catch (error) {
    await Promise.all(parts.map((p) => p[Symbol.asyncDispose]()));
    throw error;
  }
  return new PooledHost({ rows: columns.rows, cells: cellCount(columns), parts, units, purpose });
}

class PooledHost implements SumsHost {
  readonly rows: number;
  readonly cells: number;
  readonly #parts: readonly Remote[];
  readonly #units: readonly Unit[];
  readonly #purpose: string;

  constructor(state: { rows: number; cells: number; parts: readonly Remote[]; units: readonly Unit[]; purpose: string }) {
    this.rows = state.rows;
    this.cells = state.cells;
    this.#parts = state.parts;
    this.#units = state.units;
    this.#purpose = state.purpose;
  }

  async *hint(chunkCells: number, fromCell = 0): AsyncGenerator<{ firstCell: number; bytes: Uint8Array }> {
    const inside = Number.isInteger(fromCell) && fromCell >= 0 && fromCell <= this.cells;
    if (!Number.isInteger(chunkCells) || chunkCells < 1 || !inside) throw new AppError("KERNEL_RANGE", { chunkCells, fromCell });
    let chunk = new Uint8Array(Math.min(chunkCells, this.cells - fromCell) * hintBytesPerCell);
    let filled = 0;
    let firstCell = fromCell;
    for await (const bytes of this.#unitHints(fromCell)) {
      for (let at = 0; at < bytes.length;) {
        const take = Math.min(bytes.length - at, chunk.length - filled);
        chunk.set(bytes.subarray(at, at + take), filled);
        at += take;
        filled += take;
        if (filled < chunk.length) continue;
        yield { firstCell, bytes: chunk };
        firstCell += filled / hintBytesPerCell;
        chunk = new Uint8Array(Math.min(chunkCells, this.cells - firstCell) * hintBytesPerCell);
        filled = 0;
      }
    }
  }

  /** Units in order, a few computed ahead on every thread. */
  async *#unitHints(fromCell: number): AsyncGenerator<Uint8Array> {
    const todo = this.#units.filter((u) => u.firstCell + u.cells > fromCell);
    const ahead: Promise<Uint8Array>[] = [];
    let next = 0;
    try {
      while (next < todo.length || ahead.length > 0) {
        for (; next < todo.length && ahead.length < unitsAhead * this.#parts.length; next++) {
          const unit = required(todo[next]);
          const made = required(this.#parts[unit.slot]).call<Uint8Array>("hint", [unit.index, Math.max(0, fromCell - unit.firstCell)]);
          // Its error is thrown when its turn comes; until then a lost thread must not end the process as an unhandled rejection.
          made.catch(() => undefined);
          ahead.push(made);
        }
        yield await required(ahead.shift());
      }
    } finally {
      await Promise.allSettled(ahead);
    }
  }

  async answer(queries: Uint8Array, asked: readonly AnswerOptions[]): Promise<Answered> {
    const one = queryBytes(this.rows);
    const expected = one * asked.length;
    if (expected === 0 || queries.length !== expected) throw new AppError("PROTOCOL_WRONG_SHAPE", { bytes: queries.length, expected });
    const works = asked.map((options, v) => this.#prepare(queries.subarray(v * one, (v + 1) * one), options));
    const shared = queries.buffer instanceof SharedArrayBuffer ? queries : new Uint8Array(new SharedArrayBuffer(queries.length));
    if (shared !== queries) shared.set(queries);
    const sums = new Float64Array(new SharedArrayBuffer(8 * this.cells * asked.length));
    await Promise.all(this.#parts.map((part) => part.call("answer", [shared, works, sums])));
    const bytes = answerBytes(this.cells);
    const answers = new Uint8Array(bytes * asked.length);
    for (let v = 0; v < asked.length; v++) {
      packAnswer(sums.subarray(v * this.cells, (v + 1) * this.cells), answers.subarray(v * bytes, (v + 1) * bytes));
    }
    return { answers, masks: works.map((work) => work.masks) };
  }

  /** Flood, noise and mask are bound to the query's bytes, the columns and the mode: two answers under one flood would show their
   *  difference, and two floods over one query could be averaged. */
  #prepare(query: Uint8Array, { flood, mask, noise }: AnswerOptions): AnswerWork {
    const tBits = mask?.tBits ?? sumsParams.maxTBits;
    if (!Number.isInteger(tBits) || tBits < 1 || tBits > sumsParams.maxTBits) throw new AppError("KERNEL_RANGE", { tBits });
    if (noise) requireNoise(noise);
    const mode = `${mask ? tBits : "open"}${noise ? `/${noise.log2Sd}.${noise.shift}` : ""}`;
    const use = `${this.#purpose}/${createHash("sha256").update(query).digest("hex")}/${mode}`;
    return {
      tBits,
      flood: { seed: flood(32), purpose: `flood/${use}` },
      noise: noise && { seed: noise.rng(32), purpose: `noise/${use}`, log2Sd: noise.log2Sd, shift: noise.shift },
      masks: mask && uniformMasks(indexedStreams(mask.rng(32), `mask/${use}`)(0)(8 * this.cells), tBits),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#parts.map((part) => part[Symbol.asyncDispose]()));
  }
}

/** Uniform integers mod 2^tBits: the low bits of 8 uniform bytes. */
function uniformMasks(random: Uint8Array<ArrayBuffer>, tBits: number): BigUint64Array {
  return new BigUint64Array(random.buffer).map((x) => BigInt.asUintN(tBits, x));
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new AppError("KERNEL_DISPOSED");
  return value;
}
