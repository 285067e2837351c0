// A provider's side of a service: one question in, one masked byte or a refusal out. A synchronous machine over its ports; what it decided is
// to be made durable by the caller before the answer leaves.
import type { JobId, PartyId } from "../../core/brand.ts";
import { partialTotals, type PartyPlan } from "../../models/scorecard/quantise.ts";
import type { TypedBody } from "../messages.ts";
import { maskOf } from "./masks.ts";
import type { ServeRefusal } from "./messages.ts";

export type ServeHostPorts = {
  /** Codes of this company in the order of the half's columns; those of nobody where it is not held. */
  lookup(company: string): { readonly columns: readonly Int8Array[]; readonly held: boolean };
  keyOf(peer: PartyId): Uint8Array;
  /** Whether the consent holds for this company now; undefined when it does, or none is needed. */
  consent(company: string, jws: string, n: number): ServeRefusal | undefined;
  /** Charges one question about this company under this set of providers; asked last, so that nothing refused is charged. */
  charge(company: string, set: string): ServeRefusal | undefined;
};
export type ServeHostOptions = {
  readonly self: PartyId; readonly service: JobId; readonly hosts: readonly PartyId[]; readonly plan: PartyPlan;
  /** Hosts with a part in the total: with fewer than two of them present it is one host's own. */
  readonly sharing: readonly string[];
  readonly singleHostTotals: boolean; readonly ports: ServeHostPorts;
  /** The last number that was answered, -1 at first. */
  readonly lastN: number;
};
export type Answer = { readonly type: "serve/part"; readonly body: TypedBody<"serve/part"> } | { readonly type: "serve/refused"; readonly body: TypedBody<"serve/refused"> };

export class ServeHost {
  readonly #o: ServeHostOptions;
  #lastN: number;

  constructor(options: ServeHostOptions) {
    this.#o = options;
    this.#lastN = options.lastN;
  }

  /** To be durable before an answer leaves: a number is answered once, also after a restart. */
  get lastN(): number {
    return this.#lastN;
  }

  ask(ask: TypedBody<"serve/ask">): Answer {
    const { n, present, company } = ask;
    const refuse = (code: ServeRefusal): Answer => ({ type: "serve/refused", body: { n, code } });
    const { self, service, hosts, plan, sharing, singleHostTotals, ports } = this.#o;
    if (n <= this.#lastN || !isSetOf(present, hosts) || !present.includes(self)) return refuse("SERVICE_ASK");
    this.#lastN = n;
    const isAlone = present.filter((h) => sharing.includes(h)).length < 2;
    if (isAlone && plan.weights.length > 0 && !singleHostTotals) return refuse("POLICY_SINGLE_HOST");
    const refused = ports.consent(company, ask.consent, n) ?? ports.charge(company, present.join());
    if (refused !== undefined) return refuse(refused);
    const { columns, held } = ports.lookup(company);
    const [own = 0] = partialTotals(plan, columns, 1);
    return { type: "serve/part", body: { n, part: (own + maskOf(self, service, ask, (peer) => ports.keyOf(peer))) & 255, held } };
  }
}

/** In ascending order, each once, all of the plan: one spelling of each set. */
function isSetOf(present: readonly PartyId[], hosts: readonly PartyId[]): boolean {
  return present.every((h, i) => hosts.includes(h) && (i === 0 || (present[i - 1] as string) < h));
}
