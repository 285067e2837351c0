// The scorers of a service by its protection. What the bank brings itself goes to the providers before the service begins, through the job's durable
// channel: an enclave that is started again finds it in its inbox.
import { AppError } from "../../../core/errors.ts";
import { guestHalfSchema } from "../../../federation/scorecard/finish.ts";
import { hostHalfSchema } from "../../../federation/scorecard/half.ts";
import { explainOf, type EncryptedModelParams, type ServeJobParams, type WholeModelParams } from "../../../federation/serve/params.ts";
import { EncryptedGuest, EncryptedHost } from "../../live/scorers/encrypted.ts";
import { MaskedGuest, MaskedHost } from "../../live/scorers/masked.ts";
import { WholeGuest, WholeHost } from "../../live/scorers/whole.ts";
import type { GuestScorer, HostScorer } from "../../live/scorers/scorer.ts";
import { openModel, receiveModel, sealModel, sendModel } from "../../own-models/deliver.ts";
import type { JobContext } from "../context.ts";
import { hostExplain } from "../explain.ts";
import { readHalf } from "../halves.ts";
import { statedLinear, statedOnnx } from "./own-models.ts";

/** Goes on to `held` what is to be released at the end of the service. */
type Held = AsyncDisposableStack;

/** Throws JOB_MODEL_UNKNOWN, MODEL_OWN. */
export async function guestScorer(context: JobContext, params: ServeJobParams, held: Held): Promise<GuestScorer> {
  const { tools, input: { plan }, party } = context;
  const { party: self } = tools.identity;
  if (params.protection === "masked-points") {
    const half = readHalf(tools.db, plan, "scorecard-guest", guestHalfSchema);
    return new MaskedGuest(half, self, tools.dataset, { reasons: explainOf(params).reasons, groupOf: (feature) => tools.groups.get(feature) });
  }
  if (params.protection === "encrypted-model") {
    const own = statedLinear(context, params);
    const scorer = held.use(new EncryptedGuest(own, { self, hosts: plan.hosts, dataset: tools.dataset }));
    await Promise.all(plan.hosts.map((host) => sendModel(party, host, "serve/encrypted-model", new Uint8Array(Buffer.from(own.sealed[host] ?? "", "base64")))));
    return scorer;
  }
  const scorer = new WholeGuest(params, tools.dataset);
  const [host] = plan.hosts;
  if (host === undefined) throw new AppError("JOB_PARAMS");
  await sendModel(party, host, "serve/whole-model", sealModel(party, host, statedOnnx(context, params)));
  return scorer;
}

/** Throws JOB_MODEL_UNKNOWN, KERNEL_TEXT, and what a whole model is refused with. */
export async function hostScorer(context: JobContext, params: ServeJobParams, held: Held): Promise<HostScorer> {
  const { tools, input: { plan }, party } = context;
  const { party: self } = tools.identity;
  const { dataset } = tools;
  if (params.protection === "masked-points") {
    return new MaskedHost(readHalf(tools.db, plan, "scorecard-host", hostHalfSchema), { plan, self, dataset, keyOf: (peer) => party.sharedRng(peer, "serve/masks")(32), explain: hostExplain(context, explainOf(params)) });
  }
  const scorer = params.protection === "encrypted-model" ? await encrypted(context, params) : await whole(context, params);
  held.use(scorer);
  // What cannot be opened, or is not allowed, ends the service here: no question was asked yet.
  await scorer.start();
  return scorer;
}

async function encrypted({ tools, input: { plan }, party }: JobContext, params: EncryptedModelParams): Promise<EncryptedHost> {
  const packed = await receiveModel(party, plan.guest, "serve/encrypted-model");
  return new EncryptedHost({ plan, params, self: tools.identity.party, dataset: tools.dataset, packed, keyOf: (peer) => party.sharedRng(peer, "serve/masks28")(32) });
}

async function whole({ tools, input: { plan }, party }: JobContext, params: WholeModelParams): Promise<WholeHost> {
  const sealed = await receiveModel(party, plan.guest, "serve/whole-model");
  return new WholeHost({ params, self: tools.identity.party, dataset: tools.dataset, model: openModel(party, plan.guest, sealed) });
}
