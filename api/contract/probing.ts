// Signs that somebody asks in order to find out values or a model, as the enclaves that see them tell the platform: its operator and the supervisor have them as
// alerts (api/contract/audit.ts). No company: a hash under a key of the enclave that tells.
import { z } from "zod";
import { partyIdSchema } from "../../core/names.ts";
import { bodyErrors, time, word, type Endpoint } from "./endpoint.ts";

export const maxSigns = 100;
export const probingReportSchema = z.strictObject({
  version: z.literal(1),
  signs: z.array(z.strictObject({
    at: time,
    /** Who asked. */
    party: partyIdSchema,
    /** Kinds of budgets/README.md. */
    signal: word,
    /** What came of it. */
    verdict: z.enum(["alert", "slow", "refuse"]),
    /** The same company has the same one, from this enclave. */
    company: z.string().regex(/^[0-9a-f]{32}$/),
    measured: z.number().min(-1e9).max(1e9),
  })).min(1).max(maxSigns),
});
export type ProbingReport = z.output<typeof probingReportSchema>;

export const enclaveProbingEndpoints = {
  putProbing: { listener: "enclave", method: "put", path: "/enclave/v1/probing", auth: "party", status: 200, errors: bodyErrors,
    summary: { en: "Tell signs of probing: who asked, of what kind, what came of it; companies as hashes under a key of this enclave",
      zh: "报送探测迹象：询问方、类型与处置；企业仅以本节点密钥的散列表示" },
    body: probingReportSchema, reply: z.strictObject({ party: partyIdSchema }) },
} as const satisfies Record<string, Endpoint>;
