// A standing service: online scores by a scorecard that an earlier job made (federation/serve).
import { AppError } from "../../../core/errors.ts";
import { guestHalfSchema } from "../../../federation/scorecard/finish.ts";
import { hostHalfSchema } from "../../../federation/scorecard/half.ts";
import { serveJobSchema } from "../../../federation/serve/params.ts";
import { ServiceConsents } from "../../live/consents.ts";
import { GuestService } from "../../live/guest-service.ts";
import { HostService } from "../../live/host-service.ts";
import { MaskedGuest, MaskedHost } from "../../live/scorers/masked.ts";
import { stand } from "../../live/standing.ts";
import { itemsOf } from "../consents.ts";
import type { JobKind } from "../context.ts";
import { readHalf } from "../halves.ts";

export const serveKind: JobKind = {
  async guest(context) {
    const { tools, input: { plan, signal }, receipt } = context;
    const half = readHalf(tools.db, plan, "scorecard-guest", guestHalfSchema);
    const params = serveJobSchema.parse(plan.params);
    const scorer = new MaskedGuest(half, tools.identity.party, tools.dataset);
    const secrets = tools.records.secrets(plan.job);
    if (secrets === undefined) throw new AppError("ENCLAVE_KEYS");
    receipt.names({ digest: scorer.modelDigest });
    await stand(context, { modelDigest: scorer.modelDigest, receiptUses: params.receiptUses }, (standing) => new GuestService(standing, { params, scorer, seed: secrets.seed, consents: tools.consents, signal }));
  },
  async host(context) {
    const { tools, input: { plan, planDigest, rule }, receipt } = context;
    const half = readHalf(tools.db, plan, "scorecard-host", hostHalfSchema);
    const { consents: desk, dataset: { catalogue }, now } = tools;
    const isNeeded = plan.datasets[tools.identity.party]?.consents === true;
    if (isNeeded && (desk === undefined || catalogue === undefined)) throw new AppError("POLICY_CONSENTS");
    const all = desk === undefined || catalogue === undefined ? undefined : itemsOf(catalogue, half.columns.map((c) => c.feature));
    const consents = desk === undefined || all === undefined ? undefined : new ServiceConsents({
      desk, plan, planDigest, guestUscc: rule.guestUscc, now,
      items: isNeeded ? { authorised: all.authorised, open: all.all.filter((item) => !all.authorised.includes(item)) } : { authorised: [], open: all.all },
    });
    receipt.names({ digest: half.digest });
    const params = serveJobSchema.parse(plan.params);
    const { maxModelsPerCompany, singleHostTotals } = rule;
    await stand(context, { modelDigest: half.digest, receiptUses: params.receiptUses }, (standing) => {
      const scorer = new MaskedHost(half, { plan, self: standing.self, dataset: standing.dataset, sessionOf: (peer) => standing.sessionOf(peer) });
      return new HostService(standing, { params, scorer, consents, maxModelsPerCompany, singleHostTotals });
    });
  },
};
