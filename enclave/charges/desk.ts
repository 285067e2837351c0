// The one place where an enclave charges what it is asked about companies: quotas of the policy and signs of probing, over all services and jobs. Decisions
// are made in memory; the caller writes them (`write`) with the group of its answers, and answers after that.
import { createHmac } from "node:crypto";
import type { PartyId } from "../../core/brand.ts";
import type { Clock } from "../../core/env.ts";
import { isAppError, type AppError, type Code } from "../../core/errors.ts";
import { KeyedHashes, type KeyedHash, type VectorHash } from "../../budgets/hashes.ts";
import { ClaimWatch } from "../../budgets/probing/claims.ts";
import { RepeatWatch } from "../../budgets/probing/repeats.ts";
import type { Judgement } from "../../budgets/probing/verdict.ts";
import { VectorWatch } from "../../budgets/probing/vectors.ts";
import { answerBits, claimMember, type Ask, type Question } from "../../budgets/quota/ask.ts";
import type { Service } from "../../budgets/quota/policy.ts";
import { Quotas, type QuotaUse } from "../../budgets/quota/quotas.ts";
import { quotaError, type QuotaRefusal } from "../../budgets/quota/refusal.ts";
import { probingError } from "../../budgets/probing/verdict.ts";
import { RecordHashes } from "../record-hashes.ts";
import type { StateDatabase } from "../store/database.ts";
import { InstitutionRules, type BudgetsPolicy } from "./policy.ts";
import { ChargedSets } from "./sets.ts";
import { Sightings, type Sighting } from "./sightings.ts";
import { ChargeStore } from "./store.ts";

/** A claim about a value. item: the field that is guessed; items: of the sharing catalogue that it is of. text: the predicate with its claimed values in canonical form, so that the same again is the same. */
export type Claim = { readonly item: string; readonly items?: readonly string[]; readonly claim: { readonly kind: "clear"; readonly text: string } | { readonly kind: "blind-equality" | "blind-range" } };
/** values: canonical texts, in the order of the model's own features. degreesOfFreedom: free numbers of the model's part over them. */
export type Varied = { readonly values: readonly string[]; readonly degreesOfFreedom: number };
/** One question about one company. id: names it once per institution (service and number). model: of the score, or what else has signals of its own. */
export type ChargedQuestion = {
  readonly institution: PartyId; readonly company: string; readonly kind: Service; readonly id: string; readonly items: readonly string[]; readonly claims?: readonly Claim[];
  readonly model?: string; readonly cost?: number;
  /** Own features of the bank that come with the question. */
  readonly varied?: Varied | undefined;
  /** `hashOf` the company, where the caller has it. */
  readonly hash?: Uint8Array;
};
/** The bank's own features in one question, at the bank's own enclave. */
export type VariedQuestion = { readonly institution: PartyId; readonly company: string; readonly model: string } & Varied;
/** Why a question is refused; retryAfter, seconds: when it fits again if nothing else is asked. Absent: not by waiting. */
export type Refused = { readonly code: Code; readonly retryAfter?: number };
export type DeskOptions = DeskHooks & {
  readonly db: StateDatabase; readonly now: Clock; readonly key: Uint8Array;
  /** The company under the key of this enclave, for this institution. */
  readonly hashOf: (institution: PartyId, company: string) => Uint8Array;
  readonly policy: () => BudgetsPolicy;
};
export type DeskHooks = {
  /** The present policy; the same object while it has not changed. Throws AppError: everything is refused. Unless given, the standard one. */
  readonly policy?: () => BudgetsPolicy;
  readonly onSighting?: (sighting: Sighting) => void;
  /** Hears now and then what is used of each quota of an institution. */
  readonly onUse?: (institution: PartyId, use: QuotaUse) => void;
  /** Hears of a quota that refused, once an hour for each. */
  readonly onRefusal?: (institution: PartyId, refusal: QuotaRefusal) => void;
};

const againMs = 3_600_000;
/** Questions after which the use of quotas is looked at. */
const toldEvery = 512;

/** Nothing of what was begun stays. */
class Undone extends Error {
  readonly refused: Refused;
  constructor(refused: Refused) {
    super();
    this.refused = refused;
  }
}

export class ChargeDesk {
  readonly store: ChargeStore;
  readonly quotas: Quotas;
  readonly sets: ChargedSets;
  /** Of the hashes by which counts of all institutions know a company. */
  readonly sharedKey: Uint8Array;
  readonly #o: DeskOptions;
  readonly #hashes: KeyedHashes;
  readonly #rules: InstitutionRules;
  readonly #claims: ClaimWatch;
  readonly #repeats: RepeatWatch;
  readonly #vectors: VectorWatch;
  readonly #sightings: Sightings;
  readonly #overdrawnAt = new Map<string, number>();
  readonly #counts = new Map<PartyId, number>();

  constructor(options: DeskOptions) {
    const { db, now, key } = options;
    this.#o = options;
    this.sharedKey = createHmac("sha256", key).update("yunei/budgets/v1").digest();
    this.#hashes = new KeyedHashes(this.sharedKey);
    this.#rules = new InstitutionRules(options.policy);
    this.store = new ChargeStore(db, now);
    this.sets = new ChargedSets(db);
    this.quotas = new Quotas({ store: this.store, now, sets: this.sets, limitsFor: (institution) => this.#rules.limits(institution) });
    const watch = { store: this.store, now, policyFor: (institution: PartyId) => this.#rules.probing(institution) };
    this.#claims = new ClaimWatch(watch);
    this.#repeats = new RepeatWatch(watch);
    this.#vectors = new VectorWatch(watch);
    this.#sightings = new Sightings({ db, now, onSighting: options.onSighting ?? (() => undefined) });
  }

  /** Charges one question to all quotas and watches, or says why not and changes nothing. Its charge counts once `write` is committed. */
  charge(question: ChargedQuestion): Refused | undefined {
    const { institution, kind, claims = [], id, model = kind, cost } = question;
    return this.#decide(() => {
      const company = Buffer.from(question.hash ?? this.#o.hashOf(institution, question.company)).toString("hex") as KeyedHash;
      const questions = this.#questions(question, company);
      const ask: Ask = { id, madeAt: this.#o.now(), institution, service: kind, questions, ...(cost === undefined ? {} : { cost }) };
      // A verification that is repeated is one claim: its own signals count it.
      if (question.varied !== undefined) this.#vary(company, { institution, model, ...question.varied });
      if (claims.length === 0) this.#judge(this.#repeats.ask({ institution, company, model }), { institution, company, model });
      for (const [place, asked] of questions.entries()) {
        const claim = claimMember(ask, place, asked);
        if (claim === undefined || asked.item === undefined || asked.claim === undefined) continue;
        this.#judge(this.#claims.ask({ institution, company, item: asked.item, claim, bits: answerBits[asked.claim.kind] }), { institution, company, model: asked.item });
      }
      const refusal = this.quotas.count(ask);
      if (refusal !== undefined) throw new Undone(refusedOf(this.#overdrawn(institution, refusal)));
      this.#counted(institution);
    });
  }

  /** Judges the bank's own features of a question before it is answered. */
  vary(question: VariedQuestion): Refused | undefined {
    return this.#decide(() => this.#vary(Buffer.from(this.#o.hashOf(question.institution, question.company)).toString("hex") as KeyedHash, question));
  }

  #vary(company: KeyedHash, { institution, model, values, degreesOfFreedom }: Omit<VariedQuestion, "company">): void {
    const vector: VectorHash = this.#hashes.vector(company, model, values);
    this.#judge(this.#vectors.ask({ institution, company, vector, model, degreesOfFreedom }), { institution, company, model });
  }

  /** Whether a set is counted by a limit that all institutions share. Throws BUDGET_POLICY. */
  sharesSets(institution: PartyId, kind: Service): boolean {
    return this.#rules.limits(institution).some(({ per, counts, services }) => !per.includes("institution") && (counts === "requests" || counts === "companies") && (services?.includes(kind) ?? true));
  }

  /**
   * Charges a job over a set of companies, durably, once per institution and id, however often it is replayed. hashes: those of `hashOf`; companies: their
   * names, asked for when counts of all institutions together apply. Throws the refusal: BUDGET_REQUESTS, BUDGET_COMPANIES, BUDGET_ASK_CHANGED, BUDGET_POLICY, BUDGET_STATE.
   */
  chargeSet(job: { readonly id: string; readonly institution: PartyId; readonly kind: Service; readonly items: readonly string[]; readonly hashes: RecordHashes; readonly companies: () => Iterable<string>; /** Their hashes in the latter counts, where they were made beforehand. */ readonly shared?: RecordHashes | undefined }): void {
    const { id, institution, kind, items, hashes, companies } = job;
    if (hashes.count === 0) return;
    const shared = (): Buffer => job.shared?.packed ?? RecordHashes.of(Buffer.concat([...companies()].map((name) => Buffer.from(this.#hashes.company(name), "hex")))).packed;
    this.store.atomic(() => this.#o.db.transaction(() => {
      const refusal = this.quotas.countSet({ id, institution, service: kind, items, members: hashes.packed, shared });
      if (refusal !== undefined) throw this.#overdrawn(institution, refusal);
      this.sets.sweep(this.#o.now());
      this.store.write();
    }));
  }

  /** Within the transaction of a group. */
  write(): void {
    this.store.write();
    this.#sightings.write();
  }

  #questions({ institution, items, claims = [], company }: ChargedQuestion, hash: KeyedHash): Question[] {
    const limits = this.#rules.limits(institution);
    const base = { company: hash, ...(limits.some((l) => !l.per.includes("institution")) && claims.length > 0 ? { shared: this.#hashes.company(company) } : {}) };
    if (claims.length > 0) {
      return claims.map(({ item, items: of = [], claim }) => ({ ...base, item, ...(of.length > 0 && { items: [...of] }), claim: claim.kind === "clear" ? { kind: "clear", digest: this.#hashes.claim(hash, item, claim.text) } : claim }));
    }
    const isShared = limits.some((l) => !l.per.includes("institution") && (l.counts === "companies" || l.per.includes("company")));
    const plain = isShared ? { company: hash, shared: this.#hashes.company(company) } : base;
    // Where nothing counts by item, one question stands for all of them.
    return limits.some((l) => l.per.includes("item")) && items.length > 0 ? items.map((item) => ({ ...plain, item })) : [plain];
  }

  #judge(judgement: Judgement, about: { readonly institution: PartyId; readonly company: KeyedHash; readonly model: string }): void {
    for (const finding of judgement.findings) this.#sightings.see({ ...about, finding });
    const error = probingError(judgement, this.#o.now());
    if (error !== undefined) throw new Undone(refusedOf(error));
  }

  #counted(institution: PartyId): void {
    const count = (this.#counts.get(institution) ?? 0) + 1;
    this.#counts.set(institution, count);
    if (count % toldEvery === 0 && this.#o.onUse !== undefined) for (const use of this.quotas.usage({ institution })) this.#o.onUse(institution, use);
  }

  #overdrawn(institution: PartyId, refusal: QuotaRefusal): AppError {
    const now = this.#o.now();
    const key = `${institution}|${refusal.name}`;
    const last = this.#overdrawnAt.get(key);
    if (last === undefined || last > now || now - last >= againMs) {
      this.#o.onRefusal?.(institution, refusal);
      this.#overdrawnAt.set(key, now);
    }
    return quotaError(refusal, now);
  }

  /** All of it or nothing. What cannot be read, the policy or a row, refuses. */
  #decide(work: () => void): Refused | undefined {
    try {
      this.store.atomic(work);
      return undefined;
    } catch (error) {
      if (error instanceof Undone) return error.refused;
      if (isAppError(error)) return refusedOf(error);
      throw error;
    }
  }
}

function refusedOf(error: { readonly code: Code; readonly facts: Readonly<Record<string, unknown>> }): Refused {
  const { retryAfter } = error.facts;
  return { code: error.code, ...(typeof retryAfter === "number" ? { retryAfter } : {}) };
}
