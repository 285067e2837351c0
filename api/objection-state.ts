// The life of an objection (异议申诉) or an application for credit repair (信用修复) as a pure machine: (machine, change) -> machine.
//   lodged -> refused | accepted -> examining -> corrected | rejected | unconfirmed;  withdrawn from any that has not ended.
// 征信业管理条例 第二十五条: mark what is objected to, examine and decide within 20 days of receipt, answer in writing, correct what is wrong, take the
// mark off what is right, and record what cannot be established. Silence harms no company: an objection that nobody accepts is accepted.
import { AppError } from "../core/errors.ts";
import type { objectionOutcomes, objectionStates } from "./contract/subject.ts";

export type ObjectionState = (typeof objectionStates)[number];
export type ObjectionOutcome = (typeof objectionOutcomes)[number];
export type ObjectionMachine = {
  readonly at: ObjectionState;
  /** The answer came, or comes, after its term. */
  readonly overdue: boolean;
  /** ms */
  readonly acceptBy: number;
  readonly dueAt: number;
  readonly reason: string | null;
};
export type ObjectionChange =
  | { readonly type: "accept" }
  | { readonly type: "refuse"; readonly reason: string }
  /** The responsible party's enclave has it. */
  | { readonly type: "take" }
  | { readonly type: "answer"; readonly outcome: ObjectionOutcome; readonly reason: string }
  | { readonly type: "withdraw" }
  /** The clock, ms. */
  | { readonly type: "time"; readonly now: number };

const ended: ReadonlySet<ObjectionState> = new Set(["refused", "corrected", "rejected", "unconfirmed", "withdrawn"]);
/** While it stands here, what is objected to is marked. unconfirmed: the dispute stays on record with the item. */
const marked: ReadonlySet<ObjectionState> = new Set(["accepted", "examining", "unconfirmed"]);

export function hasEnded(state: ObjectionState): boolean {
  return ended.has(state);
}

export function isMarked(state: ObjectionState): boolean {
  return marked.has(state);
}

export function newObjection(terms: { readonly acceptBy: number; readonly dueAt: number }): ObjectionMachine {
  return { at: "lodged", overdue: false, reason: null, ...terms };
}

/**
 * The machine after a change; the same object if nothing changes (the same decision again, a clock that says nothing new).
 * Throws OBJECTION_STATE for a step that is not possible where it stands.
 */
export function changeObjection(o: ObjectionMachine, change: ObjectionChange): ObjectionMachine {
  switch (change.type) {
    case "accept":
      if (o.at === "lodged") return { ...o, at: "accepted" };
      return expect(o, o.at === "accepted" || o.at === "examining");
    case "refuse":
      if (o.at === "lodged") return { ...o, at: "refused", reason: change.reason };
      return expect(o, o.at === "refused" && o.reason === change.reason);
    case "take":
      return o.at === "accepted" ? { ...o, at: "examining" } : o;
    case "answer":
      if (o.at === "accepted" || o.at === "examining") return { ...o, at: change.outcome, reason: change.reason };
      return expect(o, o.at === change.outcome && o.reason === change.reason);
    case "withdraw":
      return hasEnded(o.at) ? expect(o, o.at === "withdrawn") : { ...o, at: "withdrawn" };
    case "time":
      return passTime(o, change.now);
    default:
      return change satisfies never;
  }
}

function passTime(o: ObjectionMachine, now: number): ObjectionMachine {
  if (hasEnded(o.at)) return o;
  if (o.at === "lodged" && now >= o.acceptBy) return { ...o, at: "accepted" };
  return !o.overdue && now >= o.dueAt ? { ...o, overdue: true } : o;
}

function expect(o: ObjectionMachine, isRepeated: boolean): ObjectionMachine {
  if (!isRepeated) throw new AppError("OBJECTION_STATE");
  return o;
}
