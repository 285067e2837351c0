// The leakage statement: for every message type of a job, how much of it may pass at most between which parties and how
// many numbers the receiver can compute from it. Compiled from the plan alone, so that every enclave can compile it again.
import { floodAdvantageBits, type PlannedAnswers } from "../kernels/privacy.ts";
import type { MeasuredAttack } from "./attacks.ts";
import { addConsents } from "./consents/needed.ts";
import { crossboostStatement } from "./crossboost/statement.ts";
import { evaluateStatement } from "./evaluate/statement.ts";
import { exportStatement } from "./export/statement.ts";
import { gbdtStatement } from "./gbdt/statement.ts";
import { hasCompanySet, type LeakageItem } from "./plan-schema.ts";
import type { MessageType } from "./messages.ts";
import { alignmentProtocol, kkrtTraffic, reusableTraffic } from "./psi/choose.ts";
import { chunkElements } from "./psi/messages.ts";
import { chunkRows } from "./rows/messages.ts";
import { scoreStatement } from "./score/statement.ts";
import { serveStatement } from "./serve/statement.ts";
import { verifyStatement } from "./verify/statement.ts";
import { watchStatement } from "./watch/statement.ts";
import { scorecardStatement } from "./scorecard/statement.ts";
import { chunks, jobRows, pairOf, rowsOf, Statement, type Add, type Sizes } from "./statement.ts";

/** Stands for "no encrypted sum is answered": JSON has no minus infinity. */
const noAnswers = -1000;

/** What a kind of job adds. `answered`: the answers of one host to one party, per pair of them: two parties that put their answers
 *  of one host together must not collude (federation/moments/README.md). */
export type KindStatement = { readonly answered: readonly (readonly PlannedAnswers[])[]; readonly attacks: readonly MeasuredAttack[] };

const kinds: Readonly<Record<Sizes["kind"], (plan: Sizes, add: Add) => KindStatement>> = {
  scorecard: scorecardStatement, crossboost: crossboostStatement, gbdt: gbdtStatement, score: scoreStatement, export: exportStatement, evaluate: evaluateStatement, serve: serveStatement, watch: watchStatement, verify: verifyStatement,
};

export type Compiled = { readonly leakage: LeakageItem[]; readonly log2FloodDistance: number; readonly attacks: readonly MeasuredAttack[] };

/** Everything that a job of this plan may send. Pure and deterministic. */
export function compileLeakage(plan: Sizes): Compiled {
  const statement = new Statement();
  if (hasCompanySet(plan.kind)) {
    alignment(plan, statement.add);
    addConsents(plan, statement.add);
  }
  const { answered, attacks } = kinds[plan.kind](plan, statement.add);
  return { leakage: statement.items, log2FloodDistance: Math.max(noAnswers, ...answered.map((answers) => floodAdvantageBits(answers))), attacks };
}

/** The sizes of both sets, which list of tags the guest has, and which of its ids the guest finds. */
function alignmentNumbers(type: MessageType, guestRows: number): number {
  const numbers: Partial<Record<MessageType, number>> = {
    "kkrt/open": 1, "kkrt/ready": 1, "kkrt/tags": guestRows, "psi/reuse-open": 2, "psi/reuse-ready": 1, "psi/twice": guestRows,
  };
  return numbers[type] ?? 0;
}

function alignment(plan: Sizes, add: Add): void {
  const { guest, hosts } = plan;
  const n = jobRows(plan);
  for (const host of hosts) {
    const own = rowsOf(plan, host);
    const protocol = alignmentProtocol(pairOf(plan, host));
    const traffic = protocol === "kkrt" ? kkrtTraffic(n, own) : protocol === "reusable" ? reusableTraffic(n, own) : undefined;
    if (traffic !== undefined) {
      for (const t of traffic) add(...(t.from === "guest" ? [guest, host] as const : [host, guest] as const), t.type, t.messages, t.bytes, alignmentNumbers(t.type, n));
    } else {
      add(guest, host, "psi/open", 1, 256, 1);
      add(host, guest, "psi/ready", 1, 256, 1);
      add(guest, host, "psi/blinded", chunks(n, chunkElements), n * 32, 0);
      add(host, guest, "psi/twice", chunks(n, chunkElements), n * 32, n);
      add(host, guest, "psi/own", chunks(own, chunkElements), own * 16, 0);
    }
    add(guest, host, "rows/open", 1, 512, 2);
    add(guest, host, "rows/order", chunks(n, chunkRows), n * 4, n);
  }
  for (const a of [guest, ...hosts]) {
    for (const b of [guest, ...hosts]) {
      if (a === b) continue;
      add(a, b, "rows/confirm", 1, 512, 0);
      if (plan.kind === "score" || plan.kind === "evaluate") continue;
      add(a, b, "seeds/commit", 1, 128, 0);
      add(a, b, "seeds/reveal", 1, 128, 0);
    }
  }
}
