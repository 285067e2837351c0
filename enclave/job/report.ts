// The report of a joint scorecard, put together at the guest's enclave from what it decided and from the accounts that the
// hosts sent with their receipts.
import type { PartyId } from "../../core/brand.ts";
import type { FinishedHost, GuestHalf } from "../../federation/scorecard/finish.ts";
import type { ScorecardGuestResult } from "../../federation/scorecard/guest.ts";
import type { ScorecardJobParams } from "../../federation/scorecard/params.ts";
import { floors } from "../../federation/guards.ts";
import type { JobPlan, LeakageItem } from "../../federation/plan-schema.ts";
import { phaseNames, type PhaseName } from "../../federation/phases.ts";
import { stabilityIndex } from "../../models/metrics/calibration.ts";
import { pointsOfOdds } from "../../models/scorecard/points.ts";
import { insidePlan } from "../../report/plan-check.ts";
import { jointReportSchema, type JointReport, type ReportFeature, type ReportLeakageLine } from "../../report/schema.ts";
import type { ActiveLayer } from "../confinement.ts";
import type { LedgerLine } from "../ledger.ts";
import { describeBins } from "./describe-bins.ts";

export type ReportInput = {
  readonly plan: JobPlan; readonly planDigest: string; readonly self: PartyId; readonly params: ScorecardJobParams;
  readonly result: ScorecardGuestResult; readonly half: GuestHalf; readonly hosts: readonly FinishedHost[];
  readonly ledger: { readonly sent: readonly LedgerLine[]; readonly received: readonly LedgerLine[] }; readonly ledgerDigest: string;
  readonly phases: readonly { readonly name: PhaseName; readonly wallSeconds: number; readonly cpuSeconds: number }[];
  readonly layers: readonly ActiveLayer[]; readonly createdAt: string; readonly peakRssMb: number; readonly yuneiVersion: string;
  readonly budgets: JointReport["leakage"]["budgets"]; readonly modelDigest: string; readonly rowOrderDigest: string;
};

/** Builds and checks the report. */
export function buildReport(input: ReportInput): JointReport {
  const { plan, self, params, result, half, hosts } = input;
  const { fitted, alignment, label } = result;
  const { scaling } = params.scorecard;
  const { trainRows } = alignment;
  const both = <T>(of: (from: number, to: number) => T): { train: T; test: T } => ({ train: of(0, trainRows), test: of(trainRows, label.length) });
  const statement = plan.leakage.map((l) => statementLine(l));
  const ledger = ledgerLines(input, plan.leakage);
  const { odds } = fitted.stage;
  return jointReportSchema.parse({
    version: 1, job: plan.job, createdAt: input.createdAt, purpose: plan.purpose,
    parties: [{ party: self, role: "guest" }, ...plan.hosts.map((party) => ({ party, role: "host" }))],
    model: {
      kind: "scorecard", id: half.model, convention: params.scorecard.convention, params: params.scorecard,
      calibration: { intercept: fitted.stage.stage.intercept, slopes: fitted.stage.stage.slopes, monotone: fitted.stage.stage.monotone },
      scaling: { points: scaling.points, odds: scaling.odds, pdo: scaling.pdo, base: pointsOfOdds(fitted.model.intercept, scaling) },
    },
    rows: {
      total: label.length,
      ...both((from, to) => {
        const bads = label.subarray(from, to).reduce((a, b) => a + b, 0);
        return { rows: to - from, goods: to - from - bads, bads };
      }),
    },
    alignedByHost: Object.fromEntries(alignment.byHost),
    metrics: fitted.metrics,
    guestOnly: fitted.guestOnly,
    stabilityIndex: stabilityIndex(odds.slice(0, trainRows), odds.slice(trainRows)),
    contribution: {
      r2: fitted.shares.r2, guestR2: fitted.shares.guestR2,
      parties: fitted.shares.parties.map((p) => ({ ...p, features: fitted.fit.fit.columns.filter((c) => fitted.columns[c]?.party === p.party).length })),
    },
    features: features(input),
    phases: phases(input),
    traffic: traffic(ledger),
    peakRssMb: { [self]: input.peakRssMb, ...Object.fromEntries(hosts.map((h) => [h.host, h.account.peakRssMb])) },
    leakage: {
      statement, ledger, insidePlan: insidePlan(statement, ledger), budgets: input.budgets, log2FloodDistance: plan.log2FloodDistance,
      ...(plan.attacks.length === 0 ? {} : { attacks: plan.attacks }),
    },
    openedTotals: { opened: fitted.opened, limit: floors.maxTotalsPerRow },
    refinement: fitted.refinement,
    protections: [{ process: self, layers: [...input.layers] }, ...hosts.map((h) => ({ process: h.host, layers: h.account.layers }))],
    versions: { yunei: input.yuneiVersion, node: process.versions.node, v8: process.versions.v8, openssl: process.versions.openssl },
    digests: { plan: input.planDigest, model: input.modelDigest, "row-order": input.rowOrderDigest, ledger: input.ledgerDigest },
  } satisfies Record<string, unknown>);
}

function features(input: ReportInput): ReportFeature[] {
  const { result, self } = input;
  const { fitted } = result;
  let column = 0;
  return result.decisions.map((d, at): ReportFeature => {
    const own = result.own[at];
    const i = d.selected ? column++ : -1;
    const inFit = i >= 0 && fitted.fit.fit.columns.includes(i);
    const dropped = fitted.fit.dropped.find((x) => x.column === i);
    const points = fitted.points.rows.find((r) => r.party === d.party && r.name === d.name);
    const unit = 10 ** fitted.points.decimals;
    const missingBin = result.counts[at]?.missingBin ?? -1;
    const total = d.table.reduce((sum, b) => sum + b.total, 0);
    const kinds = describeBins(own, d, missingBin, d.party === self);
    const fit = fitted.fit.fit;
    return {
      party: d.party, name: d.name, iv: d.iv, bins: d.bins, selected: inFit,
      reason: slug(inFit ? "selected" : (dropped?.reason ?? d.reason ?? "selected")), trend: d.trend,
      missingRate: missingBin < 0 || total === 0 ? 0 : (result.counts[at]?.totals[missingBin] ?? 0) / total,
      ...(inFit ? {
        weight: (fitted.model.weights[i] ?? 0) / (fitted.columns[i]?.step ?? 1), standardError: standardError((fitted.model.weights[i] ?? 0) / (fitted.columns[i]?.step ?? 1), fit.tValues[i]),
        pValue: Math.min(1, Math.max(0, finite(fit.pValues[i]))), vif: finite(fit.vif[i]),
      } : {}),
      table: d.table.map((b, bin) => ({
        ...kinds[bin] ?? { kind: "merged" }, total: b.total, goods: b.goods, events: b.events, share: b.share, eventRate: b.eventRate, woe: b.woe, iv: b.iv,
        ...(inFit && points !== undefined && (d.party === self || input.params.scorecard.scaling.hostPoints) ? { points: (points.units[bin] ?? 0) / unit } : {}),
      })),
    };
  });
}

const finite = (value: number | undefined): number => (value !== undefined && Number.isFinite(value) ? value : 0);
/** On the scale of the final weight: the t value is that of the moment fit. */
const standardError = (weight: number, t: number | undefined): number => (t === undefined || t === 0 || !Number.isFinite(t) ? 0 : Math.abs(weight / t));
const slug = (text: string): string => text.replace(/[^a-zA-Z0-9_./-]/g, "_");

function phases(input: ReportInput): JointReport["phases"] {
  const seconds = (list: readonly { name: PhaseName; cpuSeconds: number }[], name: PhaseName): number | undefined => list.find((p) => p.name === name)?.cpuSeconds;
  return phaseNames.flatMap((name) => {
    const own = input.phases.find((p) => p.name === name);
    if (own === undefined) return [];
    const cpu = [[input.self, own.cpuSeconds], ...input.hosts.map((h) => [h.host, seconds(h.account.phases, name)])].filter(([, s]) => s !== undefined);
    return [{ name, wallSeconds: own.wallSeconds, cpuSeconds: Object.fromEntries(cpu) as Record<string, number> }];
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
