// A plausible report from simulated scores: every figure is computed from them, so that the page that tests and people
// look at holds together. Seeded: the same options give the same report.
import { createHash } from "node:crypto";
import { woeTable } from "../../models/binning/woe.ts";
import { stabilityIndex } from "../../models/metrics/calibration.ts";
import { evaluatePart } from "../../models/metrics/evaluate.ts";
import { defaultScorecardParams } from "../../models/scorecard/params.ts";
import { insidePlan } from "../../report/plan-check.ts";
import type { CellsReport, JointReport, ReportBin, ReportFeature, ReportLeakageLine, ScorecardReport, TreesReport } from "../../report/schema.ts";

export type SampleOptions = {
  readonly hosts?: readonly string[];
  readonly rows?: number;
  readonly featuresPerHost?: number;
  readonly seed?: number;
};

type Draws = { uniform(): number; normal(): number };

function drawsOf(seed: number): Draws {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0; // mulberry32
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { uniform, normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()) };
}

const round = (value: number, digits = 6): number => Number(value.toFixed(digits));
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const hex = (text: string): string => createHash("sha256").update(text).digest("hex");

const guestNames = [
  "loan_amount", "guarantee_share", "term_bucket", "relation_months", "revolving_line", "branch_region", "inquiries_6m", "deposit_turnover",
];

function featureOf(party: string, own: boolean, index: number, draws: Draws, rows: { rows: number; bads: number }): ReportFeature {
  const strength = 0.9 * draws.uniform() ** 2 * (own ? 0.8 : 1.1);
  const bins = 3 + Math.floor(draws.uniform() * 5);
  const rate = rows.bads / rows.rows;
  const odds = rate / (1 - rate);
  const sizes = Array.from({ length: bins }, (_, b) => (0.6 + draws.uniform()) * (b === bins - 1 ? 0.3 : 1));
  const totals = sizes.map((size) => Math.round((rows.rows * size) / sum(sizes)));
  const events = totals.map((total, b) => {
    const binOdds = odds * Math.exp(strength * (1 - (2 * b) / (bins - 1)));
    return Math.max(5, Math.round((total * binOdds) / (1 + binOdds)));
  });
  const woe = woeTable(totals, events, "optbinning");
  const table = woe.rows.map((row, b): ReportBin => {
    const missing = b === bins - 1;
    const edge = b === bins - 2 ? "∞" : (b * 2.5 + 2.5).toFixed(2);
    const label = own && !missing ? { label: `[${(b * 2.5).toFixed(2)}, ${edge})` } : {};
    return { kind: missing ? "missing" : own ? "range" : "merged", ...row, ...label };
  });
  const { iv } = woe;
  const selected = iv >= 0.02;
  const fit = { standardError: round(0.008 + draws.uniform() * 0.02), pValue: round(draws.uniform() ** 8 * 0.2), vif: round(1 + draws.uniform()) };
  const weight = round(-0.1 - draws.uniform() * 0.12);
  return {
    party, name: own ? (guestNames[index] ?? `column_${index + 1}`) : `${party}/f${String(index + 1).padStart(3, "0")}`,
    iv: round(iv), bins, selected, reason: selected ? "selected" : "iv-low", trend: "descending", missingRate: round(draws.uniform() * 0.2),
    table: selected ? table.map((bin) => ({ ...bin, points: round(-weight * bin.woe * 160, 1) })) : table,
    ...(selected ? { weight, ...fit } : {}),
  };
}

type Lines = { statement: ReportLeakageLine[]; ledger: ReportLeakageLine[] };

function leakageOf(guest: string, hosts: readonly string[], total: number, features: number): Lines {
  const line = (
    from: string, to: string, type: string, zh: string, en: string, messages: number, bytes: number, numbers: number,
  ): ReportLeakageLine => ({ from, to, type, reveals: { zh, en }, messages, bytes, numbers, ...(numbers > 0 ? { companies: total } : {}) });
  const statement = hosts.flatMap((host, i) => [
    line(guest, host, "psi/open", "发起方集合的大小及其摘要", "the size of the guest's set and its digest", 1, 256, 1),
    line(guest, host, "psi/blinded", "", "", 8, total * 40, 0),
    line(host, guest, "psi/own", "数据方集合的大小；发起方的哪些企业也在数据方", "the size of the host's set; which of the guest's companies the host also holds", 12, total * 60, total),
    line(guest, host, "binning/query", "", "", 40, total * 15, 0),
    line(host, guest, "binning/answer", "数据方各细分箱的企业数与坏客户数（特征名不透明）", "companies and bads of each fine bin of the host's features, under opaque names", 40, features * 32 * 12, features * 64),
    line(guest, host, "binning/merged", "合并分箱及其 WOE", "merged bins and their WOE", 4, features * 120, features * 8),
    line(host, guest, "moments/answer", "特征之间的交叉矩", "cross moments between features", 60, features * features * 24, features * (features + 8)),
    ...hosts.slice(i + 1).flatMap((other) => [line(host, other, "moments/cross-query", "", "", 60, total * 13 * features, 0)]),
    line(guest, host, "fit/weights", "本方特征的权重", "the weights of its own features", 1, features * 16 + 200, features),
    line(host, guest, "totals/masked", "各方之和：每个企业的总分（单方不可见）", "the sum over all hosts: one total per company, no single host's part", 2, total * 9, total),
  ]);
  const ledger = statement.map((l) => ({ ...l, messages: Math.max(1, Math.floor(l.messages * 0.8)), bytes: Math.floor(l.bytes * 0.86) }));
  return { statement, ledger };
}

/** A report of one guest ("bank") and the given hosts. */
export function sampleReport(options: SampleOptions = {}): ScorecardReport {
  const { hosts = ["registry", "tax_social"], rows: total = 15_222, featuresPerHost = 9, seed = 7 } = options;
  const draws = drawsOf(seed);
  const guest = "bank";
  const trainRows = Math.floor(total * 0.7);
  const label = new Uint8Array(total);
  const [joint, alone] = [new Float64Array(total), new Float64Array(total)];
  for (let i = 0; i < total; i += 1) {
    const [own, others] = [draws.normal() * 0.42, draws.normal() * 0.44];
    [joint[i], alone[i]] = [own + others - 1.13, own - 1.1];
    label[i] = draws.uniform() < 1 / (1 + Math.exp(1.13 - own - others)) ? 1 : 0;
  }
  const rowsOf = (from: number, to: number): JointReport["rows"]["train"] => {
    const bads = sum([...label.subarray(from, to)]);
    return { rows: to - from, goods: to - from - bads, bads };
  };
  const rows = { total, train: rowsOf(0, trainRows), test: rowsOf(trainRows, total) };
  const both = (odds: Float64Array): JointReport["metrics"] =>
    ({ train: evaluatePart(odds, label, 0, trainRows), test: evaluatePart(odds, label, trainRows, total) });
  const features = [
    ...guestNames.map((_, i) => featureOf(guest, true, i, draws, rows.train)),
    ...hosts.flatMap((host) => Array.from({ length: featuresPerHost }, (_, i) => featureOf(host, false, i, draws, rows.train))),
  ];
  const strength = (party: string): number => sum(features.filter((f) => f.party === party && f.selected).map((f) => f.iv)) + 0.01;
  const all = sum([guest, ...hosts].map(strength));
  const parties = [guest, ...hosts];
  const { statement, ledger } = leakageOf(guest, hosts, total, featuresPerHost);
  const seconds = { load: 1.1, align: 4.6, seeds: 0.3, binning: 9.8, moments: 6.2, fit: 0.2, totals: 1.4, evaluate: 0.5, score: 0.9 };
  return {
    version: 1, job: "job_0k7q2v9xw4m1t8za", createdAt: "2026-11-20T07:00:00.000Z", purpose: "model-development",
    parties: parties.map((party) => ({ party, role: party === guest ? "guest" as const : "host" as const })),
    model: {
      kind: "scorecard", id: "model_5f0c8e1b7d24a963", convention: "optbinning",
      params: defaultScorecardParams(), calibration: { intercept: -1.0741, slopes: [0.0213, 0.0044], monotone: true },
      scaling: { points: 600, odds: 50, pdo: 20, base: 512.4 },
    },
    rows,
    alignedByHost: Object.fromEntries(hosts.map((host, i) => [host, { matched: Math.floor(total * (0.97 - 0.05 * i)), hostSize: total + 4000 * (i + 1) }])),
    metrics: both(joint), guestOnly: both(alone),
    stabilityIndex: stabilityIndex(joint.subarray(0, trainRows), joint.subarray(trainRows)),
    contribution: {
      r2: 0.081, guestR2: round((0.07 * strength(guest)) / all),
      parties: parties.map((party) => ({
        party, features: features.filter((f) => f.party === party && f.selected).length, alone: round((0.07 * strength(party)) / all),
        ofWhole: round(strength(party) / all), ofGain: party === guest ? 0 : round(strength(party) / (all - strength(guest))),
      })),
    },
    features,
    phases: Object.entries(seconds).map(([name, wallSeconds]) => ({
      name, wallSeconds, rounds: name.length, cpuSeconds: Object.fromEntries(parties.map((party, i) => [party, round(wallSeconds * (i === 0 ? 0.55 : 0.7 / i), 2)])),
    })),
    traffic: parties.flatMap((from) => parties.filter((to) => to !== from).map((to) => ({
      from, to, bytes: sum(ledger.filter((l) => l.from === from && l.to === to).map((l) => l.bytes)) + 2_400, messages: 40 + from.length * to.length,
    }))),
    peakRssMb: { platform: 142.4, ...Object.fromEntries(parties.map((party, i) => [`enclave.${party}`, 410 + 57.5 * i])) },
    leakage: {
      statement, ledger, insidePlan: insidePlan(statement, ledger), log2FloodDistance: -44.3,
      budgets: hosts.flatMap((host) => [
        { kind: "opened_totals", name: { zh: "每企业已开启总分", en: "opened totals per company" }, party: host, peer: guest, used: 1, limit: 2 },
        { kind: "label_rank", name: { zh: "标签查询秩 / 企业数", en: "rank of label queries / companies" }, party: host, peer: guest, used: 0.0121, limit: 0.05 },
        { kind: "new_ids", name: { zh: "本月新增企业标识", en: "new ids this month" }, party: host, peer: guest, used: total, limit: 50_000 },
      ]),
      attacks: [{
        name: { zh: "数据方由 WOE 推断标签（前 k 精度）", en: "A host guessing labels from WOE (top-k precision)" },
        result: { zh: "不高于模型自身 2 个百分点", en: "at most 2 points above the model itself" },
      }],
    },
    openedTotals: { opened: 1, limit: 2 },
    refinement: { rounds: 1, kept: 0 },
    protections: ["platform", ...parties.map((party) => `enclave.${party}`)].map((process, i) => ({
      process, layers: ["node-permission-model", "bubblewrap", "data-engine-locked", "outgoing-only", "state-sealed-at-rest"]
        .map((name) => ({ name, active: name !== "bubblewrap" || i > 1 })),
    })),
    versions: { yunei: "0.1.0", node: "26.10.0", duckdb: "1.5.5", echarts: "6.1.0" },
    digests: { plan: hex("plan"), model: hex("model"), rowOrder: hex("rows"), ledger: hex("ledger") },
    notes: [{ zh: "本机内核不允许用户命名空间，部分进程未启用 bubblewrap 沙箱。", en: "This kernel gives no user namespaces: some processes run without the bubblewrap sandbox." }],
  };
}

/** The same job as boosted trees. */
export function sampleTrees(options: SampleOptions = {}): TreesReport {
  const { features, contribution: _, refinement: __, ...rest } = sampleReport(options);
  const hosts = rest.parties.filter((p) => p.role === "host");
  return {
    ...rest, features: [], model: {
      kind: "gbdt", id: "model_5f0c8e1b7d24a963", params: { trees: 100, depth: 3, learningRate: 0.1 }, scaling: { points: 600, odds: 50, pdo: 20, base: 512.4 },
      trees: 87, stopped: "early-stopping", floorsLifted: false, noise: { gradient: 1, hessian: 0.25 },
      disclosed: hosts.map(({ party }, i) => ({ party, bitsPerRow: 12.4 + i, cuts: 41 + i, queries: 696 })),
      importance: features.map((f, i) => ({ party: f.party, name: f.name, gain: 100 / (i + 1), cover: 4000 / (i + 2), splits: 30 - Math.min(i, 29) })),
    },
  };
}

/** The same job as boosting on cross-party cells. */
export function sampleCells(options: SampleOptions = {}): CellsReport {
  const { features: _, contribution: __, refinement: ___, ...rest } = sampleReport(options);
  const hosts = rest.parties.filter((p) => p.role === "host");
  return {
    ...rest, features: [], model: {
      kind: "crossboost", id: "model_5f0c8e1b7d24a963", params: { steps: 100 }, scaling: { points: 600, odds: 50, pdo: 20, base: 512.4 },
      cells: 31, queries: 62, steps: 400, heldBackRows: 1_065, total: { weight: 0.8231, standardError: 0.0712, kept: true },
      columns: hosts.map(({ party }, i) => ({ party, columns: 7 + i })),
    },
  };
}
