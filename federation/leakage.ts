// The leakage statement: for every message type of a job, how much of it may pass at most between which parties and how
// many numbers the receiver can compute from it. Compiled from the plan alone, so that every enclave can compile it again.
import type { PartyId } from "../core/brand.ts";
import { floodAdvantageBits, type PlannedAnswers } from "../kernels/privacy.ts";
import { hintBytesPerCell, queryBytesPerCoefficient, ringDegree } from "../kernels/params.ts";
import { maxCodeEnergy } from "../models/binning/woe.ts";
import { scorecardAttacks, type MeasuredAttack } from "./attacks.ts";
import { floors } from "./guards.ts";
import { messageTable, type MessageType } from "./messages.ts";
import type { JobPlan, LeakageItem } from "./plan-schema.ts";
import { chunkElements } from "./psi/messages.ts";
import { chunkRows } from "./rows/messages.ts";
import { ownValues } from "./moments/shape.ts";
import { scoreJobSchema, scorecardJobSchema } from "./scorecard/params.ts";
import { maxChunkBytes } from "./sums/messages.ts";
import { rowsPerChunk } from "./totals/messages.ts";

type Add = (from: PartyId, to: PartyId, type: MessageType, messages: number, bytes: number, numbers: number) => void;
/** CBOR around the payload of one frame, at most. */
const frameOverhead = 256;
/** Special-value and missing bins beside the main fine bins of a feature, at most. */
const extraBins = 16;

/** Stands for "no encrypted sum is answered": JSON has no minus infinity. */
const noAnswers = -1000;

const chunks = (items: number, perChunk: number): number => Math.max(1, Math.ceil(items / perChunk));

export type Compiled = { readonly leakage: LeakageItem[]; readonly log2FloodDistance: number; readonly attacks: readonly MeasuredAttack[] };

/** Everything that a job of this plan may send. Pure and deterministic. */
export function compileLeakage(plan: Pick<JobPlan, "kind" | "guest" | "hosts" | "datasets" | "params">): Compiled {
  const items: LeakageItem[] = [];
  const add: Add = (from, to, type, messages, bytes, numbers) => {
    if (messages === 0) return;
    const { reveals } = messageTable[type];
    const known = items.findIndex((i) => i.from === from && i.to === to && i.type === type);
    const before = items[known];
    if (before !== undefined) {
      const maxBytes = before.maxBytes + Math.ceil(bytes) + messages * frameOverhead;
      items[known] = { ...before, maxMessages: before.maxMessages + messages, maxBytes, numbers: before.numbers + numbers };
      return;
    }
    items.push({ from, to, type, reveals, maxMessages: messages, maxBytes: Math.ceil(bytes) + messages * frameOverhead, numbers });
  };
  alignment(plan, add);
  if (plan.kind === "scorecard") {
    const log2 = scorecard(plan, add);
    return { leakage: items, log2FloodDistance: log2, attacks: scorecardAttacks };
  }
  scoring(plan, add);
  return { leakage: items, log2FloodDistance: noAnswers, attacks: [] };
}

type Sizes = Pick<JobPlan, "kind" | "guest" | "hosts" | "datasets" | "params">;
const rowsOf = (plan: Sizes, party: PartyId): number => plan.datasets[party]?.rows ?? 0;
/** Rows of the job: the guest's dataset, or the batch that it wants scored. */
const jobRows = (plan: Sizes): number => (plan.kind === "score" ? scoreJobSchema.parse(plan.params).rows : rowsOf(plan, plan.guest));
const featuresOf = (plan: Sizes, party: PartyId): number => plan.datasets[party]?.features ?? 0;

function alignment(plan: Sizes, add: Add): void {
  const { guest, hosts } = plan;
  const n = jobRows(plan);
  for (const host of hosts) {
    const own = rowsOf(plan, host);
    add(guest, host, "psi/open", 1, 256, 1);
    add(host, guest, "psi/ready", 1, 256, 1);
    add(guest, host, "psi/blinded", chunks(n, chunkElements), n * 32, 0);
    add(host, guest, "psi/twice", chunks(n, chunkElements), n * 32, n);
    add(host, guest, "psi/own", chunks(own, chunkElements), own * 16, 0);
    add(guest, host, "rows/open", 1, 512, 2);
    add(guest, host, "rows/order", chunks(n, chunkRows), n * 4, n);
  }
  for (const a of [guest, ...hosts]) {
    for (const b of [guest, ...hosts]) {
      if (a === b) continue;
      add(a, b, "rows/confirm", 1, 512, 0);
      if (plan.kind === "score") continue;
      add(a, b, "seeds/commit", 1, 128, 0);
      add(a, b, "seeds/reveal", 1, 128, 0);
    }
  }
}

const queryBytes = (rows: number): number => queryBytesPerCoefficient * ringDegree * (chunks(rows, ringDegree) + 1);
const answerBytes = (cells: number): number => Math.ceil(cells * 5.5) + 64;

/** Adds the scorecard's messages; returns log2 of the statistical distance of all answers of one host to one party, the worst pair:
 *  two parties that put their answers of one host together must not collude (federation/moments/README.md). */
function scorecard(plan: Sizes, add: Add): number {
  const { guest, hosts } = plan;
  const params = scorecardJobSchema.parse(plan.params).scorecard;
  const n = jobRows(plan);
  const bins = params.fine.maxBins + extraBins;
  const refinements = params.fit.refinementRounds;
  const guestQueries = featuresOf(plan, guest) + 1 + refinements;
  const answered: PlannedAnswers[][] = [];
  for (const host of hosts) {
    const d = featuresOf(plan, host);
    const cells = d * bins;
    add(host, guest, "binning/offer", 1, d * (bins * 6 + 100), cells);
    sums(plan, add, { use: "binning", querier: guest, answerer: host, cells, queries: 1, numbers: cells });
    add(guest, host, "binning/merged", 1, d * (bins * 6 + 200) + 4096, Math.floor(floors.maxLabelRankPerRow * n));
    add(host, guest, "moments/own", chunks(ownValues(d) * 8, maxChunkBytes / 2), ownValues(d) * 8, ownValues(d));
    sums(plan, add, { use: "moments", querier: guest, answerer: host, cells: d, queries: guestQueries, numbers: guestQueries * d });
    add(guest, host, "totals/weights", 2 + refinements, (2 + refinements) * (d * 10 + 64), d * (2 + refinements));
    add(host, guest, "totals/masked", (1 + refinements) * chunks(n, rowsPerChunk), (1 + refinements) * n, (1 + refinements) * n);
    add(guest, host, "finish/next", 2 * refinements + 2, 0, 2 * refinements + 2);
    add(guest, host, "finish/model", 1, 1024, 0);
    add(host, guest, "finish/receipt", 1, 256 * 1024, 0);
    answered.push([
      { cells, columnEnergy: d * n, queries: 1 },
      { cells: d, columnEnergy: d * n * maxCodeEnergy, queries: guestQueries },
    ]);
  }
  const sorted = [...hosts].sort();
  for (const [i, a] of sorted.entries()) {
    for (const b of sorted.slice(i + 1)) {
      const [da, db] = [featuresOf(plan, a), featuresOf(plan, b)];
      sums(plan, add, { use: "cross", querier: a, answerer: b, cells: db, queries: da, numbers: 0 });
      add(a, guest, "cross/opened", da, da * db * 8, 0);
      add(b, guest, "cross/masks", da, da * db * 8, da * db);
      answered.push([{ cells: db, columnEnergy: db * n * maxCodeEnergy, queries: da }]);
    }
  }
  return Math.max(noAnswers, ...answered.map((answers) => floodAdvantageBits(answers)));
}

function sums(plan: Sizes, add: Add, use: { use: "binning" | "moments" | "cross"; querier: PartyId; answerer: PartyId; cells: number; queries: number; numbers: number }): void {
  const { querier, answerer, cells, queries } = use;
  if (cells === 0) return;
  const perQuery = queryBytes(jobRows(plan));
  const cellsPerChunk = Math.floor(maxChunkBytes / hintBytesPerCell);
  add(answerer, querier, `${use.use}/hint`, chunks(cells, cellsPerChunk), cells * hintBytesPerCell, 0);
  add(querier, answerer, `${use.use}/query`, queries * chunks(perQuery, maxChunkBytes - queryBytesPerCoefficient), queries * perQuery, 0);
  add(answerer, querier, `${use.use}/answer`, queries, queries * answerBytes(cells), use.numbers);
}

function scoring(plan: Sizes, add: Add): void {
  const n = jobRows(plan);
  for (const host of plan.hosts) {
    add(host, plan.guest, "totals/masked", chunks(n, rowsPerChunk), n, n);
    add(host, plan.guest, "finish/receipt", 1, 256 * 1024, 0);
  }
}
