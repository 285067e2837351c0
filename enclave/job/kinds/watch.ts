// A monitoring service: alerts about the bank's borrowers (federation/watch).
import { digestOf, type Json } from "../../../core/canonical.ts";
import { AppError } from "../../../core/errors.ts";
import { watchJobSchema } from "../../../federation/watch/params.ts";
import { stand } from "../../live/standing.ts";
import { GuestWatch } from "../../watch/guest-watch.ts";
import { HostWatch } from "../../watch/host-watch.ts";
import { openSources } from "../../watch/sources.ts";
import type { JobContext, JobKind } from "../context.ts";

/** Receipts of a service without a model name its triggers and bounds. */
function standsOn({ input: { plan }, receipt, tools: { consents, live } }: JobContext) {
  const modelDigest = digestOf(plan.params as Json);
  receipt.names({ digest: modelDigest });
  if (consents === undefined) throw new AppError("POLICY_CONSENTS");
  if (live === undefined) throw new AppError("JOB_PARAMS");
  return { options: { modelDigest, receiptUses: watchJobSchema.parse(plan.params).receiptUses }, desk: consents, box: live.box };
}

export const watchKind: JobKind = {
  async guest(context) {
    const { tools, input: { plan, signal } } = context;
    const { options, desk, box } = standsOn(context);
    const secrets = tools.records.secrets(plan.job);
    if (secrets === undefined) throw new AppError("ENCLAVE_KEYS");
    await stand(context, options, (standing) => new GuestWatch(standing, { seed: secrets.seed, desk, box, signal }));
  },
  async host(context) {
    const { tools, input: { plan, planDigest, rule } } = context;
    const { options, desk, box } = standsOn(context);
    const sources = tools.data.view((dataset) => openSources(plan, { dataset, self: tools.identity.party, db: tools.db }));
    await stand(context, options, (standing) => new HostWatch(standing, { sources, desk, box, guestUscc: rule.guestUscc, planDigest }));
  },
};
