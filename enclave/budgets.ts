// Budgets that persist over jobs and restarts (protocols.md, the leakage statement; review.md sections 2, 4 and 5).
// Companies are remembered as keyed hashes, so that the state database names nobody.
import { createHash } from "node:crypto";
import type { JobId, PartyId } from "../core/brand.ts";
import type { Clock } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { floors, type GuestGuard, type HostGuard } from "../federation/guards.ts";
import type { Service } from "../budgets/quota/policy.ts";
import type { Charge } from "./audit/job-audit.ts";
import { ChargeDesk, type DeskHooks } from "./charges/desk.ts";
import { standardBudgets } from "./charges/policy.ts";
import { ServiceCounts, setOpening, type Opening } from "./live/service-counts.ts";
import type { WrongRows } from "./live/wrong-claims.ts";
import { Openings, type OpeningOfSet } from "./openings.ts";
import { defaultEvaluationRule, type PolicyRule } from "./policy.ts";
import { hashBytes, hashRecord, RecordHashes } from "./record-hashes.ts";
import { RecordWork } from "./record-work.ts";
import type { StateDatabase } from "./store/database.ts";

export class Budgets {
  readonly #db: StateDatabase;
  readonly #now: Clock;
  readonly #key: Uint8Array;
  readonly #onCharge: (charge: Charge) => void;
  readonly #services = new Map<string, ServiceCounts>();
  readonly #opening: Opening = new Map();
  readonly #wrong = new Map<string, WrongRows>();
  readonly #openings: Openings;
  #last: Promise<unknown> = Promise.resolve();
  /** Quotas and signs of probing of all kinds of questions. */
  readonly desk: ChargeDesk;

  /** onCharge: hears of every charge before it is committed, and of every refused one; what it throws undoes the charge. */
  constructor(db: StateDatabase, now: Clock, key: Uint8Array, onCharge: (charge: Charge) => void = () => {},
    desk: DeskHooks = {}) {
    this.#onCharge = onCharge;
    this.#db = db;
    this.#now = now;
    this.#key = key;
    // What services answered in this moment counts, too.
    this.#openings = new Openings(db, () => {
      for (const counts of this.#services.values()) counts.write();
    });
    this.desk = new ChargeDesk({ db, now, key, hashOf: (institution, company) => this.hashId(institution, company), policy: () => standardBudgets, ...desk });
  }

  /** What services of this bank and model have used: one for all of them, so that a second service has no budget of its own. */
  serviceCounts(guest: PartyId, dataset: string, model: string): ServiceCounts {
    const scope = `${guest}|${model}`;
    const known = this.#services.get(scope) ?? new ServiceCounts({ db: this.#db, now: this.#now, hashOf: (company) => this.hashId(guest, company), guest, dataset, model, opening: this.#opening });
    this.#services.set(scope, known);
    return known;
  }

  /** Claims in a row that did not match, of one bank and data set: one for all services. */
  wrongRows(scope: string): WrongRows {
    const known = this.#wrong.get(scope) ?? { rows: new Map(), changed: new Set() };
    this.#wrong.set(scope, known);
    return known;
  }

  used(scope: string): number {
    return Number(this.#db.get("select coalesce(sum(amount), 0) as used from budget where scope = ?", scope)?.["used"] ?? 0);
  }

  /** What other jobs used: a replay of this job must find the same figure as its first run. */
  usedByOthers(scope: string, job: JobId): number {
    return Number(this.#db.get("select coalesce(sum(amount), 0) as used from budget where scope = ? and job <> ?", scope, job)?.["used"] ?? 0);
  }

  /** Charges once per (scope, job, label), or throws `code` and changes nothing. */
  charge(options: { scope: string; job: JobId; label: string; amount: number; limit: number; code: ConstructorParameters<typeof AppError>[0] }): void {
    const { scope, job, label, amount, limit } = options;
    this.#db.transaction(() => {
      if (this.#db.get("select 1 as x from budget where scope = ? and job = ? and label = ?", scope, job, label) !== undefined) return;
      const used = this.used(scope);
      if (used + amount > limit) {
        this.#onCharge({ scope, job, label, amount, used, limit, refused: options.code });
        throw new AppError(options.code, { used, asked: amount, limit });
      }
      this.#onCharge({ scope, job, label, amount, used, limit });
      this.#db.run("insert into budget values (?, ?, ?, ?, ?)", scope, job, label, amount, this.#now());
    });
  }

  hashId(guest: PartyId, id: string): Uint8Array {
    return hashRecord(this.#key, guest, id);
  }

  /** Of the records at these places, packed in their order. */
  hashIds(guest: PartyId, places: Int32Array, ids: readonly string[], work: RecordWork): Promise<Uint8Array> {
    return work.hashed(this.#key, guest, places, ids);
  }

  /** As counts that all institutions share have them, where such a count applies to a set. */
  async sharedHashes(guest: PartyId, service: Service, places: Int32Array, ids: readonly string[]): Promise<RecordHashes | undefined> {
    const { sharedKey } = this.desk;
    if (!this.desk.sharesSets(guest, service)) return undefined;
    await using work = new RecordWork();
    return await work.sorted(await work.hashedForAll(sharedKey, places, ids));
  }

  /** Work on many companies, one after the other: what one job finds is still so when it writes. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** What this job was charged under a label. */
  charged(scope: string, job: JobId, label: string): number {
    return Number(this.#db.get("select amount from budget where scope = ? and job = ? and label = ?", scope, job, label)?.["amount"] ?? 0);
  }

  /** Corrects what this job was charged at first, when less turned out to be used. */
  settle(scope: string, job: JobId, label: string, amount: number): void {
    this.#db.run("update budget set amount = min(amount, ?) where scope = ? and job = ? and label = ?", amount, scope, job, label);
  }

  /** The scope of this month, or of the month in which the job was charged at first: it may be replayed in a later one. A clock that is set back finds the
   *  latest month that was charged, not one with a budget of its own. */
  monthly(name: string, job: JobId): string {
    const known = this.#db.get("select scope from budget where job = ? and substr(scope, 1, ?) = ?", job, name.length + 1, `${name}|`)?.["scope"];
    if (typeof known === "string") return known;
    const latest = this.#db.get("select max(scope) as scope from budget where scope >= ? and scope < ?", `${name}|`, `${name}}`)?.["scope"];
    const now = `${name}|${new Date(this.#now()).toISOString().slice(0, 7)}`;
    return typeof latest === "string" && latest > now ? latest : now;
  }

  /** Those that this guest never asked about before job `job`. */
  async newIds(guest: PartyId, job: JobId, hashes: RecordHashes, work: RecordWork): Promise<RecordHashes> {
    let fresh = hashes;
    for (const earlier of this.#db.all("select job from known_sets where guest = ? and job <> ?", guest, job)) {
      const known = this.#db.get("select records from known_sets where guest = ? and job = ?", guest, String(earlier["job"]))?.["records"];
      if (!(known instanceof Uint8Array)) throw new AppError("BUDGET_STATE");
      fresh = await work.without(fresh, known);
    }
    return fresh;
  }

  /** Remembers what is new with this job; a replay finds it remembered. */
  rememberIds(guest: PartyId, job: JobId, fresh: RecordHashes): void {
    this.#db.run("insert or ignore into known_sets values (?, ?, ?, ?)", guest, job, this.#now(), fresh.packed);
  }

  /** Writes down that one more total of each of these companies is opened, or throws as `Openings.open`. */
  open(opening: OpeningOfSet): Promise<void> {
    return this.alone(() => this.#openings.open(opening));
  }

  /** Admits a row set of sums: equal to an earlier one, or different by at least 500 companies from each. Within `alone`. */
  async admitRowSet(guest: PartyId, dataset: string, job: JobId, { packed }: RecordHashes, work: RecordWork): Promise<string> {
    const digest = createHash("sha256").update(packed).digest("hex");
    const earlier = this.#db.all("select id, digest from row_sets where guest = ? and dataset = ?", guest, dataset);
    if (earlier.some((row) => row["digest"] === digest)) return digest;
    for (const { id } of earlier) {
      const rows = this.#db.get("select rows from row_sets where id = ?", Number(id))?.["rows"];
      if (!(rows instanceof Uint8Array)) throw new AppError("BUDGET_STATE");
      const difference = await work.difference(packed, rows);
      if (difference < floors.minRowSetDifference) throw new AppError("BUDGET_DIFFERENCING", { difference, least: floors.minRowSetDifference });
    }
    this.#db.run("insert into row_sets (guest, dataset, digest, job, rows) values (?, ?, ?, ?, ?)", guest, dataset, digest, job, packed);
    return digest;
  }
}

/** The host's guard for one job. */
export function hostGuard(options: {
  budgets: Budgets; job: JobId; guest: PartyId; dataset: string; rule: PolicyRule; ids: readonly string[];
  /** The sandbox's switch: what goes out is still written down, nothing is refused for it. */
  liftFloors?: boolean;
  /** What scores of sets of companies are charged as, and the items of the sharing catalogue that they rest on. */
  service?: Service; items?: readonly string[];
}): HostGuard {
  const { budgets, job, guest, dataset, rule, ids, liftFloors = false, service = "score", items = [] } = options;
  let sums: { scope: string; rows: number } | undefined;
  let scored: { scope: string; hashes: RecordHashes; places: Int32Array } | undefined;
  const known = <T>(value: T | undefined): T => {
    if (value === undefined) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: guest });
    return value;
  };
  const chargeQuotas = async (label: string, hashes: RecordHashes, places: Int32Array): Promise<void> => {
    const shared = await budgets.sharedHashes(guest, service, places, ids);
    budgets.desk.chargeSet({ id: `${job}.${label}`, institution: guest, kind: service, items, hashes, shared, companies: () => places.values().map((place) => ids[place] ?? "") });
  };
  type Open = Parameters<HostGuard["admitSet"]>[0];
  // With its size: an old digest with more ids is another set.
  const setScope = (open: Open): string => `set|${guest}|${Buffer.from(open.setDigest).toString("hex")}|${open.size}`;
  /** Charges the whole set, unless an earlier job did. Returns where, and whether there was anything to charge. */
  const chargeSet = (open: Open): { scope: string; isFree: boolean } => {
    const scope = budgets.monthly(`new-ids|${guest}`, job);
    const amount = budgets.usedByOthers(setScope(open), job) > 0 ? 0 : open.size;
    budgets.charge({ scope, job, label: "alignment", amount, limit: rule.maxNewIdsPerMonth, code: "BUDGET_NEW_IDS" });
    budgets.charge({ scope: setScope(open), job, label: "set", amount: 1, limit: Infinity, code: "BUDGET_NEW_IDS" });
    return { scope, isFree: budgets.charged(scope, job, "alignment") === 0 };
  };
  return {
    // Before the intersection answers anything: a guest that stops after it has learnt all the same.
    admitSet(open) {
      if (open.size > rule.maxSetSize) throw new AppError("BUDGET_SET_SIZE", { size: open.size, limit: rule.maxSetSize });
      chargeSet(open);
    },
    async admitRows(rowOf, trainRows, open) {
      await using work = new RecordWork();
      const held = rowOf.filter((record) => record >= 0);
      const inOrder = await budgets.hashIds(guest, held, ids, work);
      const all = await work.sorted(inOrder);
      const trained = rowOf.subarray(0, trainRows).reduce((n, record) => n + (record < 0 ? 0 : 1), 0);
      const train = await work.sorted(inOrder.slice(0, trained * hashBytes));
      const digest = await budgets.alone(async () => {
        // Ids that do not match anything here are unknown to the host: all of them count as new unless the set is the same.
        const { scope, isFree } = chargeSet(open);
        const unknown = await budgets.newIds(guest, job, all, work);
        const fresh = unknown.count;
        // That a set is an earlier one is the guest's word; which companies it shows now is not.
        if (isFree) budgets.charge({ scope, job, label: "unannounced", amount: fresh, limit: rule.maxNewIdsPerMonth, code: "BUDGET_NEW_IDS" });
        else budgets.settle(scope, job, "alignment", fresh + open.size - all.count);
        budgets.rememberIds(guest, job, unknown);
        return trainRows > 0 ? budgets.admitRowSet(guest, dataset, job, train, work) : "none";
      });
      sums = { scope: `queries|${guest}|${dataset}|${digest}`, rows: trainRows };
      const set = createHash("sha256").update(all.packed).digest("hex");
      scored = { scope: `scores|${guest}|${dataset}|${set}`, hashes: all, places: held };
    },
    admitCompany(hosts) {
      if (hosts < 2 && !rule.singleHostTotals) throw new AppError("POLICY_SINGLE_HOST");
    },
    chargeQueries(label, queries, kind = "exact") {
      const { scope, rows } = known(sums);
      const share = kind === "noisy" ? floors.maxNoisyQueriesPerRow : floors.maxQueriesPerRow;
      const limit = liftFloors ? Infinity : Math.floor(share * rows);
      budgets.charge({ scope: kind === "noisy" ? `noisy-${scope}` : scope, job, label, amount: queries, limit, code: "BUDGET_EQUATIONS" });
    },
    chargeBits(label, bits) {
      known(sums);
      // Of every company that the bank ever trained on here: what one job told stays told.
      budgets.charge({ scope: `bits|${guest}|${dataset}`, job, label, amount: bits, limit: liftFloors ? Infinity : rule.maxBitsPerCompany, code: "BUDGET_BITS" });
    },
    async chargeTotals(label) {
      await budgets.open({ guest, dataset, kind: "training", what: `${job}|${label}`, hashes: known(scored).hashes, limit: floors.maxTotalsPerRow });
    },
    async chargeEvaluation(set) {
      const { hashes, places } = known(scored);
      await chargeQuotas("evaluation", hashes, places);
      const { maxRunsPerMonth, maxSetsPerCompany } = rule.evaluation ?? defaultEvaluationRule;
      budgets.charge({ scope: budgets.monthly(`evaluations|${guest}|${dataset}`, job), job, label: "run", amount: 1, limit: maxRunsPerMonth, code: "BUDGET_TOTALS" });
      await budgets.open({ guest, dataset, kind: "evaluation", what: set, hashes, limit: maxSetsPerCompany });
    },
    async chargeScores(model, present) {
      const { scope, hashes, places } = known(scored);
      await chargeQuotas("score", hashes, places);
      await budgets.open({ guest, dataset, kind: setOpening(model), what: [...present].sort().join(), hashes, limit: rule.maxSetsPerCompany, code: "BUDGET_SETS" });
      budgets.charge({ scope: budgets.monthly(scope, job), job, label: "score", amount: 1, limit: rule.maxScoresPerSetAndMonth, code: "BUDGET_TOTALS" });
      await budgets.open({ guest, dataset, kind: "score", what: model, hashes, limit: rule.maxModelsPerCompany });
    },
  };
}

export function labelRankScope(host: PartyId, rowSetDigest: string): string {
  return `label-rank|${host}|${rowSetDigest}`;
}

/** The guest's guard for one job. */
export function guestGuard(budgets: Budgets, job: JobId): GuestGuard {
  let rows: { digest: string; trainRows: number } | undefined;
  const scope = (host: PartyId): { scope: string; limit: number } => {
    if (rows === undefined) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: host });
    return { scope: labelRankScope(host, rows.digest), limit: Math.floor(floors.maxLabelRankPerRow * rows.trainRows) };
  };
  return {
    setRows(rowSetDigest, trainRows) {
      rows = { digest: rowSetDigest, trainRows };
    },
    labelBudget(host) {
      const { scope: name, limit } = scope(host);
      return Math.max(0, limit - budgets.usedByOthers(name, job));
    },
    chargeLabelRank(host, label, rank) {
      budgets.charge({ ...scope(host), job, label, amount: rank, code: "BUDGET_LABEL_RANK" });
    },
  };
}
