// The parts of a leakage statement that every kind of job is built from: adding a line, and the messages of encrypted sums.
import type { PartyId } from "../core/brand.ts";
import { answerBytes, hintBytesPerCell, queryBytes, queryBytesPerCoefficient } from "../kernels/params.ts";
import { messageTable, type MessageType } from "./messages.ts";
import type { JobPlan, LeakageItem } from "./plan-schema.ts";
import type { Pair } from "./psi/choose.ts";
import { scoreJobSchema } from "./score/params.ts";
import { maxChunkBytes } from "./sums/messages.ts";

/** At most `messages` of `bytes` payload in all; `numbers`: what the receiver can compute from them. */
export type Add = (from: PartyId, to: PartyId, type: MessageType, messages: number, bytes: number, numbers: number) => void;
/** What a statement follows from. */
export type Sizes = Pick<JobPlan, "kind" | "guest" | "hosts" | "datasets" | "params">;

/** CBOR around the payload of one frame, at most. */
const frameOverhead = 256;
/** Special-value and missing bins beside the main fine bins of a feature, at most. */
export const extraBins = 16;

export const chunks = (items: number, perChunk: number): number => Math.max(1, Math.ceil(items / perChunk));
export const rowsOf = (plan: Sizes, party: PartyId): number => plan.datasets[party]?.rows ?? 0;
export const featuresOf = (plan: Sizes, party: PartyId): number => plan.datasets[party]?.features ?? 0;
/** Rows of the job: the guest's dataset, or the batch that it wants scored. */
export const jobRows = (plan: Sizes): number => (plan.kind === "score" ? scoreJobSchema.parse(plan.params).rows : rowsOf(plan, plan.guest));

/** The guest and a host as the choice of their alignment sees them. */
export const pairOf = (plan: Sizes, host: PartyId): Pair => (
  { guestRows: jobRows(plan), hostRows: rowsOf(plan, host), reusable: plan.datasets[host]?.reusable === true });

/** Lines of a statement, one per sender, receiver and type. */
export class Statement {
  readonly items: LeakageItem[] = [];
  readonly #at = new Map<string, number>();

  readonly add: Add = (from, to, type, messages, bytes, numbers) => {
    if (messages === 0) return;
    const key = `${from}>${to}:${type}`;
    const known = this.#at.get(key);
    const before = known === undefined ? undefined : this.items[known];
    const maxBytes = (before?.maxBytes ?? 0) + Math.ceil(bytes) + messages * frameOverhead;
    const item = { from, to, type, reveals: messageTable[type].reveals, maxMessages: (before?.maxMessages ?? 0) + messages, maxBytes, numbers: (before?.numbers ?? 0) + numbers };
    if (known === undefined) {
      this.#at.set(key, this.items.length);
      this.items.push(item);
    } else this.items[known] = item;
  };
}

type SumsUse = {
  readonly use: "binning" | "moments" | "cross" | "cells"; readonly querier: PartyId; readonly answerer: PartyId;
  readonly rows: number; readonly cells: number; readonly queries: number; readonly numbers: number;
};

/** Hint, queries and answers of one use of encrypted sums, each query in a flow of its own at worst. */
export function addSums(add: Add, { use, querier, answerer, rows, cells, queries, numbers }: SumsUse): void {
  if (cells === 0) return;
  const perQuery = queryBytes(rows);
  const cellsPerChunk = Math.floor(maxChunkBytes / hintBytesPerCell);
  add(answerer, querier, `${use}/hint`, chunks(cells, cellsPerChunk), cells * hintBytesPerCell, 0);
  add(querier, answerer, `${use}/query`, queries * chunks(perQuery, maxChunkBytes - queryBytesPerCoefficient), queries * perQuery, 0);
  add(answerer, querier, `${use}/answer`, queries * chunks(answerBytes(cells), maxChunkBytes), queries * answerBytes(cells), numbers);
}
