// Crossboost on the pooled table in plaintext: the decisions of the roles with the encrypted sums and the lookup in the clear.
import { seededRng } from "../../core/rng.ts";
import { fineBin, type FineBinning } from "../binning/fine.ts";
import type { Feature, FeatureTable } from "../features.ts";
import { ranking, type Ranking } from "../metrics/ranking.ts";
import { publicFolds } from "./draws.ts";
import { decideStage, decideTables, prepare, setsOf, stageQueries, wantsStage, type HostAnswers, type Prepared, type Stage, type StageQueries } from "./guest.ts";
import { coarseGram, coarseLayout, foldedCells, guestFineOptions, hostFineOptions, type OfferedColumn } from "./host.ts";
import { modelOf, type CrossboostModel } from "./model.ts";
import type { OwnColumn } from "./own.ts";
import { cellNoise, designOf, type CrossboostParams } from "./params.ts";
import { chosenSums, openedBits, rowEntries, totalOf } from "./total.ts";

export type OracleParty = { readonly name: string; readonly table: FeatureTable };
/** Noise that a host adds to its sums of one query. `cells`: folds x bins over its columns. */
export type OracleNoise = (host: number, query: number, cells: number) => Int32Array;
export type OracleInput = {
  readonly label: Uint8Array;
  readonly trainRows: number;
  readonly guest: OracleParty;
  readonly hosts: readonly OracleParty[];
  readonly params: CrossboostParams;
  /** The guest's secret seed and the joint public one, 32 bytes each. */
  readonly seed: Uint8Array;
  readonly publicSeed: Uint8Array;
  /** Default: drawn as hosts draw it, from a seed of the host's number. */
  readonly noise?: OracleNoise;
};
/** A host's columns with more than one bin: the others are not offered. */
export type OracleHost = { readonly fine: readonly FineBinning[]; readonly offered: readonly OfferedColumn[]; readonly gram: Int32Array };
export type OracleResult = {
  readonly prepared: Prepared;
  readonly hosts: readonly OracleHost[];
  readonly stages: readonly Stage[];
  readonly opened: readonly Int16Array[];
  readonly model: CrossboostModel;
  /** Log odds of all rows; of training rows out of fold, and of those held back without a part in the tables. */
  readonly odds: Float64Array;
  readonly alone: Float64Array;
  readonly test: { readonly joint: Ranking; readonly alone: Ranking } | null;
};

/** Integer noise as hosts draw it: the sum of 12 uniforms of [0, 2^log2Sd) about its mean, then shifted with rounding. */
export function drawNoise(seed: Uint8Array, label: string, cells: number, noise: { readonly log2Sd: number; readonly shift: number }): Int32Array {
  const bytes = seededRng(seed, label)(48 * cells);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const mask = 2 ** noise.log2Sd - 1;
  const half = noise.shift > 0 ? 2 ** (noise.shift - 1) : 0;
  return Int32Array.from({ length: cells }, (_, c) => {
    let sum = 0;
    for (let i = 0; i < 12; i++) sum += view.getUint32(48 * c + 4 * i, true) & mask;
    return (sum - 6 * mask + half) >> noise.shift;
  });
}

/** Runs everything. Throws what the decisions throw. */
export function pooledCrossboost(input: OracleInput): OracleResult {
  const { label, trainRows, params, seed } = input;
  const rows = label.length;
  const design = designOf(params, trainRows);
  const foldOf = publicFolds(input.publicSeed, trainRows, design.folds);
  const columns = ownColumns(input.guest.name, input.guest.table.features, trainRows, params);
  const hosts = input.hosts.map((h) => oracleHost(h.table.features, trainRows, params));
  const noise = input.noise ?? ((host, query, cells) => drawNoise(new Uint8Array(32).fill(host + 1), `query/${query}`, cells, cellNoise(params)));
  const prepared = prepare({ guest: input.guest.name, columns, label, trainRows, rows, params, seed, foldOf });

  const stages: Stage[] = [];
  const opened: Int16Array[] = [];
  const asked: StageQueries[] = [];
  const answers: Float64Array[][][] = hosts.map(() => []);
  let query = 0;
  while (wantsStage(prepared, stages)) {
    const queries = stageQueries(prepared, stages);
    asked.push(queries);
    hosts.forEach((host, h) => {
      answers[h]?.push(queries.vectors.map((v, i) => answer(host, v, foldOf, design.folds, (cells) => noise(h, query + i, cells))));
    });
    query += queries.vectors.length;
    const parts = hosts.map(({ offered, gram }, h): HostAnswers => ({ columns: offered, gram, answers: answers[h] ?? [] }));
    const lookup = decideTables(prepared, asked, parts);
    const { entries, centres } = rowEntries(lookup, queries.cellOf, setsOf(prepared));
    const sums = new Int32Array(rows);
    hosts.forEach((host, h) => {
      chosenSums(host.offered, entries[h] as Int16Array, host.fine.map((f) => f.binOf)).forEach((x, row) => {
        sums[row] = (sums[row] as number) + x;
      });
    });
    const bits = openedBits(sums);
    const total = totalOf(lookup, bits, centres);
    opened.push(bits);
    stages.push({ queries, lookup, total, decision: decideStage(prepared, stages, total) });
  }
  const odds = stages.at(-1)?.decision.odds ?? prepared.odds;
  const test = rows > trainRows ? { joint: ranking(odds, label, trainRows, rows), alone: ranking(prepared.odds, label, trainRows, rows) } : null;
  return { prepared, hosts, stages, opened, model: modelOf(prepared, stages, input.hosts.map((h) => h.name)), odds, alone: prepared.odds, test };
}

/** The guest's own columns with their fine bins. */
export function ownColumns(party: string, features: readonly Feature[], trainRows: number, params: CrossboostParams): OwnColumn[] {
  return features.map((feature): OwnColumn => {
    const { shape, binOf } = fineBin(feature, guestFineOptions(trainRows, params));
    return { party, name: feature.name, ...shape, binOf };
  });
}

/** A host's columns, what it offers of them, and its coarse Gram. */
export function oracleHost(features: readonly Feature[], trainRows: number, params: CrossboostParams): OracleHost {
  const design = designOf(params, trainRows);
  const fine = features.map((f) => fineBin(f, hostFineOptions(f, trainRows, params, design))).filter((f) => f.bins > 1);
  const offered = fine.map(({ shape, bins, binOf }): OfferedColumn => {
    const count = Array.from({ length: bins }, () => 0);
    for (let row = 0; row < trainRows; row++) count[binOf[row] as number] = (count[binOf[row] as number] as number) + 1;
    return { shape, rows: count };
  });
  return { fine, offered, gram: coarseGram(fine, coarseLayout(offered), trainRows) };
}

/** A host's answer to one query in the clear: per column, folds x bins sums, each with noise. */
function answer(host: OracleHost, vector: Int32Array, foldOf: Uint8Array, folds: number, noise: (cells: number) => Int32Array): Float64Array {
  const cells = folds * host.fine.reduce((sum, f) => sum + f.bins, 0);
  const sums = Float64Array.from(noise(cells));
  let start = 0;
  for (const { binOf, bins } of host.fine) {
    const cellOf = folds === 1 ? binOf : foldedCells(binOf, bins, foldOf, folds);
    for (let row = 0; row < vector.length; row++) {
      const value = vector[row] as number;
      if (value === 0) continue;
      const cell = start + (cellOf[row] as number);
      sums[cell] = (sums[cell] as number) + value;
    }
    start += folds * bins;
  }
  return sums;
}
