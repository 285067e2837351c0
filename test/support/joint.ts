// Whole training and scoring jobs in memory: the real roles over the test world, real kernels, tables from CSV files or generated.
import { assert } from "chai";
import type { z } from "zod";
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import type { GuestConsents } from "../../federation/consents/guest.ts";
import { holdingParty, type HostConsents } from "../../federation/consents/host.ts";
import type { FinishedHost } from "../../federation/finish/end.ts";
import type { GuestGuard, HostGuard } from "../../federation/guards.ts";
import { opaqueName } from "../../federation/binning/guest.ts";
import type { Party } from "../../federation/party.ts";
import { alignFeature } from "../../federation/rows/align.ts";
import { compileLeakage, type Compiled } from "../../federation/leakage.ts";
import type { DatasetSummary } from "../../federation/plan-schema.ts";
import type { SetIntersection } from "../../federation/psi/intersection.ts";
import { setDigest } from "../../federation/psi/own-set.ts";
import { finishGuest, guestHalf, type GuestHalf } from "../../federation/scorecard/finish.ts";
import { scorecardGuest, type ScorecardGuestResult } from "../../federation/scorecard/guest.ts";
import type { HostHalf } from "../../federation/scorecard/half.ts";
import { scorecardHost } from "../../federation/scorecard/host.ts";
import { scorecardJobSchema, type ScorecardJobParams } from "../../federation/scorecard/params.ts";
import { scoreGuest, type BatchScores } from "../../federation/score/guest.ts";
import { scoreHost } from "../../federation/score/host.ts";
import type { ScoreExplain } from "../../federation/score/params.ts";
import type { HostExplain } from "../../federation/score/reasons-host.ts";
import type { Feature } from "../../models/features.ts";
import type { Moments } from "../../models/linear/moments.ts";
import { pooledScorecard, type OracleResult } from "../../models/oracle.ts";
import type { Job } from "./csv.ts";
import { seededDraw } from "./draw.ts";
import { partyWith, type Program, type World } from "./world.ts";

export type Trained = { readonly result: ScorecardGuestResult; readonly half: GuestHalf; readonly receipts: readonly FinishedHost[]; readonly moments: Moments };
export type JointOptions = {
  readonly params?: z.input<typeof scorecardJobSchema>;
  readonly intersection?: SetIntersection;
  readonly hostGuard?: (host: string) => HostGuard;
  readonly guestGuard?: GuestGuard;
  /** Consents: what the guest shows, and how each host checks. */
  readonly guestConsents?: GuestConsents;
  readonly hostConsents?: (host: string) => HostConsents | undefined;
  /** Changes what a party does on the way: to watch it or to make it deviate. */
  readonly wrap?: (party: Party) => Party;
};

export const receiptOf = (host: string) => async (model: { id: string; digest: string }) => (
  { receipt: `${host} ${model.digest}`, account: { phases: [], sent: [], peakRssMb: 1, layers: [] } });
export const setSecret = (host: PartyId): Uint8Array => new Uint8Array(32).fill(host.length);

export const idOf = (record: number): EntityId => `company-${record}` as EntityId;
export const namesOf = (job: Job): string[] => [job.guest.name, ...job.hosts.map((h) => h.name)];
export const jobParams = (options: JointOptions = {}): ScorecardJobParams => scorecardJobSchema.parse({ split: { kind: "file" }, ...options.params });

/** What a host of a job holds: the companies of which it knows anything, in an order of its own, and some that the guest does not have. */
export function holding(job: Job, host: number): { ids: EntityId[]; features: Feature[] } {
  const table = job.hosts[host]?.table ?? { rows: 0, features: [] };
  const known = (row: number): boolean => table.features.some((f) => (f.kind === "numeric" ? Number.isFinite(f.values[row]) : f.codes[row] !== -1));
  const records = [...Array(table.rows).keys()].filter(known).toReversed();
  const strangers = [-1, -1, -1];
  const rows = Int32Array.from([...records, ...strangers]);
  const ids = [...records.map(idOf), ...strangers.map((_, i) => `stranger-${host}-${i}` as EntityId)];
  return { ids, features: table.features.map((f) => alignFeature(f, rows)) };
}

/** Stands in for an alignment protocol (test/federation/psi.test.ts has the real one): opens with the same messages, then looks at both sets. */
export function plainIntersection(sets: Readonly<Record<string, readonly EntityId[]>>): SetIntersection {
  return {
    protocol: "in-the-clear",
    async guest(party, host, ids, options) {
      await party.send(host, "psi/open", { size: ids.length, setDigest: await setDigest(ids, options.setSecret) });
      const { size } = await party.receive(host, "psi/ready");
      const at = new Map((sets[host] ?? []).map((id, i) => [id, i]));
      return { matched: Int32Array.from(ids, (id) => at.get(id) ?? -1), hostSize: size };
    },
    async host(party, guest, ids, options) {
      const open = await party.receive(guest, "psi/open");
      await options.admit(open);
      await party.send(guest, "psi/ready", { size: ids.length });
      return { order: Int32Array.from(ids.keys()), guestSize: open.size };
    },
  };
}

/** Guards that allow everything. */
export const openHostGuard: HostGuard = {
  admitSet() {}, admitRows() {}, admitCompany() {}, chargeQueries() {}, chargeBits() {}, chargeTotals() {}, chargeScores() {}, chargeEvaluation() {},
};
export function openGuestGuard(): GuestGuard {
  let rows = 0;
  return {
    setRows: (_, trainRows) => {
      rows = trainRows;
    },
    labelBudget: () => Math.floor(0.05 * rows),
    chargeLabelRank() {},
  };
}

/** A host whose companies consent lets nothing out without asking again. */
const careful = (party: Party, consents: HostConsents | undefined): Party => (consents === undefined ? party : holdingParty(party, consents));

/** One program per party of a training job. */
export function trainPrograms(job: Job, options: JointOptions = {}): Record<string, Program<unknown>> {
  const params = jobParams(options);
  const guest = partyId(job.guest.name);
  const hosts = job.hosts.map((h) => partyId(h.name));
  const holdings = job.hosts.map((_, i) => holding(job, i));
  const intersection = options.intersection ?? plainIntersection(Object.fromEntries(holdings.map((h, i) => [hosts[i], h.ids])));
  const wrap = options.wrap ?? ((party: Party): Party => party);
  const guestOf = async (plain: Party): Promise<Trained> => {
    let moments: Moments | undefined;
    const party = wrap(partyWith(plain, {
      phase: async (name, work) => plain.phase(name, async () => {
        const made = await work();
        if (name === "moments") ({ moments } = made as { moments: Moments });
        return made;
      }),
    }));
    const guard = options.guestGuard ?? openGuestGuard();
    const result = await scorecardGuest(party, {
      hosts, params, ids: [...job.label.keys()].map(idOf), label: job.label, features: job.guest.table.features,
      trainOf: params.split.kind === "file" ? Uint8Array.from(job.label, (_, row) => (row < job.trainRows ? 1 : 0)) : undefined,
      setSecret, guard, intersection, consents: options.guestConsents,
    });
    const half = guestHalf(party.job, hosts, result, params);
    const receipts = await finishGuest(party, hosts, result, half, params.feedback === undefined ? undefined : guard);
    return { result, half, receipts, moments: moments as Moments };
  };
  const hostOf = (i: number): Program<HostHalf> => (party) => scorecardHost(careful(wrap(party), options.hostConsents?.(hosts[i] ?? "")), {
    guest, hosts, params, ...(holdings[i] ?? { ids: [], features: [] }), guard: options.hostGuard?.(hosts[i] ?? "") ?? openHostGuard,
    intersection, receipt: receiptOf(hosts[i] ?? ""), consents: options.hostConsents?.(hosts[i] ?? ""),
  });
  return { [guest]: guestOf, ...Object.fromEntries(hosts.map((h, i) => [h, hostOf(i)])) };
}

/** The part of a job's plan that its leakage statement follows from. */
export function planOf(job: Job, kind: "scorecard" | "score", params: object): Parameters<typeof compileLeakage>[0] {
  const size = (rows: number, features: number, labelled: boolean): DatasetSummary => ({ name: "loans", rows, features, labelled, snapshotDigest: "0".repeat(64) });
  const hosts = job.hosts.map((h, i) => [partyId(h.name), size(holding(job, i).ids.length, h.table.features.length, false)] as const);
  const guest = partyId(job.guest.name);
  const datasets = { [guest]: size(job.label.length, job.guest.table.features.length, true), ...Object.fromEntries(hosts) };
  return { kind, guest, hosts: hosts.map(([h]) => h), datasets, params: params as Record<string, unknown> };
}

/** Every type that was sent is in the statement between these two parties, with as many messages and bytes at most. */
export function assertInsidePlan(job: Job, world: World, options: JointOptions = {}): void {
  assertWithin(compileLeakage(planOf(job, "scorecard", jobParams(options))), world);
}
export function assertWithin({ leakage, log2FloodDistance }: Compiled, world: World): void {
  assert.isAtMost(log2FloodDistance, -40);
  const keys = new Set(world.sent.map((m) => `${m.from}>${m.to} ${m.type}`));
  for (const key of keys) {
    const sent = world.sent.filter((m) => `${m.from}>${m.to} ${m.type}` === key);
    const item = leakage.find((i) => `${i.from}>${i.to} ${i.type}` === key);
    // The stand-in of the intersection opens as ECDH does, also where the sizes ask for oblivious transfer.
    if (item === undefined && / psi\/(open|ready)$/.test(key) && leakage.some((i) => i.type === "kkrt/open")) continue;
    assert(item, `${key} is not in the statement`);
    assert.isAtMost(sent.length, item.maxMessages, key);
    assert.isAtMost(sent.reduce((sum, m) => sum + m.bytes, 0), item.maxBytes, key);
  }
}

export type ScoreOptions = Omit<JointOptions, "params"> & {
  readonly half: GuestHalf; readonly hostHalves: Readonly<Record<string, HostHalf>>; readonly present?: readonly string[]; readonly records?: readonly number[];
  /** What the plan says of explanations, and what the hosts named there tell. */
  readonly explain?: ScoreExplain; readonly telling?: Omit<HostExplain, "reasons">;
};

/** One program per party of a scoring job over some records of the same tables. */
export function scorePrograms(job: Job, options: ScoreOptions): Record<string, Program<unknown>> {
  const guest = partyId(job.guest.name);
  const present = job.hosts.map((h) => h.name).filter((h) => options.present?.includes(h) ?? true).map(partyId);
  const holdings = new Map(job.hosts.map((h, i) => [partyId(h.name), holding(job, i)]));
  const intersection = options.intersection ?? plainIntersection(Object.fromEntries([...holdings].map(([h, { ids }]) => [h, ids])));
  const records = Int32Array.from(options.records ?? job.label.keys());
  const wrap = options.wrap ?? ((party: Party): Party => party);
  const guestOf: Program<BatchScores> = (party) => scoreGuest(wrap(party), {
    hosts: present, half: options.half, ids: [...records].map(idOf), features: job.guest.table.features.map((f) => alignFeature(f, records)), setSecret, intersection,
    ...(options.explain && { explain: options.explain }), consents: options.guestConsents,
  });
  const hostOf = (host: PartyId): Program<void> => (party) => scoreHost(careful(wrap(party), options.hostConsents?.(host)), {
    consents: options.hostConsents?.(host),
    guest, hosts: present, half: options.hostHalves[host] as HostHalf, ...(holdings.get(host) ?? { ids: [], features: [] }),
    guard: options.hostGuard?.(host) ?? openHostGuard, intersection, receipt: receiptOf(host),
    explain: options.explain?.hosts.includes(host) === true && options.telling !== undefined ? { ...options.telling, reasons: options.explain.reasons } : undefined,
  });
  return { [guest]: guestOf, ...Object.fromEntries(present.map((h) => [h, hostOf(h)])) };
}

/** The same job on the pooled table, rows in the order that the guest drew. */
export function oracleOf(job: Job, rows: Int32Array, params: ScorecardJobParams): OracleResult {
  const ordered = (features: readonly Feature[]): Feature[] => features.map((f) => alignFeature(f, rows));
  return pooledScorecard({
    label: Uint8Array.from(rows, (r) => job.label[r] ?? 0), trainRows: job.trainRows, params: params.scorecard,
    guest: { name: job.guest.name, table: { rows: rows.length, features: ordered(job.guest.table.features) } },
    hosts: job.hosts.map(({ name, table }) => (
      { name, table: { rows: rows.length, features: ordered(table.features).map((f, i) => ({ ...f, name: opaqueName(i) })) } })),
  });
}

export type Generated = {
  readonly rows: number; readonly trainRows: number; readonly seed: number;
  /** Numeric features of the guest and of each host. */
  readonly guest: number; readonly hosts: readonly number[];
  /** Share of the companies that a host does not hold. */
  readonly absent?: number;
  /** Whether the features tell anything about the label. */
  readonly signal?: number;
};

/** Companies with one hidden quality per party; each feature is that quality with noise, some values missing. Bads about 25 %. */
export function generatedJob(g: Generated): Job {
  const draw = seededDraw(g.seed);
  const signal = g.signal ?? 0.8;
  const qualities = [g.guest, ...g.hosts].map(() => Float64Array.from({ length: g.rows }, () => draw.normal()));
  const label = Uint8Array.from({ length: g.rows }, (_, row) => {
    const odds = -1.3 + signal * qualities.reduce((sum, q) => sum + (q[row] ?? 0), 0);
    return draw.uniform() < 1 / (1 + Math.exp(-odds)) ? 1 : 0;
  });
  const table = (party: number, count: number, absent: number): Job["guest"]["table"] => {
    const away = Uint8Array.from({ length: g.rows }, () => (draw.uniform() < absent ? 1 : 0));
    const features = Array.from({ length: count }, (_, k): Feature => {
      const values = Float64Array.from({ length: g.rows }, (_x, row) => {
        const value = (qualities[party]?.[row] ?? 0) + (0.5 + 0.2 * k) * draw.normal();
        return away[row] === 1 || draw.uniform() < 0.03 ? Number.NaN : value;
      });
      return { kind: "numeric", name: `x${party}_${k}`, values, special: [] };
    });
    return { rows: g.rows, features };
  };
  return {
    label, trainRows: g.trainRows,
    guest: { name: "bank", table: table(0, g.guest, 0) },
    hosts: g.hosts.map((count, i) => ({ name: `host_${"abcd"[i]}`, table: table(i + 1, count, g.absent ?? 0.1) })),
  };
}

/** The code and the named party of the AppError with which work fails: in the first party that noticed. */
export async function refusal(work: Promise<unknown>): Promise<{ code: string; party: unknown }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, party: error.facts["party"] };
    throw error;
  }
  return assert.fail("nothing was refused");
}
