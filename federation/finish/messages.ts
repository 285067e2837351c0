// The end of a job: the guest says which model it keeps, every host answers with its signed receipt.
import { z } from "zod";
import { count, type Messages } from "../../core/message.ts";
import { partyIdSchema } from "../../core/names.ts";
import { phaseNames } from "../phases.ts";

const seconds = z.number().min(0).max(1e9);
/** What a party says about its own work, for the report: times, sizes and protections, no data. */
const accountSchema = z.strictObject({
  phases: z.array(z.strictObject({ name: z.enum(phaseNames), wallSeconds: seconds, cpuSeconds: seconds })).max(32),
  sent: z.array(z.strictObject({
    from: partyIdSchema, to: partyIdSchema, type: z.string().max(64), messages: count(100_000_000), bytes: count(),
  })).max(1000),
  peakRssMb: z.number().min(0).max(1e7),
  layers: z.array(z.strictObject({ name: z.string().max(64), active: z.boolean() })).max(16),
});

const digest = z.string().regex(/^[0-9a-f]{64}$/);

export const finishMessages = {
  "finish/next": {
    from: "guest", to: "host", maxBytes: 128,
    reveals: { en: "whether the guest opens totals, asks for a refinement or ends the job", zh: "发起方下一步是公开总分、请求修正还是结束任务" },
    body: z.strictObject({ step: z.enum(["weights", "residuals", "finish"]) }),
  },
  "finish/model": {
    from: "guest", to: "host", maxBytes: 4096,
    reveals: { en: "the id and digest of the model", zh: "模型编号与摘要" },
    body: z.strictObject({ model: z.string().regex(/^model_[0-9a-z]{16,32}$/), digest }),
  },
  "finish/receipt": {
    from: "host", to: "guest", maxBytes: 256 * 1024,
    reveals: { en: "the host's signed receipt (digests of its plan, data snapshot and ledger), its times, traffic and memory", zh: "数据方签名回执（计划、数据快照与账本的摘要）及其用时、流量与内存" },
    body: z.strictObject({ receipt: z.string().max(12_000), account: accountSchema }),
  },
} as const satisfies Messages;
