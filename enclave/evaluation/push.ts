// The form of what is pushed: a JWS of the evaluating enclave inside a JWE to the institution. Both ends read this.
import type { PartyId } from "../../core/brand.ts";
import type { FinancingPurpose } from "../../core/purposes.ts";

/** Type of a signed push: the recipient checks who evaluated. */
export const pushType = "yunei-evaluation+jws";

/** A sealed part that waits in the folder of the run. */
export type SealedPart = {
  readonly institution: PartyId; readonly purpose: FinancingPurpose; readonly part: number; readonly parts: number;
  /** Names of the subscriptions that it answers. */
  readonly subscriptions: readonly string[]; readonly file: string; readonly digest: string;
};

/** What an institution gets for one purpose rests on authorisations of its own. */
export const groupOf = ({ institution, purpose }: { readonly institution: string; readonly purpose: string }): string => `${institution} ${purpose}`;
/** By this name the receipt names a part, whatever file it is in by now. */
export const partName = ({ institution, purpose, part }: Pick<SealedPart, "institution" | "purpose" | "part">): string => `push-${institution}-${purpose}-${part}.jwe`;
