// The scorers of a service by its protection. What the bank brings itself goes to the providers before the service begins, through the job's durable
// channel: an enclave that is started again finds it in its inbox.
import { AppError } from "../../../core/errors.ts";
import { crossboostGuestHalfSchema, crossboostHostHalfSchema } from "../../../federation/crossboost/half.ts";
import { gbdtGuestHalfSchema, gbdtHostHalfSchema } from "../../../federation/gbdt/half.ts";
import { guestHalfSchema } from "../../../federation/scorecard/finish.ts";
import { hostHalfSchema } from "../../../federation/scorecard/half.ts";
import { explainOf, type EncryptedModelParams, type ServeJobParams, type WholeModelParams } from "../../../federation/serve/params.ts";
import { groupsOfTables } from "../../../federation/serve/tables.ts";
import { crossboostJoint, gbdtJoint } from "../../../federation/serve/trees-guest.ts";
import { crossboostJointHost, gbdtJointHost } from "../../../federation/serve/trees-host.ts";
import type { TableKeys } from "../../../kernels/linear/tables.ts";
import { Pool } from "../../../kernels/pool.ts";
import { EncryptedGuest, EncryptedHost } from "../../live/scorers/encrypted.ts";
import { MaskedGuest, MaskedHost } from "../../live/scorers/masked.ts";
import { tablesModule, TreesGuest, TreesHost } from "../../live/scorers/trees.ts";
import { WholeGuest, WholeHost } from "../../live/scorers/whole.ts";
import type { GuestScorer, HostScorer } from "../../live/scorers/scorer.ts";
import { openModel, receiveModel, sealModel, sendModel } from "../../own-models/deliver.ts";
import type { JobContext } from "../context.ts";
import { hostExplain } from "../explain.ts";
import { kindOfHalf, readHalf } from "../halves.ts";
import { statedLinear, statedOnnx } from "./own-models.ts";

/** Goes on to `held` what is to be released at the end of the service. */
type Held = AsyncDisposableStack;

/** Throws JOB_MODEL_UNKNOWN, MODEL_OWN. */
export async function guestScorer(context: JobContext, params: ServeJobParams, held: Held): Promise<GuestScorer> {
  const { tools, input: { plan }, party } = context;
  const { party: self } = tools.identity;
  if (params.protection === "masked-points") {
    const half = readHalf(tools.db, plan, "scorecard-guest", guestHalfSchema);
    return new MaskedGuest(half, self, tools.data, { reasons: explainOf(params).reasons, groupOf: (feature) => tools.groups.get(feature) });
  }
  if (params.protection === "joint-trees") return jointGuest(context, held);
  if (params.protection === "encrypted-model") {
    const own = statedLinear(context, params);
    const scorer = held.use(new EncryptedGuest(own, { self, hosts: plan.hosts, data: tools.data }));
    await Promise.all(plan.hosts.map((host) => sendModel(party, host, "serve/encrypted-model", new Uint8Array(Buffer.from(own.sealed[host] ?? "", "base64")))));
    return scorer;
  }
  const scorer = new WholeGuest(params, tools.data);
  const [host] = plan.hosts;
  if (host === undefined) throw new AppError("JOB_PARAMS");
  await sendModel(party, host, "serve/whole-model", sealModel(party, host, statedOnnx(context, params)));
  return scorer;
}

/** The key of a service's tables is made once, and kept sealed before the public half leaves. Throws JOB_MODEL_UNKNOWN, SERVICE_TREES. */
async function jointGuest({ tools, input: { plan }, party }: JobContext, held: Held): Promise<TreesGuest> {
  const isGbdt = kindOfHalf(tools.db, plan) === "gbdt-guest";
  const joint = isGbdt ? gbdtJoint(readHalf(tools.db, plan, "gbdt-guest", gbdtGuestHalfSchema), plan.hosts) : crossboostJoint(readHalf(tools.db, plan, "crossboost-guest", crossboostGuestHalfSchema), plan.hosts);
  const kept = party.restored(keysName);
  const keys = kept === undefined ? await newKeys() : unpackKeys(kept);
  if (kept === undefined) await party.checkpoint(keysName, packKeys(keys));
  await Promise.all(plan.hosts.map((host) => party.send(host, "serve/trees", { key: keys.publicKey, groups: groupsOfTables(joint.tables, host) })));
  return held.use(new TreesGuest(joint, { data: tools.data, keys }));
}

const keysName = "tables-key";

/** The secret one behind the length of the public one. */
function packKeys({ publicKey, secretKey }: TableKeys): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(publicKey.length);
  return new Uint8Array(Buffer.concat([length, publicKey, secretKey]));
}

function unpackKeys(bytes: Uint8Array): TableKeys {
  const end = 4 + Buffer.from(bytes).readUInt32LE(0);
  return { publicKey: bytes.slice(4, end), secretKey: bytes.slice(end) };
}

async function newKeys(): Promise<TableKeys> {
  await using pool = new Pool({ threads: 1 });
  return await pool.run<TableKeys>(tablesModule, "makeTableKeys", []);
}

/** Throws JOB_MODEL_UNKNOWN, PROTOCOL_SPLIT, SERVICE_TREES. */
async function jointHost({ tools, input: { plan }, party }: JobContext): Promise<TreesHost> {
  const { key, groups } = await party.receive(plan.guest, "serve/trees");
  const parties = { self: tools.identity.party, guest: plan.guest, hosts: plan.hosts };
  const isGbdt = kindOfHalf(tools.db, plan) === "gbdt-host";
  const joint = isGbdt ? gbdtJointHost(readHalf(tools.db, plan, "gbdt-host", gbdtHostHalfSchema), parties, groups) : crossboostJointHost(readHalf(tools.db, plan, "crossboost-host", crossboostHostHalfSchema), parties, groups);
  return new TreesHost({ plan, joint, self: parties.self, data: tools.data, publicKey: key, keyOf: (peer) => party.sharedRng(peer, "serve/trees")(32) });
}

/** Throws JOB_MODEL_UNKNOWN, KERNEL_TEXT, and what a whole model is refused with. */
export async function hostScorer(context: JobContext, params: ServeJobParams, held: Held): Promise<HostScorer> {
  const { tools, input: { plan }, party } = context;
  const { party: self } = tools.identity;
  const { data } = tools;
  if (params.protection === "masked-points") {
    return new MaskedHost(readHalf(tools.db, plan, "scorecard-host", hostHalfSchema), { plan, self, data, keyOf: (peer) => party.sharedRng(peer, "serve/masks")(32), explain: hostExplain(context, explainOf(params)) });
  }
  const scorer = params.protection === "joint-trees" ? await jointHost(context) : params.protection === "encrypted-model" ? await encrypted(context, params) : await whole(context, params);
  held.use(scorer);
  // What cannot be opened, or is not allowed, ends the service here: no question was asked yet.
  await scorer.start();
  return scorer;
}

async function encrypted({ tools, input: { plan }, party }: JobContext, params: EncryptedModelParams): Promise<EncryptedHost> {
  const packed = await receiveModel(party, plan.guest, "serve/encrypted-model");
  return new EncryptedHost({ plan, params, self: tools.identity.party, data: tools.data, packed, keyOf: (peer) => party.sharedRng(peer, "serve/masks28")(32) });
}

async function whole({ tools, input: { plan }, party }: JobContext, params: WholeModelParams): Promise<WholeHost> {
  const sealed = await receiveModel(party, plan.guest, "serve/whole-model");
  return new WholeHost({ params, self: tools.identity.party, data: tools.data, model: openModel(party, plan.guest, sealed) });
}
