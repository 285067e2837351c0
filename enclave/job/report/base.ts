// The report of a training job: what all kinds have in common, from what the guest measured and from the accounts that the
// hosts sent with their receipts. What only one kind has comes as `parts`.
import type { PartyId } from "../../../core/brand.ts";
import type { GuestAlignment } from "../../../federation/align/guest.ts";
import type { FinishedHost } from "../../../federation/finish/end.ts";
import { floors } from "../../../federation/guards.ts";
import type { JobPlan, LeakageItem } from "../../../federation/plan-schema.ts";
import { phaseNames, type PhaseName } from "../../../federation/phases.ts";
import { stabilityIndex } from "../../../models/metrics/calibration.ts";
import type { PartMetrics } from "../../../models/metrics/evaluate.ts";
import { insidePlan } from "../../../report/plan-check.ts";
import { jointReportSchema, type JointReport, type ReportLeakageLine } from "../../../report/schema.ts";
import type { ActiveLayer } from "../../confinement.ts";
import type { LedgerLine } from "../../ledger.ts";

export type Both = { readonly train: PartMetrics; readonly test: PartMetrics };
/** What only one kind of model has in its report. */
export type KindParts = Pick<JointReport, "model" | "features" | "contribution" | "refinement" | "notes">;
export type ReportInput = {
  readonly plan: JobPlan; readonly planDigest: string; readonly self: PartyId; readonly parts: KindParts;
  readonly alignment: GuestAlignment; readonly label: Uint8Array;
  /** Log odds of every row, and the quality of the joint and of the guest's own model. */
  readonly odds: Float64Array; readonly metrics: Both; readonly guestOnly: Both;
  /** The bank's own model, by the digest of its file. */
  readonly challenger: { readonly digest: string; readonly metrics: Both } | undefined;
  /** Totals opened per company in this job. */
  readonly opened: number;
  readonly hosts: readonly FinishedHost[];
  readonly ledger: { readonly sent: readonly LedgerLine[]; readonly received: readonly LedgerLine[] }; readonly ledgerDigest: string;
  readonly phases: readonly { readonly name: PhaseName; readonly wallSeconds: number; readonly cpuSeconds: number }[];
  readonly rounds: readonly { readonly name: PhaseName; readonly rounds: number }[];
  readonly layers: readonly ActiveLayer[]; readonly createdAt: string; readonly peakRssMb: number; readonly yuneiVersion: string;
  readonly budgets: JointReport["leakage"]["budgets"]; readonly modelDigest: string; readonly rowOrderDigest: string;
};

/** Builds and checks the report. */
export function buildReport(input: ReportInput): JointReport {
  const { plan, self, alignment, label, hosts, odds } = input;
  const { trainRows } = alignment;
  const both = <T>(of: (from: number, to: number) => T): { train: T; test: T } => ({ train: of(0, trainRows), test: of(trainRows, label.length) });
  const statement = plan.leakage.map((l) => statementLine(l));
  const ledger = ledgerLines(input, plan.leakage);
  return jointReportSchema.parse({
    version: 1, job: plan.job, createdAt: input.createdAt, purpose: plan.purpose,
    parties: [{ party: self, role: "guest" }, ...plan.hosts.map((party) => ({ party, role: "host" }))],
    ...input.parts,
    rows: {
      total: label.length,
      ...both((from, to) => {
        const bads = label.subarray(from, to).reduce((a, b) => a + b, 0);
        return { rows: to - from, goods: to - from - bads, bads };
      }),
    },
    alignedByHost: Object.fromEntries(alignment.byHost),
    metrics: input.metrics,
    guestOnly: input.guestOnly,
    ...(input.challenger === undefined ? {} : { challenger: input.challenger.metrics }),
    stabilityIndex: stabilityIndex(odds.slice(0, trainRows), odds.slice(trainRows)),
    phases: phases(input),
    traffic: traffic(ledger),
    peakRssMb: { [self]: input.peakRssMb, ...Object.fromEntries(hosts.map((h) => [h.host, h.account.peakRssMb])) },
    leakage: {
      statement, ledger, insidePlan: insidePlan(statement, ledger), budgets: input.budgets, log2FloodDistance: plan.log2FloodDistance,
      ...(plan.attacks.length === 0 ? {} : { attacks: plan.attacks }),
    },
    openedTotals: { opened: input.opened, limit: floors.maxTotalsPerRow },
    protections: [{ process: self, layers: [...input.layers] }, ...hosts.map((h) => ({ process: h.host, layers: h.account.layers }))],
    versions: { yunei: input.yuneiVersion, node: process.versions.node, v8: process.versions.v8, openssl: process.versions.openssl },
    digests: {
      plan: input.planDigest, model: input.modelDigest, "row-order": input.rowOrderDigest, ledger: input.ledgerDigest,
      ...(input.challenger === undefined ? {} : { challenger: input.challenger.digest }),
    },
  } satisfies Record<string, unknown>);
}

export const slug = (text: string): string => text.replace(/[^a-zA-Z0-9_./-]/g, "_");

function phases(input: ReportInput): JointReport["phases"] {
  const seconds = (list: readonly { name: PhaseName; cpuSeconds: number }[], name: PhaseName): number | undefined => list.find((p) => p.name === name)?.cpuSeconds;
  return phaseNames.flatMap((name) => {
    const own = input.phases.find((p) => p.name === name);
    if (own === undefined) return [];
    const cpu = [[input.self, own.cpuSeconds], ...input.hosts.map((h) => [h.host, seconds(h.account.phases, name)])].filter(([, s]) => s !== undefined);
    const rounds = input.rounds.find((r) => r.name === name)?.rounds ?? 0;
    return [{ name, rounds, wallSeconds: own.wallSeconds, cpuSeconds: Object.fromEntries(cpu) as Record<string, number> }];
  });
}

function statementLine(item: LeakageItem): ReportLeakageLine {
  return { from: item.from, to: item.to, type: item.type, reveals: item.reveals, messages: item.maxMessages, bytes: item.maxBytes, numbers: item.numbers };
}

/** What was sent, from each sender's own ledger; the receipts themselves from ours. `numbers` stays the plan's upper bound. */
function ledgerLines(input: ReportInput, leakage: readonly LeakageItem[]): ReportLeakageLine[] {
  const lines: LedgerLine[] = [...input.ledger.sent];
  for (const h of input.hosts) lines.push(...h.account.sent.filter((l) => l.from === h.host && l.type !== "finish/receipt"));
  lines.push(...input.ledger.received.filter((l) => l.type === "finish/receipt"));
  return lines.map((l) => {
    const item = leakage.find((i) => i.from === l.from && i.to === l.to && i.type === l.type);
    return { ...l, reveals: item?.reveals ?? { en: "", zh: "" }, numbers: item?.numbers ?? 0 };
  });
}

function traffic(lines: readonly ReportLeakageLine[]): JointReport["traffic"] {
  const sums = new Map<string, { from: string; to: string; bytes: number; messages: number }>();
  for (const l of lines) {
    const sum = sums.get(`${l.from}>${l.to}`) ?? { from: l.from, to: l.to, bytes: 0, messages: 0 };
    sums.set(`${l.from}>${l.to}`, { ...sum, bytes: sum.bytes + l.bytes, messages: sum.messages + l.messages });
  }
  return [...sums.values()];
}
