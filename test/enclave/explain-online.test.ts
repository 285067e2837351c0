// Reasons of single scores in a service: the same as those of a batch over the same companies, with what providers tell by leave of plan and policy.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { serviceAnswerSchema } from "../../api/contract/services.ts";
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import type { LoadedDataset } from "../../enclave/data/load.ts";
import { Records } from "../../enclave/data/records.ts";
import { fixedData, ServiceData, type DataViews } from "../../enclave/data/views.ts";
import { MaskedGuest, MaskedHost } from "../../enclave/live/scorers/masked.ts";
import type { Scored, ServeAnswer } from "../../enclave/live/scorers/scorer.ts";
import { judge, policySchema } from "../../enclave/policy.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import { endOfService } from "../../federation/live/params.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { explainBatch, scorecardExplainer, type Told } from "../../federation/score/explain.ts";
import type { BatchScores } from "../../federation/score/guest.ts";
import { labelFrameBytes } from "../../federation/score/messages.ts";
import type { HostHalf } from "../../federation/scorecard/half.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { pointDecimals } from "../../models/explain/parts.ts";
import type { Feature } from "../../models/features.ts";
import { datasets, planOf, power, tax } from "../support/enclave.ts";
import { generatedJob, holding, idOf, namesOf, scorePrograms, trainPrograms, type Trained } from "../support/joint.ts";
import { createWorld } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const job = generatedJob({ rows: 2600, trainRows: 2100, seed: 31, guest: 2, hosts: [3, 2], absent: 0.2 });
const bank = partyId("bank");
const [hostA, hostB] = ["host_a", "host_b"].map(partyId) as [PartyId, PartyId];
const groupOf = (feature: string): string | undefined => (feature === "x1_0" ? "tax arrears" : undefined);
const perScore = 3;

describe("reasons of single scores", () => {
  let trained: Trained;
  let halves: Record<string, HostHalf>;
  let batch: readonly Told[];
  let ids: readonly EntityId[];
  before(async () => {
    const results = await createWorld({ parties: namesOf(job), seed: 1, kernels }).run(trainPrograms(job));
    [trained, halves] = [results["bank"] as Trained, results as Record<string, HostHalf>];
    const world = createWorld({ parties: namesOf(job), seed: 2, job: "job_scoring000000000", kernels });
    const explain = { reasons: perScore, hosts: [hostA] };
    const scores = (await world.run(scorePrograms(job, { half: trained.half, hostHalves: halves, explain, telling: { naming: "features", groupOf } })))["bank"] as BatchScores;
    batch = [...explainBatch({ self: bank, explainer: scorecardExplainer(trained.half, bank), features: job.guest.table.features, odds: scores.odds, told: scores.reasons, groupOf: () => undefined, reasons: perScore })].flat();
    ids = [...job.label.keys()].map(idOf);
  });

  const dataset = (of: { readonly ids: readonly EntityId[]; readonly features: readonly Feature[] }): DataViews => fixedData({ rows: of.ids.length, records: new Records(of.ids), skipped: [], snapshotDigest: "a".repeat(64), ...of });
  const plan = { job: "job_000000000000000a", guest: bank, hosts: [hostA, hostB] } as unknown as JobPlan;
  /** The score of one company by scorers as in a service; host_a explains. */
  const ask = async (company: EntityId, change: (host: PartyId, body: ServeAnswer) => ServeAnswer = (_, body) => body): Promise<Scored> => {
    const guest = new MaskedGuest(trained.half, bank, dataset({ ids, features: job.guest.table.features }), { reasons: perScore, groupOf: () => undefined });
    const answers = new Map<PartyId, ServeAnswer>();
    for (const [i, host] of [hostA, hostB].entries()) {
      const scorer = new MaskedHost(halves[host] as HostHalf, {
        plan, self: host, data: dataset(holding(job, i)), keyOf: () => new Uint8Array(32).fill(9), explain: host === hostA ? { reasons: perScore, naming: "features", groupOf } : undefined,
      });
      const { reply } = scorer.answer({ n: 1, present: [hostA, hostB], company, consent: "" });
      assert.equal(reply.type, host === hostA ? "serve/part-explained" : "serve/part");
      answers.set(host, change(host, reply.body));
    }
    const prepared = guest.prepare({ company, columns: undefined });
    return prepared?.score(answers, [hostA, hostB]) ?? assert.fail("not prepared");
  };

  it("are those of a batch", async () => {
    let named = 0;
    for (let i = 0; i < 60; i++) {
      const [company, told] = [ids[i] as EntityId, batch[i] as Told];
      const { reasons, score } = await ask(company);
      assert.closeTo(score, told.score / 10 ** pointDecimals, 0.0051);
      assert.deepEqual(reasons?.map(({ rank, label, points }) => [rank, label, points]), told.reasons.map(({ rank, label, value }) => [rank, label, value / 10 ** pointDecimals]));
      assert.deepEqual(reasons?.map((r) => r.zh), told.reasons.map((r) => r.zh));
      named += reasons?.filter((r) => r.label.party === "host_a").length ?? 0;
      assert.isTrue(serviceAnswerSchema.options[0].shape.reasons.safeParse(reasons).success);
    }
    assert.isAbove(named, 5, "a provider that tells is named");
  });

  it("come with the part of the data in service: another company's after a change, and none from data that lack a column of the half", async () => {
    const { ids: held, features } = holding(job, 0);
    const of = (names: readonly EntityId[], columns: readonly Feature[]): LoadedDataset => ({ rows: names.length, ids: names, records: new Records(names), features: columns, skipped: [], snapshotDigest: "a".repeat(64) });
    const data = new ServiceData(of(held, features));
    const host = new MaskedHost(halves[hostA] as HostHalf, { plan, self: hostA, data, keyOf: () => new Uint8Array(32).fill(9) });
    const told = (company: EntityId) => host.answer({ n: 1, present: [hostA], company, consent: "" }).reply.body;
    const parts = new Map(held.map((id) => [id, told(id)]));
    assert.isAbove(new Set([...parts.values()].map(({ part }) => part)).size, 3);
    // The records of others under the same names.
    const [first, ...rest] = held as [EntityId, ...EntityId[]];
    data.renew(of([...rest, first], features.toReversed()), true);
    for (const [i, id] of [...rest, first].slice(0, 300).entries()) assert.deepEqual(told(id), parts.get(held[i] as EntityId));
    data.renew(of(rest, features.map((f) => (f.kind === "numeric" ? { ...f, values: f.values.slice(1) } : { ...f, codes: f.codes.slice(1) }))), true);
    assert.deepEqual([told(first).held, told(rest[0] as EntityId)], [false, parts.get(rest[0] as EntityId)]);
    data.renew(of(held, []), true);
    assert.instanceOf(await data.unfit.catch((error: unknown) => error), AppError);
    assert.throws(() => new MaskedHost(halves[hostA] as HostHalf, { plan, self: hostA, data: fixedData(of(held, [])), keyOf: () => new Uint8Array(32) }), "JOB_MODEL_UNKNOWN");
  });

  it("are left out where the plan has none, and a provider that says nonsense spoils its own question alone", async () => {
    const guest = new MaskedGuest(trained.half, bank, dataset({ ids, features: job.guest.table.features }));
    const scored = await guest.prepare({ company: ids[0] as string, columns: undefined })?.score(new Map(), []);
    assert.notProperty(scored, "reasons");
    const reason = { feature: "x1_0", size: 3 };
    for (const reasons of [[reason, { feature: "x1_1", size: 4 }], [reason, reason], [1, 2, 3, 4].map((i) => ({ feature: `f${i}`, size: 5 }))]) {
      const code = await ask(ids[0] as EntityId, (host, body) => (host === hostA ? { ...body, reasons } : body)).then(() => "taken", (error: unknown) => (error instanceof AppError ? error.code : String(error)));
      assert.equal(code, "PROTOCOL_WRONG_SHAPE");
    }
  });

  it("stand in the plan's statement for the providers that are named, and need each one's policy", () => {
    const explain = { reasons: 2, hosts: [tax] };
    const submitted = planOf({ kind: "serve", purpose: "loan-approval", model: "model_0123456789abcdef", params: { days: 1, requestsPerDay: 10, explain } });
    const serve = { ...submitted, expiresAt: endOfService(submitted.createdAt, 1) };
    const line = (type: string, from: PartyId) => compileLeakage(serve).leakage.find((l) => l.type === type && l.from === from);
    assert.isUndefined(line("serve/part", tax));
    assert.isUndefined(line("serve/part-explained", power));
    const explained = line("serve/part-explained", tax);
    assert.deepInclude(explained as object, { maxMessages: 20, numbers: 20 * 6 });
    assert.isAtLeast(explained?.maxBytes ?? 0, 20 * (64 + 2 * labelFrameBytes));
    assert.throws(() => planOf({ kind: "serve", purpose: "loan-approval", model: "model_0123456789abcdef", params: { explain: { reasons: 2, hosts: ["nobody"] } } }), /JOB_PARAMS/);
    const rule = (word: string) => policySchema.parse({ version: 1, allow: [{ guest: "bank", kinds: ["serve"], purposes: ["loan-approval"], approve: "auto", explain: word }] });
    const own = datasets[tax] as Parameters<typeof judge>[3];
    assert.deepEqual(judge(serve, tax, rule("nothing"), own), { kind: "refuse", code: "POLICY_EXPLAIN" });
    assert.equal(judge(serve, tax, rule("groups"), own).kind, "approve");
    assert.equal(judge(serve, power, rule("nothing"), datasets[power] as typeof own).kind, "approve");
  });
});
