// A standing service for verifications: claims about fields of providers, in the clear or blind (federation/verify).
import { digestOf } from "../../../core/canonical.ts";
import { AppError } from "../../../core/errors.ts";
import { publishedField } from "../../../federation/verify/fields.ts";
import { verifyJobSchema } from "../../../federation/verify/params.ts";
import { ServiceConsents } from "../../live/consents.ts";
import { stand } from "../../live/standing.ts";
import { VerifyGuestService } from "../../live/verify-guest.ts";
import { VerifyHostService } from "../../live/verify-host.ts";
import type { JobKind } from "../context.ts";

export const verifyKind: JobKind = {
  async guest(context) {
    const { tools, input: { plan, signal }, receipt } = context;
    const params = verifyJobSchema.parse(plan.params);
    const secrets = tools.records.secrets(plan.job);
    if (secrets === undefined) throw new AppError("ENCLAVE_KEYS");
    const modelDigest = digestOf(params);
    receipt.names({ digest: modelDigest });
    await stand(context, { modelDigest, receiptUses: params.receiptUses }, (standing) => new VerifyGuestService(standing, { params, seed: secrets.seed, consents: tools.consents, signal }));
  },
  async host(context) {
    const { tools, input: { plan, planDigest, rule }, receipt } = context;
    const { consents: desk, data, identity: { party: self }, now } = tools;
    const params = verifyJobSchema.parse(plan.params);
    const published = params.fields.filter(({ party }) => party === self).map((asked) => publishedField(plan, asked));
    if (published.length === 0) throw new AppError("VERIFY_FIELD", { party: self });
    const verifiable = data.view((dataset) => {
      if (dataset.verifiable === undefined) throw new AppError("VERIFY_FIELD", { party: self });
      return dataset.verifiable;
    });
    const needsConsents = plan.datasets[self]?.verification?.consents === true;
    if (needsConsents && desk === undefined) throw new AppError("POLICY_CONSENTS");
    const consents = desk && new ServiceConsents({ desk, plan, planDigest, guestUscc: rule.guestUscc, now, kind: "verify", items: { authorised: [], open: [] } });
    const modelDigest = digestOf(params);
    receipt.names({ digest: modelDigest });
    await stand(context, { modelDigest, receiptUses: params.receiptUses }, (standing) => new VerifyHostService(standing, { params, published, verifiable, consents, needsConsents }));
  },
};
