// Services by joint trees over sealed tables: right scores, also without a provider, what is answered once, what is charged for ever, and what is refused.
import { createHmac } from "node:crypto";
import { assert } from "chai";
import { after, afterEach, before, describe, it } from "mocha";
import type { EntityId, PartyId } from "../../core/brand.ts";
import { jobIdSchema, partyId } from "../../core/names.ts";
import type { LoadedDataset } from "../../enclave/data/load.ts";
import { Records } from "../../enclave/data/records.ts";
import { fixedData } from "../../enclave/data/views.ts";
import { TreesGuest, TreesHost } from "../../enclave/live/scorers/trees.ts";
import type { ServeAnswer, ServeAsk } from "../../enclave/live/scorers/scorer.ts";
import { judge, modelsPerCompany, policySchema } from "../../enclave/policy.ts";
import { endOfService } from "../../federation/live/params.ts";
import type { TypedBody } from "../../federation/messages.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { groupsOfTables } from "../../federation/serve/tables.ts";
import { crossboostJoint, gbdtJoint } from "../../federation/serve/trees-guest.ts";
import { crossboostJointHost, gbdtJointHost, type JointHost } from "../../federation/serve/trees-host.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { makeTableKeys } from "../../kernels/linear/remote.ts";
import type { TableKeys } from "../../kernels/linear/tables.ts";
import { sigmoid } from "../../models/linear/logistic.ts";
import type { Feature } from "../../models/features.ts";
import { alignFeature } from "../../federation/rows/align.ts";
import { datasets, planOf } from "../support/enclave.ts";
import { bank } from "../support/gbdt.ts";
import { plainOdds, renamed, trainCells, trainTrees, type CellHalves, type TreeHalves } from "../support/joint-trees.ts";
import { LiveWorld, type RunningService } from "../support/live-world.ts";
import { codeOf as codeOfPromise } from "../support/world.ts";

const codeOf = (work: () => unknown): Promise<string> => codeOfPromise((async () => work())());
const [power, tax] = [partyId("power"), partyId("tax")];
const hosts = [power, tax];
const job = jobIdSchema.parse("job_0123456789abcdef");
const keyOf = (a: PartyId) => (b: PartyId): Uint8Array => new Uint8Array(createHmac("sha256", "keys").update([a, b].sort().join()).digest());
const idOf = (row: number): string => `company-${row}`;

describe("services by joint trees", () => {
  const kernels = createKernels();
  after(() => kernels[Symbol.asyncDispose]());
  let made: TreeHalves;
  let keys: TableKeys;
  let world: LiveWorld;
  const dataset = (features: readonly Feature[], rows: readonly number[]): LoadedDataset => {
    const ids = rows.map(idOf) as readonly string[] as readonly EntityId[];
    return { rows: rows.length, ids, records: new Records(ids), features: features.map((f) => alignFeature(f, Int32Array.from(rows))), skipped: [], snapshotDigest: "a".repeat(64) };
  };
  before(async () => {
    made = renamed(await trainTrees(kernels, [2, 1]), hosts);
    keys = await makeTableKeys();
    world = await LiveWorld.make();
  });
  after(() => world[Symbol.dispose]());

  const held = new AsyncDisposableStack();
  after(() => held.disposeAsync());
  const guestOf = (): TreesGuest => held.use(new TreesGuest(gbdtJoint(made.half, hosts), { data: fixedData(dataset(made.tables.own, Array.from({ length: made.tables.rows }, (_, row) => row))), keys }));
  const hostOf = (self: PartyId, more: { readonly publicKey?: Uint8Array; readonly features?: readonly Feature[]; readonly now?: () => number } = {}): TreesHost => {
    const { features, rowOf } = made.tables.hosts.find((h) => h.name === self) as TreeHalves["tables"]["hosts"][number];
    const groups = groupsOfTables(gbdtJoint(made.half, hosts).tables, self);
    const joint = gbdtJointHost(made.halves[self] as TreeHalves["halves"][string], { self, guest: bank, hosts }, groups);
    const rows = [...rowOf.keys()].filter((row) => (rowOf[row] ?? -1) >= 0);
    return held.use(new TreesHost({ plan: { job, guest: bank, hosts } as unknown as JobPlan, joint, self, data: fixedData(dataset(more.features ?? features, rows)), publicKey: more.publicKey ?? keys.publicKey, keyOf: keyOf(self), ...(more.now && { now: more.now }) }));
  };
  const askOf = (n: number, row: number, present: readonly PartyId[] = hosts): ServeAsk => ({ n, present: [...present], company: idOf(row), consent: "" });
  /** In the clear, by what the pooled columns say. */
  const expected = (row: number, present: readonly PartyId[]): number => {
    const joint = gbdtJoint(made.half, hosts);
    const open = joint.open(made.tables.own.map((f) => alignFeature(f, Int32Array.of(row))), present);
    return sigmoid(plainOdds(open, (host, table) => {
      const { features, rowOf } = made.tables.hosts.find((h) => h.name === host) as TreeHalves["tables"]["hosts"][number];
      const of = gbdtJointHost(made.halves[host] as TreeHalves["halves"][string], { self: host, guest: bank, hosts }, groupsOfTables(joint.tables, host));
      return of.choices(features, rowOf[row] ?? -1).get(table) ?? 0;
    }));
  };

  it("give the score of the trees, bit by bit, for companies that nobody or somebody lacks, and without a provider", async () => {
    const guest = guestOf();
    const providers = new Map(hosts.map((h) => [h, hostOf(h)]));
    const isHeld = (host: PartyId, row: number): boolean => (made.tables.hosts.find((h) => h.name === host)?.rowOf[row] ?? -1) >= 0;
    const some = [hosts.every((h) => isHeld(h, 710)) ? 710 : 711, Array.from({ length: 100 }, (_, i) => 720 + i).find((row) => !isHeld(power, row)) ?? 0, 5000];
    for (const [i, row] of some.entries()) {
      for (const [j, present] of [hosts, [tax], [power]].entries()) {
        const n = 10 * i + j;
        const prepared = guest.prepare({ company: idOf(row) });
        const first = new Map<PartyId, ServeAnswer>(present.map((h) => [h, providers.get(h)?.answer(askOf(n, row, present)).reply.body as ServeAnswer]));
        const bodyOf = await prepared?.second?.(first, present);
        const second = new Map<PartyId, ServeAnswer>();
        for (const h of present) second.set(h, (await providers.get(h)?.second(bodyOf?.(h, 1000 + n) as TypedBody<"serve/tables">))?.body as ServeAnswer);
        const scored = await prepared?.score(second, present);
        if (row < 900) assert.equal(scored?.probability, expected(row, present), `row ${row}, ${present.join()}`);
        assert.deepEqual(scored?.away, hosts.filter((h) => !present.includes(h)));
      }
    }
    assert.isUndefined(guest.prepare({ company: "x", columns: { c0: 7 } }), "a column of another type");
    // Nobody is there: only what the bank knows.
    const alone = await guest.prepare({ company: idOf(710) })?.score(new Map(), []);
    assert.closeTo(alone?.probability ?? 0, expected(710, []), 1e-12);
  });
  it("give the score of cross-party tables in the same way", async () => {
    const cells = await trainCells(kernels);
    const all = cells.tables.hosts.map((h) => h.name);
    const joint = crossboostJoint(cells.half, all);
    const everybody = Array.from({ length: cells.tables.rows }, (_, row) => row);
    await using scorers = new AsyncDisposableStack();
    const guest = scorers.use(new TreesGuest(joint, { data: fixedData(dataset(cells.tables.own, everybody)), keys }));
    const joints = new Map(all.map((self) => [self, crossboostJointHost(cells.halves[self] as CellHalves["halves"][string], { self, guest: bank, hosts: all }, groupsOfTables(joint.tables, self))]));
    const providers = new Map(cells.tables.hosts.map(({ name: self, features, rowOf }) => [self, scorers.use(new TreesHost({
      plan: { job, guest: bank, hosts: all } as unknown as JobPlan, joint: joints.get(self) as JointHost, self,
      data: fixedData(dataset(features, everybody.filter((row) => (rowOf[row] ?? -1) >= 0))), publicKey: keys.publicKey, keyOf: keyOf(self),
    }))]));
    for (const [n, row] of [1001, 1002, 1003].entries()) {
      const prepared = guest.prepare({ company: idOf(row) });
      const first = new Map<PartyId, ServeAnswer>(all.map((h) => [h, providers.get(h)?.answer({ n, present: all, company: idOf(row), consent: "" }).reply.body as ServeAnswer]));
      const bodyOf = await prepared?.second?.(first, all);
      const second = new Map<PartyId, ServeAnswer>();
      for (const h of all) second.set(h, (await providers.get(h)?.second(bodyOf?.(h, 50 + n) as TypedBody<"serve/tables">))?.body as ServeAnswer);
      const open = joint.open(cells.tables.own.map((f) => alignFeature(f, Int32Array.of(row))), all);
      const plain = plainOdds(open, (host, table) => {
        const { features, rowOf } = cells.tables.hosts.find((h) => h.name === host) as (typeof cells.tables.hosts)[number];
        return joints.get(host)?.choices(features, rowOf[row] ?? -1).get(table) ?? 0;
      });
      assert.equal((await prepared?.score(second, all))?.probability, sigmoid(plain));
    }
  });
  it("open a provider's second part once, for a number that it answered, and take no text of another form", async () => {
    const guest = guestOf();
    const host = hostOf(tax);
    const prepared = guest.prepare({ company: idOf(710) });
    const ask = async (n: number): Promise<TypedBody<"serve/tables">> => {
      const first = new Map<PartyId, ServeAnswer>([[tax, host.answer(askOf(n, 710, [tax])).reply.body]]);
      return (await prepared?.second?.(first, [tax]))?.(tax, 100 + n) as TypedBody<"serve/tables">;
    };
    const body = await ask(1);
    assert.isUndefined(await host.second({ ...body, asked: 7 }), "never asked");
    const answered = await host.second(body);
    assert.equal(answered?.body.n, 101);
    assert.isUndefined(await host.second(body), "the same masks over other tables would tell their difference");
    for (const bad of [new Uint8Array(1000), body.text.subarray(1), new Uint8Array(body.text.length).fill(3)]) {
      assert.equal(await codeOf(async () => host.second({ ...(await ask(2)), text: bad.slice() })), "KERNEL_TEXT");
      assert.isUndefined(await host.second({ ...body, asked: 2 }), "used up");
    }
    const right = new Map<PartyId, ServeAnswer>([[tax, (await host.second(await ask(3)))?.body as ServeAnswer]]);
    assert.equal((await prepared?.score(right, [tax]))?.probability, expected(710, [tax]), "nothing is disturbed");
    // Answers that cannot be right.
    const second = async (places: ServeAnswer): Promise<string> => codeOf(async () => prepared?.second?.(new Map([[tax, places]]), [tax]));
    assert.equal(await second({ n: 1, places: new Uint8Array(5), held: true }), "PROTOCOL_WRONG_SHAPE");
    assert.equal(await second({ n: 1, text: new Uint8Array(5) }), "PROTOCOL_WRONG_SHAPE");
    assert.equal(await codeOf(() => prepared?.score(new Map([[tax, { n: 1, places: new Uint8Array(0), held: true }]]), [tax])), "PROTOCOL_WRONG_SHAPE");
    assert.equal(await codeOf(() => prepared?.score(new Map([[tax, { n: 1, text: new Uint8Array(99) }]]), [tax])), "KERNEL_TEXT");
  });
  it("open no second part that comes minutes after the first, or after hundreds of others", async () => {
    let now = 0;
    const host = hostOf(tax, { now: () => now });
    const prepared = guestOf().prepare({ company: idOf(710) });
    const ask = async (n: number): Promise<TypedBody<"serve/tables">> => (await prepared?.second?.(new Map([[tax, host.answer(askOf(n, 710, [tax])).reply.body]]), [tax]))?.(tax, 9999) as TypedBody<"serve/tables">;
    const [first, later] = [await ask(1), await ask(2)];
    now = 140_000;
    assert.isDefined(await host.second(first));
    now = 160_000;
    assert.isUndefined(await host.second(later), "a consent may be withdrawn by then");
    const old = await ask(3);
    for (let n = 4; n < 4 + 512; n++) host.answer(askOf(n, 710, [tax]));
    assert.isUndefined(await host.second(old), "what waits is bounded");
    assert.isDefined(await host.second({ ...old, asked: 515 }));
  });
  it("end at a provider for a key that is not in its short form, and for data without a column of the model", async () => {
    for (const publicKey of [new Uint8Array(0), keys.publicKey.subarray(0, 5000).slice(), new Uint8Array(keys.publicKey.length)]) assert.equal(await codeOf(() => hostOf(tax, { publicKey }).start()), "KERNEL_TEXT");
    assert.equal(await codeOf(() => hostOf(tax, { features: [] })), "JOB_MODEL_UNKNOWN");
  });

  describe("over live channels", () => {
    let running: RunningService | undefined;
    let count = 0;
    afterEach(() => running?.[Symbol.dispose]());
    const silent = new Set<PartyId>();
    let guest: TreesGuest;
    let providers: ReadonlyMap<PartyId, TreesHost>;
    before(() => {
      guest = guestOf();
      providers = new Map(hosts.map((h) => [h, hostOf(h)]));
    });
    const begin = async (params: object = {}): Promise<RunningService> => {
      running?.[Symbol.dispose]();
      const scorers = Object.fromEntries(hosts.map((self) => {
        const host = providers.get(self) as TreesHost;
        const variant = { answer: host.answer.bind(host), second: async (body: TypedBody<"serve/tables">) => (silent.has(self) ? new Promise<undefined>(() => undefined) : host.second(body)), sharing: host.sharing };
        return [self, { ...variant, model: host.model, ask: host.ask }];
      }));
      count += 1;
      running = await world.begin(`job_0123456789abcde${count}`, { params: { protection: "joint-trees", timeoutMs: 5000, setsPerCompany: 2, questionsPerCompany: 3, ...params }, guest, hosts: scorers });
      return running;
    };
    const probability = (answer: Awaited<ReturnType<RunningService["ask"]>>): number => (answer.status === "scored" ? answer.probability : Number.NaN);
    const refusal = (answer: Awaited<ReturnType<RunningService["ask"]>>): string => (answer.status === "refused" ? answer.code : answer.status);
    /** Until both are there. */
    const ready = async (service: RunningService, row: number): Promise<void> => {
      for (let i = 0; i < 200; i++) {
        const answer = await service.ask(idOf(row));
        if (answer.status === "scored" && !answer.partial) return;
        await new Promise((resolve) => setImmediate(resolve));
      }
      throw new Error("never there");
    };

    it("score, and count questions about a company for ever, over services and models", async () => {
      assert.equal(new Set([...providers.values(), hostOf(tax)].map(({ model }) => model)).size, 1, "one count for all of them, of any model");
      const service = await begin();
      await ready(service, 701);
      assert.closeTo(probability(await service.ask(idOf(710))), expected(710, hosts), 1e-12);
      assert.deepEqual([refusal(await service.ask(idOf(710))), refusal(await service.ask(idOf(710))), refusal(await service.ask(idOf(710)))], ["scored", "scored", "SERVICE_QUESTIONS"]);
      world.now += 40 * 86_400_000;
      const next = await begin();
      await ready(next, 702);
      assert.equal(refusal(await next.ask(idOf(710))), "SERVICE_QUESTIONS", "another service has no budget of its own");
      assert.equal(refusal(await next.ask(idOf(711))), "scored");
      assert.deepEqual(next.faults, []);
    });
    it("score without a provider that is gone between the two parts, and say so; its set is another one", async () => {
      const service = await begin({ timeoutMs: 1500, questionsPerCompany: 4 });
      await ready(service, 703);
      silent.add(tax);
      const answer = await service.ask(idOf(712));
      silent.clear();
      assert.equal(answer.status === "scored" && answer.partial, true);
      assert.deepEqual(answer.status === "scored" && answer.away, [tax]);
      assert.closeTo(probability(answer), expected(712, [power]), 1e-12);
      assert.equal(refusal(await service.ask(idOf(712))), "scored", "both sets are open");
      const strict = await begin({ timeoutMs: 1500, fallback: "refuse", setsPerCompany: 1 });
      await ready(strict, 704);
      silent.add(power);
      assert.equal(refusal(await strict.ask(idOf(713))), "SERVICE_PROVIDER_AWAY");
      silent.clear();
      assert.equal(refusal(await strict.ask(idOf(713))), "scored");
    });
    it("refuse a company under one set of providers too many, apart from its questions", async () => {
      const service = await begin({ timeoutMs: 1500, fallback: "missing-bin", setsPerCompany: 1, questionsPerCompany: 4 });
      await ready(service, 705);
      assert.equal(refusal(await service.ask(idOf(714))), "scored");
      silent.add(tax);
      assert.equal(refusal(await service.ask(idOf(714))), "SERVICE_PROVIDER_AWAY");
      silent.clear();
      assert.equal(refusal(await service.ask(idOf(714))), "scored");
    });
  });

  describe("by the policy", () => {
    const service = (params: object): JobPlan => {
      const createdAt = new Date().toISOString();
      return { ...planOf({ kind: "serve", purpose: "loan-approval", model: "model_0123456789abcdef", hosts, params: { protection: "joint-trees", days: 1, ...params } }), createdAt, expiresAt: endOfService(createdAt, 1) };
    };
    const says = (plan: JobPlan, self: PartyId, rule: object): string => {
      const policy = policySchema.parse({ version: 1, allow: [{ guest: "bank", kinds: ["serve"], purposes: ["loan-approval"], approve: "auto", sealTo: plan.sealTo.x, ...rule }] });
      const verdict = judge(plan, self, policy, datasets[self] ?? assert.fail());
      return verdict.kind === "refuse" ? verdict.code : verdict.kind;
    };
    it("are refused unless it names them, at the provider as at the bank, and beyond its number of questions", () => {
      for (const self of [tax, bank]) {
        assert.equal(says(service({}), self, {}), "POLICY_PROTECTION");
        assert.equal(says(service({}), self, { encryptedModel: {}, wholeModel: {} }), "POLICY_PROTECTION");
        assert.equal(says(service({}), self, { jointTrees: {} }), "approve");
        assert.equal(says(service({ questionsPerCompany: 5 }), self, { jointTrees: {} }), "POLICY_PROTECTION");
        assert.equal(says(service({ questionsPerCompany: 5 }), self, { jointTrees: { maxQuestionsPerCompany: 5 } }), "approve");
      }
    });
    it("count as models of jobs do", () => {
      const rule = policySchema.parse({ version: 1, allow: [{ guest: "bank", kinds: ["serve"], purposes: ["loan-approval"], maxModelsPerCompany: 3, jointTrees: {} }] }).allow[0] ?? assert.fail();
      assert.equal(modelsPerCompany(service({}), rule), 3);
    });
    it("need a model of a job", () => {
      assert.throws(() => planOf({ kind: "serve", purpose: "loan-approval", hosts, params: { protection: "joint-trees" } }), "JOB_MODEL_UNKNOWN");
    });
  });
});
