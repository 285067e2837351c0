// Full-coverage evaluation: the public scorecard over all companies of the guest, or over those that authorised it (federation/evaluate).
import type { EntityId } from "../../../core/brand.ts";
import { bankConsents, withConsents } from "../consents.ts";
import { evaluateGuest } from "../../../federation/evaluate/guest.ts";
import { evaluateHost } from "../../../federation/evaluate/host.ts";
import { cardOf, evaluateJobSchema } from "../../../federation/evaluate/params.ts";
import { alignFeature } from "../../../federation/rows/align.ts";
import { RunConsents } from "../../evaluation/authorised.ts";
import { keepEvaluation } from "../../evaluation/keep.ts";
import { offeredIndicators, sectorsOf } from "../../evaluation/offered.ts";
import { checkReceipts, type JobKind } from "../context.ts";

export const evaluateKind: JobKind = {
  async guest(context) {
    const { tools, input: { plan }, party, intersection } = context;
    const { dataset } = tools;
    const params = evaluateJobSchema.parse(plan.params);
    const card = cardOf(params);
    const offered = offeredIndicators(card, dataset);
    const consents = params.basis === "full" ? new RunConsents(context, offered) : undefined;
    const records = consents === undefined ? Int32Array.from(dataset.ids.keys()) : await consents.companies(dataset.ids);
    const ids = Array.from(records, (record) => dataset.ids[record] as EntityId);
    const used = new Set(offered);
    const features = dataset.features.filter((f) => used.has(f.name)).map((f) => alignFeature(f, records));
    const summed = await evaluateGuest(party, { hosts: plan.hosts, card, ids, features, offered, setSecret: tools.setSecret, intersection, consents: await bankConsents(context, ids) });
    checkReceipts(context, { id: card.id, digest: card.digest }, summed.receipts);
    const sectors = sectorsOf(dataset);
    await keepEvaluation(context, { card, params, summed, consents, ids, sectors: Array.from(records, (record) => sectors[record]) });
  },
  async host(context, own) {
    const card = cardOf(evaluateJobSchema.parse(context.input.plan.params));
    const offered = offeredIndicators(card, context.tools.dataset);
    const { party, host } = withConsents(context, own, offered);
    await evaluateHost(party, { ...host, card, offered });
  },
};
