// Authorisation in a run on the basis `full`, at the evaluating enclave: which of its companies are in the run at all, and which institutions may be
// told of which. It verifies every consent itself, as providers do, asks again before anything is pushed, counts each use once, and writes the uses
// down for its receipt.
import { setImmediate } from "node:timers/promises";
import { needingAuthorisation } from "../../catalogue/modes.ts";
import { findItem } from "../../catalogue/search.ts";
import type { EntityId, ItemId, PartyId } from "../../core/brand.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import type { FinancingPurpose } from "../../core/purposes.ts";
import { checkConsent, claimUses, foreseeUses, type Accepted, type Claimant } from "../../consent/verify.ts";
import type { Card } from "../../evaluation/load.ts";
import { consentHosts } from "../../federation/consents/needed.ts";
import type { PlannedPush } from "../../federation/evaluate/params.ts";
import type { Use } from "../../receipts/uses.ts";
import { bestConsent } from "../consents/guest.ts";
import type { ConsentDesk } from "../consents/desk.ts";
import { itemsOf } from "../job/consents.ts";
import type { JobContext } from "../job/context.ts";
import { reach } from "../transport/reach.ts";
import { groupOf } from "./push.ts";
import type { Pushed } from "./pushed.ts";

const atATime = 64;
const recordedAtOnce = 512;
/** Lists of withdrawals are fetched again unless that was so many ms ago. */
const listsAgeMs = 1_000;
/** What was found to hold is asked again after so many ms all the same: a list may have become too old. */
const heldMs = 60_000;
/** What a filter by section tells of a company. */
const sectionItem = findItem("registry.industry").id;

type Held = { readonly accepted: Accepted; readonly jws: string };
const nobody = Symbol("nobody checks consents here");

/** The authorisations behind one run. */
export class RunConsents {
  readonly #context: JobContext;
  readonly #desk: ConsentDesk | typeof nobody;
  /** Own items that the run uses and that need authorisation. */
  readonly #own: readonly ItemId[];
  readonly #claimant: Claimant | undefined;
  /** Under which lists all that is pushed was last found to hold, and how long it does by its terms (ms). */
  #held: { readonly under: string; readonly until: number } | undefined;

  /** offered: indicators that this enclave computes itself. Throws POLICY_CONSENTS where consents count and there is no place for them. */
  constructor(context: JobContext, offered: readonly string[]) {
    const { tools: { consents: desk, dataset: { catalogue } }, input: { plan, planDigest }, party } = context;
    this.#context = context;
    const isChecked = consentHosts(plan).length > 0 || plan.datasets[party.self]?.consents === true;
    if (isChecked && desk === undefined) throw new AppError("POLICY_CONSENTS");
    this.#desk = isChecked && desk !== undefined ? desk : nobody;
    this.#own = catalogue === undefined ? [] : itemsOf(catalogue, offered).authorised;
    this.#claimant = this.#desk === nobody ? undefined : { uses: this.#desk.uses, job: plan.job, plan: planDigest };
  }

  /** Own records of the companies that authorised the run: the same ones after a restart. All where nobody's data need it (experiments). */
  async companies(ids: readonly EntityId[]): Promise<Int32Array> {
    const { tools: { records, now }, input: { plan, signal } } = this.#context;
    const desk = this.#desk;
    if (desk === nobody) return Int32Array.from(ids.keys());
    await desk.collect(signal);
    await desk.refresh(listsAgeMs, signal);
    const kept = await records.once(plan.job, "evaluation|companies", async () => {
      const bits = Buffer.alloc(Math.ceil(ids.length / 8));
      for (const [record, subject] of ids.entries()) {
        if (record % atATime === atATime - 1) await setImmediate();
        const held = this.#toSelf(desk, subject);
        const [outcome] = held === undefined ? [] : foreseeUses([{ ok: true, accepted: held.accepted }], this.#claimantOf(), now());
        if (outcome?.ok === true) bits[record >> 3] = (bits[record >> 3] as number) | (1 << (record & 7));
      }
      return bits.toString("base64");
    });
    const bits = Buffer.from(kept, "base64");
    const included = Int32Array.from(ids.keys()).filter((record) => ((bits[record >> 3] ?? 0) & (1 << (record & 7))) !== 0);
    if (included.length === 0) throw new AppError("CONSENT_MISSING", { companies: ids.length });
    return included;
  }

  /** The companies are in the run: what is used of them here is claimed and written down. Throws the code of a consent that does not hold any more:
   *  the run ends, and the next one goes without the company. */
  async use(subjects: readonly EntityId[]): Promise<void> {
    const desk = this.#desk;
    const { party: { self } } = this.#context;
    if (desk === nobody || this.#own.length === 0) return;
    const gone = await this.#record(desk, self, this.#own, subjects, (subject) => this.#toSelf(desk, subject));
    if (gone.size > 0) throw new AppError("CONSENT_WITHDRAWN", { companies: gone.size });
  }

  /** By institution and purpose, the companies whose authorisation names it now. */
  async authorised(card: Card, assigned: readonly string[], pushes: readonly PlannedPush[], subjects: readonly EntityId[]): Promise<Map<string, string[]>> {
    const desk = this.#desk;
    const found = new Map<string, string[]>(pushes.map((push) => [groupOf(push), []]));
    if (desk === nobody || pushes.length === 0) return found;
    const { input: { signal } } = this.#context;
    await this.#collect(desk, pushes);
    await desk.refresh(listsAgeMs, signal);
    const wanted = [...Map.groupBy(pushes, groupOf).values()].map((group) => ({ group: group[0] as PlannedPush, items: itemsFor(card, assigned, group) }));
    for (const [i, subject] of subjects.entries()) {
      if (i % atATime === atATime - 1) await setImmediate();
      for (const { group, items } of wanted) if (this.#toOther(desk, group, items, subject) !== undefined) found.get(groupOf(group))?.push(subject);
    }
    return found;
  }

  /** What is pushed under authorisations is claimed and written down before it leaves. By group, the companies whose authorisation does not hold any
   *  more: nothing of them is written down, and they must not be told of. */
  async usePushed(card: Card, assigned: readonly string[], pushes: readonly PlannedPush[], pushed: Pushed): Promise<Map<string, ReadonlySet<string>>> {
    const desk = this.#desk;
    const gone = new Map<string, ReadonlySet<string>>();
    if (desk === nobody) return gone;
    await desk.refresh(listsAgeMs, this.#context.input.signal);
    for (const group of Map.groupBy(pushes, groupOf).values()) {
      const [first] = group;
      if (first === undefined) continue;
      const items = itemsFor(card, assigned, group);
      gone.set(groupOf(first), await this.#record(desk, first.institution, items, pushed.get(groupOf(first))?.flat() ?? [], (subject) => this.#toOther(desk, first, items, subject)));
    }
    return gone;
  }

  /** The same by group of what waits to be pushed, now: asked before each part leaves, also after a restart. Changes nothing. */
  async withdrawn(card: Card, assigned: readonly string[], pushes: readonly PlannedPush[], pushed: Pushed): Promise<Map<string, ReadonlySet<string>>> {
    const desk = this.#desk;
    const { tools: { now }, input: { signal } } = this.#context;
    const gone = new Map<string, ReadonlySet<string>>();
    if (desk === nobody) return gone;
    await desk.refresh(listsAgeMs, signal);
    const under = desk.state;
    if (this.#held?.under === under && now() < this.#held.until) return gone;
    let until = Infinity;
    for (const group of Map.groupBy(pushes, groupOf).values()) {
      const [first] = group;
      const subjects = first === undefined ? [] : (pushed.get(groupOf(first))?.flat() ?? []);
      if (first === undefined || subjects.length === 0) continue;
      const items = itemsFor(card, assigned, group);
      const left = new Set<string>();
      for (const [i, subject] of subjects.entries()) {
        if (i % atATime === atATime - 1) await setImmediate();
        const held = this.#toOther(desk, first, items, subject);
        if (held === undefined) left.add(subject);
        else until = Math.min(until, held.accepted.until);
      }
      if (left.size > 0) gone.set(groupOf(first), left);
    }
    // A list that came meanwhile, or none that is current, is asked again.
    this.#held = gone.size === 0 && desk.state === under ? { under, until: Math.min(until, now() + heldMs) } : undefined;
    return gone;
  }

  /** Fetches the consents that name the institutions of the plan. A platform that is away is waited for: without them nobody would be told anything. */
  async #collect(desk: ConsentDesk, pushes: readonly PlannedPush[]): Promise<void> {
    const { tools: { evaluation, log }, input: { plan, signal } } = this.#context;
    if (evaluation === undefined) return;
    const feed = sha256Hex([...new Set(pushes.map((p) => p.institution))].sort().join());
    for (;;) {
      const after = desk.store.placeOf(feed);
      const { next, consents } = await reach(() => evaluation.platform.subscribersConsents(plan.job, after, signal), { signal, log });
      await desk.store.add(consents);
      if (next <= after) return;
      desk.store.setPlaceOf(feed, next);
    }
  }

  /** Returns whose consent does not hold. */
  async #record(desk: ConsentDesk, grantee: PartyId, items: readonly ItemId[], subjects: readonly string[], find: (subject: string) => Held | undefined): Promise<Set<string>> {
    const { tools: { now }, uses } = this.#context;
    const gone = new Set<string>();
    for (let from = 0; from < subjects.length; from += recordedAtOnce) {
      const part = subjects.slice(from, from + recordedAtOnce);
      const held = part.map((subject) => find(subject));
      for (const [i, subject] of part.entries()) if (held[i] === undefined) gone.add(subject);
      const sure = held.filter((h) => h !== undefined);
      claimUses(sure.map((h) => h.accepted), this.#claimantOf(), now());
      const texts = new Set<string>();
      const at = new Date(now()).toISOString();
      uses.record(sure.map(({ accepted, jws }): Use => {
        const list = desk.lists.relied(accepted.registrar);
        if (list === undefined) throw new AppError("CONSENT_LIST_STALE", { registrar: accepted.registrar });
        texts.add(jws).add(list.text);
        return { subject: accepted.consent.subject, grantee, items: [...items], consent: { id: accepted.consent.id, digest: accepted.text }, revocations: list.digest, output: null, at };
      }), [...texts]);
      await setImmediate();
    }
    return gone;
  }

  /** The company's consent to this party that holds now. */
  #toSelf(desk: ConsentDesk, subject: string): Held | undefined {
    const { tools: { now }, input: { plan, rule }, party: { self } } = this.#context;
    const best = bestConsent(desk.store, plan, { host: self, subject, now: now() });
    if (best === undefined) return undefined;
    // Providers ask for what their own data need; where nothing of this party's own does, it asks for whatever the consent is about.
    const items = this.#own.length > 0 ? this.#own : (best.consent.items as ItemId[]);
    return check(best.jws, () => checkConsent(best.jws, subject, { grantee: { party: self, uscc: rule.guestUscc }, items, purpose: plan.purpose, kind: "score" }, desk.basis, now()));
  }

  /** The company's consent to an institution, for its purpose, that covers all that the evaluation was made of. */
  #toOther(desk: ConsentDesk, { institution, purpose }: { readonly institution: PartyId; readonly purpose: FinancingPurpose }, items: readonly ItemId[], subject: string): Held | undefined {
    const now = this.#context.tools.now();
    for (const { jws, consent } of desk.store.of(subject)) {
      if (consent.grantee.party !== institution || consent.purpose !== purpose) continue;
      const held = check(jws, () => checkConsent(jws, subject, { grantee: { party: institution }, items, purpose, kind: "score" }, desk.basis, now));
      if (held !== undefined) return held;
    }
    return undefined;
  }

  #claimantOf(): Claimant {
    if (this.#claimant === undefined) throw new AppError("POLICY_CONSENTS");
    return this.#claimant;
  }
}

function check(jws: string, work: () => Accepted): Held | undefined {
  try {
    return { accepted: work(), jws };
  } catch (error) {
    if (!isAppError(error)) throw error;
    return undefined;
  }
}

/** Items of the assigned indicators that need authorisation; with a filter by section, the section as well. */
function itemsFor(card: Card, assigned: readonly string[], pushes: readonly PlannedPush[]): readonly ItemId[] {
  const used = new Set(assigned);
  const items = [...new Set(card.entries.filter((e) => used.has(e.indicator)).flatMap((e) => e.items))].map((id) => findItem(id));
  const needing = needingAuthorisation(items, "scoring");
  return [...new Set([...needing, ...(pushes.some((p) => p.sectors !== "all") ? [sectionItem] : [])])].sort();
}
