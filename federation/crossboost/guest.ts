// Boosting on cross-party cells, guest: its own score first, then encrypted sums of residuals and weights over its own cells and the
// hosts' bins, boosting on those tables alone, and one oblivious total per company. The decisions are the pure functions of
// models/crossboost, shared with the plaintext oracle; what the hosts see are ciphertexts and uniform bytes.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { HintSource } from "../../kernels/api.ts";
import { decideStage, decideTables, prepare, setsOf, stageQueries, wantsStage, type HostAnswers, type Prepared, type Stage, type StageQueries } from "../../models/crossboost/guest.ts";
import { publicFolds } from "../../models/crossboost/draws.ts";
import { modelOf, type CrossboostModel } from "../../models/crossboost/model.ts";
import type { OwnColumn } from "../../models/crossboost/own.ts";
import { cellNoise, designOf, type CrossboostParams } from "../../models/crossboost/params.ts";
import type { Party } from "../party.ts";
import { Querier } from "../sums/querier.ts";
import { lookupTotal } from "./lookup.ts";
import { receiveOffer, type Offer } from "./offers.ts";

export type CrossboostGuestInput = {
  readonly hosts: readonly PartyId[]; readonly jointSeed: Uint8Array;
  readonly rows: number; readonly trainRows: number;
  /** 0 or 1 per row. */
  readonly label: Uint8Array;
  /** Own columns over the job's rows. */
  readonly columns: readonly OwnColumn[];
  readonly params: CrossboostParams;
};
export type CrossboostGuestResult = {
  readonly prepared: Prepared;
  readonly stages: readonly Stage[];
  readonly model: CrossboostModel;
  /** Hosts with a column in the tables. */
  readonly offers: readonly Offer[];
  /** Encrypted vectors asked of every host, and totals opened. */
  readonly queries: number; readonly opened: number;
  /** Log odds of an event per row: training rows out of fold, and without a part in the tables where they are held back. */
  readonly odds: Float64Array;
};

/** Runs the guest's part after alignment and joint seed. Throws JOB_NO_FEATURE when no host has a column that tells rows apart, MODEL_ONE_CLASS,
 *  MODEL_TOO_FEW_ROWS, and PROTOCOL_…, FLOOR_BINS or KERNEL_SUM_IMPOSSIBLE naming the host. */
export async function crossboostGuest(party: Party, input: CrossboostGuestInput): Promise<CrossboostGuestResult> {
  const { hosts, jointSeed, rows, trainRows, label, columns, params } = input;
  const design = designOf(params, trainRows);
  const prepared = await party.phase("own", async () => prepare({
    guest: party.self, columns, label, trainRows, rows, params, seed: party.rng("crossboost/seed")(32), foldOf: publicFolds(jointSeed, trainRows, design.folds),
  }));
  const querier = await Querier.open(party, { use: "cells", jointSeed, rows: trainRows });
  await using _ = querier;
  const { offers, hints } = await party.phase("hint", async () => {
    const offered = (await Promise.all(hosts.map((host) => receiveOffer(party, host, trainRows, design)))).filter((o) => o.columns.length > 0);
    if (offered.length === 0) throw new AppError("JOB_NO_FEATURE");
    return { offers: offered, hints: await Promise.all(offered.map((o) => querier.hint(o.host, o.cells))) };
  });
  const present = offers.map((o) => o.host);
  const stages: Stage[] = [];
  const asked: StageQueries[] = [];
  const answers = offers.map((): Float64Array[][] => []);
  let queries = 0;
  while (wantsStage(prepared, stages)) {
    const stage = await party.phase("cells", async () => {
      const next = stageQueries(prepared, stages);
      await Promise.all(hosts.map((host) => party.send(host, "cells/next", { step: "stage", vectors: next.vectors.length, present })));
      const made = await ask(querier, offers, hints, queries, next, params);
      for (const [h, sums] of made.entries()) answers[h]?.push(sums);
      return next;
    });
    asked.push(stage);
    queries += stage.vectors.length;
    const lookup = await party.phase("boost", async () => decideTables(prepared, asked, offers.map((o, h): HostAnswers => (
      { columns: o.columns, gram: o.gram, answers: answers[h] ?? [] }))));
    const total = await party.phase("lookup", () => lookupTotal(party, { hosts: present, lookup, cellOf: stage.cellOf, setOf: setsOf(prepared), round: stages.length }));
    const decision = await party.phase("fit", async () => decideStage(prepared, stages, total));
    stages.push({ queries: stage, lookup, total, decision });
  }
  await Promise.all(hosts.map((host) => party.send(host, "cells/next", { step: "end" })));
  return {
    prepared, stages, offers, queries, opened: stages.length, model: modelOf(prepared, stages, present),
    odds: stages.at(-1)?.decision.odds ?? prepared.odds,
  };
}

/** One batch of all vectors of a stage to every host, and their sums: per host, per vector. */
async function ask(
  querier: Querier, offers: readonly Offer[], hints: readonly HintSource[], first: number, { vectors }: StageQueries, params: CrossboostParams,
): Promise<Float64Array[][]> {
  const noise = vectors.map(() => cellNoise(params));
  const secrets = await querier.sendBatch(offers.map((o) => o.host), vectors, 1, { noise });
  return Promise.all(offers.map(async ({ host }, h) => {
    const sums = await querier.answers(host, first, hints[h] as HintSource, secrets);
    return sums.map((of) => Float64Array.from(of, Number));
  }));
}
