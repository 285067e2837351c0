// Signed decisions of operators on a plan, and what they come to: one refusal refuses, two approvals of different operators approve.
// A decision is a JWS (EdDSA) over the job, its plan's digest, this party and the operator; who signed is checked each time that it counts.
import { createPublicKey, type KeyObject } from "node:crypto";
import { compactVerify } from "jose";
import { z } from "zod";
import type { JobId, PartyId } from "../../core/brand.ts";
import { jobIdSchema, partyIdSchema } from "../../core/names.ts";
import { signStatement } from "../job/approval.ts";
import { operatorNameSchema, type Operator } from "./list.ts";

const type = "yunei-operator-decision+jws";
export const approvalsNeeded = 2;
const decisionSchema = z.strictObject({
  job: jobIdSchema, party: partyIdSchema, planDigest: z.string().regex(/^[0-9a-f]{64}$/), operator: operatorNameSchema,
  decision: z.enum(["approve", "refuse"]), at: z.iso.datetime(),
});
export type OperatorDecision = z.output<typeof decisionSchema>;
type Matter = { readonly job: JobId; readonly party: PartyId; readonly planDigest: string };

export function signDecision(decision: OperatorDecision, key: KeyObject): Promise<string> {
  return signStatement(decision, type, key);
}

/** Names of the operators whose signed word on this matter is valid. Words of people who are not on the list any more do not count. */
export async function countDecisions(signed: readonly string[], matter: Matter, operators: readonly Operator[]): Promise<{ approved: string[]; refused: string[] }> {
  const said = new Map<string, OperatorDecision["decision"]>();
  for (const jws of signed) {
    const found = await read(jws, matter, operators);
    // One person's refusal is not undone by that person's approval.
    if (found !== undefined && said.get(found.operator) !== "refuse") said.set(found.operator, found.decision);
  }
  const of = (decision: string): string[] => [...said].filter(([, d]) => d === decision).map(([name]) => name).toSorted();
  return { approved: of("approve"), refused: of("refuse") };
}

async function read(jws: string, matter: Matter, operators: readonly Operator[]): Promise<OperatorDecision | undefined> {
  for (const { name, key } of operators) {
    try {
      const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: key }, format: "jwk" });
      const { payload, protectedHeader } = await compactVerify(jws, publicKey, { algorithms: ["EdDSA"] });
      const decision = decisionSchema.parse(JSON.parse(new TextDecoder().decode(payload)));
      const isRight = protectedHeader.typ === type && decision.operator === name && decision.job === matter.job
        && decision.party === matter.party && decision.planDigest === matter.planDigest;
      if (isRight) return decision;
    } catch {
      // Another operator's, or nobody's.
    }
  }
  return undefined;
}
