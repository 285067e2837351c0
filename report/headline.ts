// The figures that the page and the terminal both open with.
import type { JointReport } from "./schema.ts";

export type Part = "train" | "test";
export const parts = ["train", "test"] as const;

export type Uplift = { readonly joint: number; readonly alone: number; readonly delta: number };

export function upliftOf(report: JointReport, metric: "auc" | "ks" | "gini", part: Part): Uplift {
  const [joint, alone] = [report.metrics[part][metric], report.guestOnly[part][metric]];
  return { joint, alone, delta: joint - alone };
}

/** Half width of the 95 % interval of an AUC (Hanley and McNeil 1982, equation 1); 0 without both outcomes. */
export function aucMargin(auc: number, goods: number, bads: number): number {
  if (goods === 0 || bads === 0) return 0;
  const q1 = auc / (2 - auc);
  const q2 = (2 * auc * auc) / (1 + auc);
  const variance = (auc * (1 - auc) + (bads - 1) * (q1 - auc * auc) + (goods - 1) * (q2 - auc * auc)) / (goods * bads);
  return 1.96 * Math.sqrt(Math.max(variance, 0));
}

export function guestOf(report: JointReport): string {
  return report.parties.find((p) => p.role === "guest")?.party ?? "";
}

export function hostsOf(report: JointReport): string[] {
  return report.parties.filter((p) => p.role === "host").map((p) => p.party);
}

export function sumOf(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

export function totalBytes(report: JointReport): number {
  return sumOf(report.traffic.map((line) => line.bytes));
}

/** Phases run one after the other, so their wall times add up. */
export function totalSeconds(report: JointReport): number {
  return sumOf(report.phases.map((phase) => phase.wallSeconds));
}

/** Colour index of a party: the guest first, hosts in the order of the job. */
export function colourOf(report: JointReport, party: string): number {
  const order = [guestOf(report), ...hostsOf(report)];
  return Math.max(order.indexOf(party), 0) % 8;
}

/** What a party was sent that tells it something: sentences without repeats, and how many numbers. */
export function learnedBy(report: JointReport, party: string): { reveals: { en: string; zh: string }[]; numbers: number } {
  const lines = report.leakage.ledger.filter((line) => line.to === party && line.messages > 0);
  const telling = lines.filter((line) => line.reveals.en !== "" || line.reveals.zh !== "");
  const reveals = new Map(telling.map((line) => [line.reveals.en, line.reveals]));
  return { reveals: [...reveals.values()], numbers: sumOf(lines.map((line) => line.numbers)) };
}
