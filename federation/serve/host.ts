// A provider's side of a service for scores: whether one question may be answered. A synchronous machine over its ports; what it decided is to be
// made durable by the caller before the answer leaves. The answer itself is a scorer's (enclave/live/scorers).
import type { PartyId } from "../../core/brand.ts";
import type { TypedBody } from "../messages.ts";
import type { ServeRefusal } from "./messages.ts";

export type ServeHostPorts = {
  /** Whether the consent holds for this company now and has a use left; undefined when it does, or none is needed. Changes nothing. */
  consent(company: string, jws: string, n: number): ServeRefusal | undefined;
  /** Charges one question about this company under this set of providers; asked after the consent, so that nothing refused is charged. */
  charge(company: string, set: string, n: number): ServeRefusal | undefined;
  /** Takes the use of the consent; last of all, so that a question which a budget refuses uses up none. Nothing runs between it and `consent`, so it is still there. */
  claim(company: string, jws: string, n: number): void;
};
export type ServeHostOptions = {
  readonly self: PartyId; readonly hosts: readonly PartyId[];
  /** Hosts with a part in the total: with fewer than two of them present it is one host's own. */
  readonly sharing: readonly string[];
  readonly singleHostTotals: boolean; readonly ports: ServeHostPorts;
  /** The last number that was answered, -1 at first. */
  readonly lastN: number;
};

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

  /** undefined when the question is to be answered: it is then charged. variant: what else of it the answer depends on; each is a set of its own. */
  refuses({ n, present, company, consent }: TypedBody<"serve/ask">, variant = ""): ServeRefusal | undefined {
    const { self, hosts, sharing, singleHostTotals, ports } = this.#o;
    if (n <= this.#lastN || !isSetOf(present, hosts) || !present.includes(self)) return "SERVICE_ASK";
    this.#lastN = n;
    const isAlone = present.filter((h) => sharing.includes(h)).length < 2;
    if (isAlone && sharing.includes(self) && !singleHostTotals) return "POLICY_SINGLE_HOST";
    const refused = ports.consent(company, consent, n) ?? ports.charge(company, `${present.join()}${variant}`, n);
    if (refused === undefined) ports.claim(company, consent, n);
    return refused;
  }
}

/** In ascending order, each once, all of the plan: one spelling of each set. */
function isSetOf(present: readonly PartyId[], hosts: readonly PartyId[]): boolean {
  return present.every((h, i) => hosts.includes(h) && (i === 0 || (present[i - 1] as string) < h));
}
