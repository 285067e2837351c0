// A standing service: online scores by a scorecard that an earlier job made, or by a model that the bank brings (federation/serve).
import { AppError } from "../../../core/errors.ts";
import { serveJobSchema } from "../../../federation/serve/params.ts";
import { ServiceConsents } from "../../live/consents.ts";
import { GuestService } from "../../live/guest-service.ts";
import { HostService } from "../../live/host-service.ts";
import { stand } from "../../live/standing.ts";
import { modelsPerCompany } from "../../policy.ts";
import { itemsOf } from "../consents.ts";
import { guestDrift, hostDrift } from "../drift.ts";
import type { JobContext, JobKind } from "../context.ts";
import { guestScorer, hostScorer } from "./serve-scorers.ts";

export const serveKind: JobKind = {
  async guest(context) {
    const { tools, input: { plan, signal }, receipt } = context;
    const params = serveJobSchema.parse(plan.params);
    const secrets = tools.records.secrets(plan.job);
    if (secrets === undefined) throw new AppError("ENCLAVE_KEYS");
    await using held = new AsyncDisposableStack();
    const scorer = await guestScorer(context, params, held);
    receipt.names({ digest: scorer.modelDigest });
    await stand(context, { modelDigest: scorer.modelDigest, receiptUses: params.receiptUses }, (standing) => new GuestService(standing, {
      params, scorer, seed: secrets.seed, consents: tools.consents, signal, drift: params.protection === "masked-points" ? guestDrift(context) : undefined,
    }));
  },
  async host(context) {
    const { tools, input: { plan, rule }, receipt } = context;
    const params = serveJobSchema.parse(plan.params);
    await using held = new AsyncDisposableStack();
    const scorer = await hostScorer(context, params, held);
    const consents = consentsOf(context, scorer.features);
    receipt.names({ digest: scorer.modelDigest });
    const { singleHostTotals } = rule;
    const { catalogue } = tools.dataset;
    const items = catalogue === undefined ? [] : itemsOf(catalogue, scorer.features).all;
    const maxModelsPerCompany = modelsPerCompany(plan, rule);
    await stand(context, { modelDigest: scorer.modelDigest, receiptUses: params.receiptUses }, (standing) => new HostService(standing, {
      params, scorer, consents, maxModelsPerCompany, singleHostTotals, items, drift: params.protection === "masked-points" ? hostDrift(context) : undefined,
    }));
  },
};

function consentsOf({ tools, input: { plan, planDigest, rule } }: JobContext, features: readonly string[]): ServiceConsents | undefined {
  const { consents: desk, dataset: { catalogue }, now } = tools;
  const isNeeded = plan.datasets[tools.identity.party]?.consents === true;
  if (isNeeded && (desk === undefined || catalogue === undefined)) throw new AppError("POLICY_CONSENTS");
  if (desk === undefined || catalogue === undefined) return undefined;
  const all = itemsOf(catalogue, features);
  return new ServiceConsents({
    desk, plan, planDigest, guestUscc: rule.guestUscc, now,
    items: isNeeded ? { authorised: all.authorised, open: all.all.filter((item) => !all.authorised.includes(item)) } : { authorised: [], open: all.all },
  });
}
