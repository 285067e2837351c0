// A world of probing watches, and what simulations of honest use and attacks share.
import type { KeyedHash, VectorHash } from "../../budgets/hashes.ts";
import { ClaimWatch } from "../../budgets/probing/claims.ts";
import { platformProbing, type ProbingPolicy } from "../../budgets/probing/policy.ts";
import { SetWatch } from "../../budgets/probing/sets.ts";
import { VectorWatch } from "../../budgets/probing/vectors.ts";
import type { Judgement, Verdict } from "../../budgets/probing/verdict.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { partyId } from "../../core/names.ts";
import { MemoryBudgetStore } from "./budget-store.ts";
import type { Draw } from "./draw.ts";

export const bank = partyId("bank");
export const minute = 60_000;
export const day = 86_400_000;
export const start = Date.parse("2026-03-01T00:00:00Z");

export type ProbingWorld = { store: MemoryBudgetStore; clock: { now: number }; claims: ClaimWatch; sets: SetWatch; vectors: VectorWatch };
export function probingWorld(policy: ProbingPolicy = platformProbing): ProbingWorld {
  const store = new MemoryBudgetStore();
  const clock = { now: start };
  const options = { store, now: () => clock.now, policyFor: () => policy };
  return { store, clock, claims: new ClaimWatch(options), sets: new SetWatch(options), vectors: new VectorWatch(options) };
}
/** As a keyed hash, for simulations of thousands of companies. */
export const fakeHash = (n: number): KeyedHash => sha256Hex(String(n)).slice(0, 32) as KeyedHash;
export const fakeVector = (values: readonly number[]): VectorHash => {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, v] of values.entries()) bytes.writeUInt32LE(Math.imul(v + 1, 2_654_435_761) >>> 0, 4 * i);
  return bytes.toString("base64") as VectorHash;
};

export type Tally = { requests: number; alert: number; slow: number; refuse: number };
export const tallyOf = (): Tally => ({ requests: 0, alert: 0, slow: 0, refuse: 0 });
export const note = (tally: Tally, verdict: Verdict): void => {
  tally.requests++;
  if (verdict !== "allow") tally[verdict]++;
};
/** Asks, waits as long as it is told to, and asks again. Returns the last judgement. */
export function insist(w: ProbingWorld, ask: () => Judgement): Judgement {
  let judgement = ask();
  for (let i = 0; i < 5 && !judgement.admitted && judgement.verdict === "slow"; i++) {
    w.clock.now = judgement.retryAt ?? w.clock.now;
    judgement = ask();
  }
  return judgement;
}
export const geometric = (draw: Draw, p: number): number => {
  let n = 0;
  while (draw.uniform() < p) n++;
  return n;
};
