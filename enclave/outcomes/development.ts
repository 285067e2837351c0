// What a model version gave on the sample that it was judged on when it was built, and what came: the test part of its training job. Kept sealed at first
// use, so that every later report compares with the same sample, whatever becomes of the bank's data.
import { join } from "node:path";
import { AppError } from "../../core/errors.ts";
import type { LoadedDataset } from "../data/load.ts";
import type { SecretBox } from "../keys/box.ts";
import type { StateDatabase } from "../store/database.ts";
import { modelDigests, scoresOf } from "./scores.ts";

export type Development = { readonly probability: Float64Array; readonly label: Uint8Array; readonly source: string };
export type DevelopmentOptions = {
  readonly db: StateDatabase; readonly box: SecretBox; readonly results: string;
  /** Loads the bank's own data, for the labels. */
  readonly data: () => Promise<Pick<LoadedDataset, "ids" | "label">>;
};

/** Throws OUTCOME_DEVELOPMENT when nothing is kept and the training job's scores, or the labels, are gone. */
export async function developmentOf(model: string, options: DevelopmentOptions): Promise<Development> {
  const { db, box, results, data } = options;
  const row = db.get("select source, sealed from outcome_development where model = ?", model);
  if (row !== undefined && row["sealed"] instanceof Uint8Array) return unpacked(box.open(row["sealed"]), String(row["source"]));
  const id = [...modelDigests(db)].find(([, digest]) => digest === model)?.[0];
  const job = db.get("select job from models where model = ?", id ?? "")?.["job"];
  if (typeof job !== "string") throw new AppError("OUTCOME_DEVELOPMENT");
  const probability: number[] = [];
  const label: number[] = [];
  let labels: ReadonlyMap<string, number> | undefined;
  for await (const score of scoresOf(join(results, job, "scores.csv"))) {
    if (score.part !== "test") continue;
    labels ??= await labelsOf(data);
    const known = labels.get(score.id);
    if (known === undefined) continue;
    probability.push(score.probability);
    label.push(known);
  }
  return keepDevelopment(model, { probability: Float64Array.from(probability), label: Uint8Array.from(label), source: job }, { db, box });
}

async function labelsOf(data: DevelopmentOptions["data"]): Promise<ReadonlyMap<string, number>> {
  const { ids, label } = await data();
  if (label === undefined) throw new AppError("OUTCOME_DEVELOPMENT");
  return new Map(ids.map((id, row) => [id, label[row] ?? 0]));
}

/** Throws OUTCOME_DEVELOPMENT for a sample with fewer than two goods or bads, or whose numbers are no probabilities and labels. */
export function keepDevelopment(model: string, development: Development, { db, box }: Pick<DevelopmentOptions, "db" | "box">): Development {
  const { probability, label, source } = development;
  const bads = label.reduce((sum, y) => sum + y, 0);
  const isSample = probability.length === label.length && bads >= 2 && label.length - bads >= 2 && label.every((y) => y <= 1) && probability.every((p) => p >= 0 && p <= 1);
  if (!isSample) throw new AppError("OUTCOME_DEVELOPMENT");
  const packed = Buffer.concat([Buffer.from(probability.buffer, probability.byteOffset, probability.byteLength), label]);
  db.run("insert or replace into outcome_development values (?, ?, ?)", model, source, box.seal(packed));
  return development;
}

/** 9 bytes a row: the probabilities, then the labels. */
function unpacked(bytes: Uint8Array, source: string): Development {
  const rows = Math.floor(bytes.length / 9);
  const probability = new Float64Array(bytes.slice(0, 8 * rows).buffer);
  return { probability, label: bytes.slice(8 * rows), source };
}
