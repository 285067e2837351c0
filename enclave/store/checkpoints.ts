// Checkpoints of a running job: what a role keeps of a long loop in place of the messages that came in it. A file sealed under a key of
// the job's seed, so that it opens to nobody once the seed is erased; the database says which file counts, so a checkpoint is
// there whole or not at all.
import { createHash, hkdfSync } from "node:crypto";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { z } from "zod";
import type { JobId } from "../../core/brand.ts";
import { decodeFrame, encodeFrame } from "../../core/codec.ts";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import { SecretBox } from "../keys/box.ts";
import type { StateDatabase } from "./database.ts";

const counters = z.record(z.string(), z.number().int().min(0));
const keptSchema = z.strictObject({
  /** Messages sent to and received from each peer so far. */
  sent: counters,
  received: counters,
  labels: z.array(z.string()),
  /** Turns of the phase that it is in, and rounds of the phases so far (federation/rounds.ts). */
  turns: z.record(z.string(), z.tuple([z.number(), z.number()])),
  rounds: counters,
  state: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
});
export type Kept = z.output<typeof keptSchema>;
const nameForm = /^[a-z][a-z0-9-]{0,31}$/;

export class Checkpoints {
  readonly #db: StateDatabase;
  readonly #job: JobId;
  readonly #folder: string;
  readonly #box: SecretBox;

  /** seed: the job's own secret. folder: of the job; removed with it. */
  constructor(options: { db: StateDatabase; job: JobId; folder: string; seed: Uint8Array; rng: Rng }) {
    this.#db = options.db;
    this.#job = options.job;
    this.#folder = options.folder;
    const key = new Uint8Array(hkdfSync("sha256", options.seed, new Uint8Array(0), `yunei/checkpoint/v1|${options.job}`, 32));
    this.#box = new SecretBox(key, options.rng);
  }

  /** What was kept last under that name. Throws ENCLAVE_CHECKPOINT when there is one and it cannot be read. */
  read(name: string): Kept | undefined {
    const row = this.#row(name);
    if (row === undefined) return undefined;
    const path = this.#path(name, row.number);
    try {
      const sealed = readBytes(path);
      if (createHash("sha256").update(sealed).digest("hex") !== row.digest) throw new AppError("ENCLAVE_CHECKPOINT");
      const { type, body } = decodeFrame(this.#box.open(sealed));
      if (type !== `checkpoint/${name}/${row.number}`) throw new AppError("ENCLAVE_CHECKPOINT");
      this.#removeOthers(name, row.number);
      return keptSchema.parse(body);
    } catch (cause) {
      throw new AppError("ENCLAVE_CHECKPOINT", {}, { cause });
    }
  }

  /** Keeps it in place of what was there before. The file is whole and on disk before the row that makes it count; only then does the
   *  one before it go. */
  keep(name: string, kept: Kept): void {
    if (!nameForm.test(name)) throw new AppError("JOB_INTERNAL");
    const number = (this.#row(name)?.number ?? 0) + 1;
    const sealed = this.#box.seal(encodeFrame(`checkpoint/${name}/${number}`, kept));
    writeDurably(this.#path(name, number), sealed);
    this.#db.run(
      "insert into checkpoints values (?, ?, ?, ?) on conflict (job, name) do update set number = excluded.number, digest = excluded.digest",
      this.#job, name, number, createHash("sha256").update(sealed).digest("hex"));
    this.#removeOthers(name, number);
  }

  #row(name: string): { number: number; digest: string } | undefined {
    const row = this.#db.get("select number, digest from checkpoints where job = ? and name = ?", this.#job, name);
    return row === undefined ? undefined : { number: Number(row["number"]), digest: String(row["digest"]) };
  }

  /** Files of that name which do not count: older ones, and one that a killed process wrote before its row. */
  #removeOthers(name: string, number: number): void {
    if (!existsSync(this.#folder)) return;
    for (const file of readdirSync(this.#folder)) {
      const other = /^(.+)-(\d+)\.checkpoint(\.tmp)?$/.exec(file);
      if (other?.[1] === name && Number(other[2]) !== number) rmSync(`${this.#folder}/${file}`, { force: true });
    }
  }

  #path(name: string, number: number): string {
    return `${this.#folder}/${name}-${number}.checkpoint`;
  }
}
