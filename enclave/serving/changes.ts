// Changes of served models as operators ask for them at the bank's enclave. Where two persons are wanted, one operator proposes and signs, another one
// signs the same; then it happens. Who has signed is checked against the list of operators each time.
import { createPublicKey, type KeyObject } from "node:crypto";
import { compactVerify } from "jose";
import { z } from "zod";
import { partyIdSchema } from "../../core/names.ts";
import type { PartyId } from "../../core/brand.ts";
import { canonicalJson, digestOf, jsonOf } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { changeRequestSchema, type ChangeRequest } from "../../serving/registry/events.ts";
import { decide, needsTwo, replay, versionOf, type Deployment } from "../../serving/registry/machine.ts";
import { signStatement } from "../job/approval.ts";
import { operatorNameSchema, type Operator } from "../operators/list.ts";
import type { Policy } from "../policy.ts";
import type { StateDatabase } from "../store/database.ts";
import type { ServingStore } from "./store.ts";

const type = "yunei-model-change+jws";
/** Nothing of a proposal but its maker's name may change until it happens. */
const proposalSchema = changeRequestSchema.omit({ by: true, approvedBy: true });
export type Proposal = z.output<typeof proposalSchema>;
const wordSchema = z.strictObject({ party: partyIdSchema, operator: operatorNameSchema, proposal: z.string().regex(/^[0-9a-f]{64}$/), at: z.iso.datetime() });
export type Waiting = { readonly id: number; readonly at: number; readonly proposal: Proposal; readonly signed: readonly string[] };
/** An operator's own word, or that of whoever may use the enclave's folder. */
export type Signer = { readonly operator: string; readonly key: KeyObject } | undefined;
export type Outcome = { readonly state: "made"; readonly deployment: Deployment } | { readonly state: "waits"; readonly id: number; readonly signedBy: readonly string[] };

export type ChangesParts = { readonly db: StateDatabase; readonly store: ServingStore; readonly self: PartyId; readonly operators: readonly Operator[]; readonly policy: Policy | undefined; readonly now: () => number };

export class ServingChanges {
  readonly #p: ChangesParts;

  constructor(parts: ChangesParts) {
    this.#p = parts;
  }

  /** Throws SERVING_UNKNOWN, SERVING_HISTORY. */
  state(deployment: string): Deployment {
    const state = replay(this.#p.store.events(deployment));
    if (state === undefined) throw new AppError("SERVING_UNKNOWN");
    return state;
  }

  /** Makes a change, or keeps it until a second operator has signed it. Throws what the machine throws, OPERATOR_REQUIRED where a signature is wanted. */
  async ask(proposal: Proposal, signer: Signer): Promise<Outcome> {
    const checked = proposalSchema.safeParse(proposal);
    if (!checked.success) throw new AppError("SERVING_COMMAND", { problems: checked.error.issues.length });
    const before = replay(this.#p.store.events(proposal.deployment));
    this.#mayStand(checked.data, before);
    if (!this.#wantsTwo(checked.data, before)) return { state: "made", deployment: this.#make({ ...checked.data, by: signer?.operator ?? "operator" }) };
    if (signer === undefined) throw new AppError("OPERATOR_REQUIRED");
    // What the machine would refuse anyway is refused before anybody else is bothered; the second person is not known yet.
    decide(before, { ...checked.data, by: signer.operator, approvedBy: `${signer.operator}.2` }, this.#p.now());
    return this.#sign(checked.data, signer);
  }

  /** Signs what another operator proposed. Throws SERVING_UNKNOWN for no such proposal, and as `ask`. */
  async approve(id: number, signer: NonNullable<Signer>): Promise<Outcome> {
    const found = this.waiting().find((w) => w.id === id);
    if (found === undefined) throw new AppError("SERVING_UNKNOWN");
    return this.#sign(found.proposal, signer);
  }

  /** Proposals that wait for another signature, oldest first. damaged: hears of those that cannot be read, which nobody can sign. */
  waiting(damaged?: (id: number) => void): Waiting[] {
    return this.#p.db.all("select id, at, proposal, signed from serving_proposals where open = 1 order by id").flatMap((r): Waiting[] => {
      const id = Number(r["id"]);
      const proposal = proposalSchema.safeParse(jsonOf(String(r["proposal"])));
      const signed = z.array(z.string()).safeParse(jsonOf(String(r["signed"])));
      if (proposal.success && signed.success) return [{ id, at: Number(r["at"]), proposal: proposal.data, signed: signed.data }];
      damaged?.(id);
      return [];
    });
  }

  /** Operators on the list whose signature on a proposal is valid, in the order in which they signed. */
  async signedBy({ proposal, signed }: Pick<Waiting, "proposal" | "signed">): Promise<string[]> {
    const names: string[] = [];
    for (const jws of signed) {
      const name = await this.#signer(jws, digestOf(proposal));
      if (name !== undefined && !names.includes(name)) names.push(name);
    }
    return names;
  }

  async #sign(proposal: Proposal, { operator, key }: NonNullable<Signer>): Promise<Outcome> {
    const { self, now } = this.#p;
    const digest = digestOf(proposal);
    const jws = await signStatement({ party: self, operator, proposal: digest, at: new Date(now()).toISOString() }, type, key);
    // A signature that counts for nobody is not kept.
    if ((await this.#signer(jws, digest)) !== operator) throw new AppError("OPERATOR_UNKNOWN");
    const { id, signed } = this.#keep(proposal, jws);
    const signedBy = await this.signedBy({ proposal, signed });
    const [by, approvedBy] = signedBy;
    if (by === undefined || approvedBy === undefined) return { state: "waits", id, signedBy };
    try {
      return { state: "made", deployment: this.#make({ ...proposal, by, approvedBy }) };
    } finally {
      // Made, or overtaken by another change: it must be asked for anew.
      this.#p.db.run("update serving_proposals set open = 0 where id = ?", id);
    }
  }

  /** Two who sign at once are both kept. */
  #keep(proposal: Proposal, jws: string): Pick<Waiting, "id" | "signed"> {
    const { db, now } = this.#p;
    const text = canonicalJson(proposal);
    return db.transaction(() => {
      const known = this.waiting().find((w) => canonicalJson(w.proposal) === text);
      const signed = [...(known?.signed ?? []), jws];
      if (known === undefined) db.run("insert into serving_proposals (at, proposal, signed) values (?, ?, ?)", now(), text, JSON.stringify(signed));
      else db.run("update serving_proposals set signed = ? where id = ?", JSON.stringify(signed), known.id);
      return { id: known?.id ?? Number(db.get("select last_insert_rowid() as id")?.["id"]), signed };
    });
  }

  #make(request: ChangeRequest): Deployment {
    const { db, store, now } = this.#p;
    return db.transaction(() => {
      const { event, state } = decide(replay(store.events(request.deployment)), request, now());
      this.#mayStand(event, state);
      if (!store.appendWithin(event)) throw new AppError("SERVING_CONFLICT", { expected: request.expected, revision: state.revision });
      if (event.change.type === "stand") store.bindWithin({ service: event.change.service, deployment: event.deployment, model: event.model ?? "" }, now());
      return state;
    });
  }

  /** Throws SERVING_SERVICE for a service that cannot stand for the version, SERVING_UNKNOWN for no such version. */
  #mayStand({ deployment, change }: Pick<Proposal, "deployment" | "change">, state: Deployment | undefined): void {
    if (change.type !== "stand" || state === undefined) return;
    const { store, self } = this.#p;
    const { model } = versionOf(state, change.version);
    if (store.modelOf(change.service, self).model !== model) throw new AppError("SERVING_SERVICE");
    store.fits({ service: change.service, deployment });
  }

  /** By the deployment's own policy, or because the enclave's policy has four eyes on its own services. */
  #wantsTwo({ change }: Proposal, state: Deployment | undefined): boolean {
    const { policy, self } = this.#p;
    const isFourEyes = policy?.allow.some((r) => r.guest === self && r.kinds.includes("serve") && r.approve === "four-eyes") === true;
    return needsTwo(change, state) && (isFourEyes || state?.policy.twoPersons === true);
  }

  async #signer(jws: string, proposal: string): Promise<string | undefined> {
    for (const { name, key } of this.#p.operators) {
      try {
        const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: key }, format: "jwk" });
        const { payload, protectedHeader } = await compactVerify(jws, publicKey, { algorithms: ["EdDSA"] });
        const word = wordSchema.parse(JSON.parse(new TextDecoder().decode(payload)));
        if (protectedHeader.typ === type && word.operator === name && word.party === this.#p.self && word.proposal === proposal) return name;
      } catch {
        // Another operator's, or nobody's.
      }
    }
    return undefined;
  }
}
