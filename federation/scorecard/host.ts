// The joint scorecard, host: aligns, bins, gives moments, applies its weights. It keeps its half of the model.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Feature } from "../../models/features.ts";
import { beginHost } from "../align/begin.ts";
import type { AlignHostInput } from "../align/host.ts";
import { binningHost, type BinningHostResult } from "../binning/host.ts";
import { receiveFeedback } from "../feedback/host.ts";
import { finishHost, type MakeReceipt } from "../finish/end.ts";
import type { HostGuard } from "../guards.ts";
import type { TypedBody } from "../messages.ts";
import { momentsHost } from "../moments/host.ts";
import type { Party } from "../party.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import { receiveWeights, sendTotals } from "../totals/host.ts";
import { hostHalf, type HostHalf } from "./half.ts";
import type { ScorecardJobParams } from "./params.ts";

export type ScorecardHostInput = {
  readonly guest: PartyId; readonly hosts: readonly PartyId[]; readonly params: ScorecardJobParams;
  readonly ids: readonly EntityId[]; readonly features: readonly Feature[];
  readonly guard: HostGuard; readonly intersection: SetIntersection;
  readonly receipt: MakeReceipt; readonly consents?: AlignHostInput["consents"];
};

/** Runs the job to its end and returns the host's half of the model. */
export async function scorecardHost(party: Party, input: ScorecardHostInput): Promise<HostHalf> {
  const { guest, guard, params } = input;
  const { seed, ...aligned } = await beginHost(party, input);
  const binned = await party.phase("binning", () => binningHost(party, {
    guest, hosts: input.hosts, jointSeed: seed, features: input.features, rowOf: aligned.rowOf, trainRows: aligned.trainRows,
    ...params.scorecard.fine, guard,
  }));
  return afterBinning(party, input, { seed, rows: aligned.rowOf.length, trainRows: aligned.trainRows, binned });
}

async function afterBinning(party: Party, input: ScorecardHostInput, state: {
  seed: Uint8Array; rows: number; trainRows: number; binned: BinningHostResult;
}): Promise<HostHalf> {
  const { guest, guard, hosts } = input;
  const { binned, rows, trainRows } = state;
  const { refinementRounds } = input.params.scorecard.fit;
  const columns = binned.columns.map((c) => c.column);
  const columnsOf = new Map(binned.merged.selected.map((s) => [s.party, s.columns]));
  const present = hosts.filter((h) => (columnsOf.get(h) ?? 0) > 0);
  if (present.includes(party.self)) guard.admitCompany(present.length);
  const answerer = await party.phase("moments", () => momentsHost(party, {
    guest, hosts, jointSeed: state.seed, columns: columns.map((c) => c.subarray(0, trainRows)), rows: trainRows,
    queries: binned.merged.queries, guard, columnsOf,
  }));
  let round = 0;
  let residuals = 0;
  let end: Extract<Next, { kind: "finish" }> | undefined;
  try {
    while (end === undefined) {
      const next = await nextStep(party, guest, round, columns.length);
      if (next.kind === "finish") end = next;
      // A total, then the residuals of that total and one more total, as often as the plan has refinements; nothing else.
      const inTurn = next.kind === "finish" || (next.kind === "weights" ? round === residuals : residuals < Math.min(round, refinementRounds));
      if (!inTurn) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: guest, round });
      if (next.kind === "residuals") {
        if (answerer !== undefined) guard.chargeQueries(`refinement/${residuals}`, 1);
        residuals++;
        await answerer?.answerBatch(1);
      }
      if (next.kind !== "weights") continue;
      if (answerer !== undefined) {
        await guard.chargeTotals(`round/${round}`);
        await party.phase("totals", () => sendTotals(party, {
          guest, present, round, label: `totals/${round}`, weights: next.weights, columns, rows,
        }));
      }
      round++;
    }
  } finally {
    await answerer?.[Symbol.asyncDispose]();
  }
  const selected = new Map(binned.columns.map((c) => [c.feature, input.features[c.feature]?.name ?? ""]));
  const feedback = input.params.feedback === undefined ? undefined : await receiveFeedback(party, guest, selected);
  const model = await finishHost(party, guest, input.receipt);
  return hostHalf({ party: party.self, model: model.id, digest: model.digest, guest, hosts: present, features: input.features, columns: binned.columns, trainRows, weights: end.weights, feedback });
}

type Weights = TypedBody<"totals/weights">;
type Next = { kind: "weights"; weights: Weights } | { kind: "residuals" } | { kind: "finish"; weights: Weights };

/** What the guest wants next: it says so in a message of its own, so that each receive still expects one type. The last
 *  weights are those of the model that is kept; nothing is opened for them. */
async function nextStep(party: Party, guest: PartyId, round: number, columns: number): Promise<Next> {
  const { step } = await party.receive(guest, "finish/next");
  if (step === "residuals") return { kind: "residuals" };
  const weights = await receiveWeights(party, guest, round, columns);
  return { kind: step, weights };
}
