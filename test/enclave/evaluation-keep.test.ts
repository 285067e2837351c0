// The end of an evaluation at its enclave: who withdrew between the run and a push is told to nobody, over restarts and while the platform is away, and
// the receipt covers what was released.
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compactVerify } from "jose";
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { createInstitutionKey, openSealed } from "../../cli/institution-key.ts";
import { consentDigest } from "../../consent/revocation.ts";
import type { EntityId, ItemId } from "../../core/brand.ts";
import { digestOf, sha256Hex } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { budgetsPolicySchema, type BudgetsPolicy } from "../../enclave/charges/policy.ts";
import { PrivateReports } from "../../enclave/charges/private-reports.ts";
import { RunConsents } from "../../enclave/evaluation/authorised.ts";
import { keepEvaluation } from "../../enclave/evaluation/keep.ts";
import type { JobContext } from "../../enclave/job/context.ts";
import { JobReceipt } from "../../enclave/job/receipt.ts";
import { Ledger } from "../../enclave/ledger.ts";
import { ReceiptBook } from "../../enclave/receipts/book.ts";
import { ReportDesk } from "../../enclave/reports.ts";
import { evaluatePart } from "../../evaluation/part.ts";
import { evaluateJobSchema, publishedCards, type PlannedPush } from "../../federation/evaluate/params.ts";
import { planDigest } from "../../federation/plan-schema.ts";
import type { Feature } from "../../models/features.ts";
import { readReceipt } from "../../receipts/receipt.ts";
import { granted, listOf, usccOf } from "../consent/support.ts";
import { draws } from "../evaluation/support.ts";
import { DeskWorld } from "../support/desk.ts";
import { bank, datasets, planOf } from "../support/enclave.ts";
import { noAudit } from "../support/no-audit.ts";
import { keptLog } from "../support/platform.ts";

const n = 240;
const told = 6;
const shop = partyId("shop");
const reader = createInstitutionKey();
const signer = generateKeyPairSync("ed25519");
const usccs = Array.from({ length: n }, (_, i) => usccOf(i + 1) as EntityId);
const draw = draws("keep");
const indicators = ["tax_arrears_open", "jd_dishonest_debtor_24m", "rg_age_months"];
const features: Feature[] = indicators.map((name) => ({ kind: "numeric", name, values: Float64Array.from(usccs, () => Math.floor(4 * draw.uniform())), special: [] }));
const card = publishedCards.full;
const allItems = [...new Set(card.entries.flatMap((e) => e.items))].sort() as ItemId[];
const idOf = (i: number): string => `consent_${String(i).padStart(24, "0")}`;
const consents = Array.from({ length: told }, (_, i) => granted({
  id: idOf(i), subject: usccs[i] as string, grantee: { party: shop, uscc: usccOf(9002) }, items: allItems, purpose: "credit-evaluation", use: { kind: "repeated" },
}));
const push: PlannedPush = { institution: shop, name: "all", purpose: "credit-evaluation", provinces: "all", sectors: "all", grades: "all", sealTo: reader.publicJwk.x };
const params = evaluateJobSchema.parse({ basis: "full", card: card.digest, asOf: "2026-06-01", pushes: [push] });
const bare = planOf({ kind: "evaluate", purpose: "credit-evaluation", params });
const plan = { ...bare, datasets: { ...datasets, bank: { ...bare.datasets["bank"], consents: true } } } as typeof bare;

describe("the end of an evaluation", () => {
  let world: DeskWorld;
  let stored: Map<string, string>;
  let released: { figures: { provinceByGrade: { total: number } | null } }[];
  let onPut: () => void;
  let privacy: BudgetsPolicy;
  beforeEach(() => {
    world = new DeskWorld();
    stored = new Map();
    released = [];
    onPut = () => undefined;
    privacy = budgetsPolicySchema.parse({});
  });
  afterEach(() => world[Symbol.dispose]());

  const folder = (): string => join(world.folder.path, "results", plan.job);
  const withdraw = (...which: number[]): void => {
    world.now += 5_000;
    const at = Math.floor(world.now / 1000);
    const lists = world.platform.lists.length;
    world.platform.lists = [...world.platform.lists, listOf(lists + 1, { issuedAt: world.now, entries: which.map((i) => [consentDigest(idOf(i)), at, at + 200 * 86_400]) })];
  };
  /** One life of the enclave, from the sums of the run on. */
  async function live(): Promise<{ receipt: string }> {
    mkdirSync(folder(), { recursive: true });
    const { db, box, desk, logs } = world;
    const now = (): number => world.now;
    const book = new ReceiptBook({ db, box, rng: systemRng, key: signer.privateKey });
    const uses = book.uses(plan.job);
    const receipt = new JobReceipt(book, { plan, planDigest: planDigest(plan), self: bank, ledger: new Ledger(db, plan, bank), uses, seeds: () => ({}), now });
    receipt.names({ digest: card.digest });
    const reports = new ReportDesk({
      db, now, audit: noAudit, figures: new PrivateReports({ db, env: { now, rng: systemRng }, policy: () => privacy }),
      reports: { putReport: async (_kind, bytes) => void released.push(JSON.parse(Buffer.from(bytes).toString("utf8")) as (typeof released)[number]) },
    });
    const context = {
      tools: {
        consents: desk, dataset: { catalogue: undefined }, records: world.records(), paths: { results: join(world.folder.path, "results") }, marks: () => new Map(),
        identity: { party: bank, signKey: signer.privateKey }, now, log: keptLog(logs), platform: { putResult: async (_job: string, name: string, jwe: string) => void stored.set(name, jwe) },
        evaluation: {
          desk: reports,
          platform: {
            putPush: async (_job: string, to: { part: number }, jwe: string) => {
              onPut();
              stored.set(`push-${shop}-credit-evaluation-${to.part}.jwe`, jwe);
            },
            subscribersConsents: async (_job: string, after: number) => ({ next: consents.length, consents: consents.slice(after) }),
          },
        },
      },
      input: { plan, planDigest: planDigest(plan), rule: {}, signal: new AbortController().signal }, party: { self: bank }, uses, receipt,
    } as unknown as JobContext;
    await keepEvaluation(context, {
      card, params, consents: new RunConsents(context, indicators), ids: usccs, sectors: usccs.map(() => "C"),
      summed: {
        rows: Int32Array.from(usccs.keys()), refused: new Map(), byHost: new Map(), receipts: [], sum: evaluatePart(card, indicators, features, n),
        assignment: { parties: new Map([[bank, indicators]]), absent: card.entries.map((e) => e.indicator).filter((id) => !indicators.includes(id)) },
      },
    });
    return { receipt: receipt.make() };
  }
  const pushed = async (): Promise<string[]> => {
    const { payload } = await compactVerify(await openSealed(stored.get(`push-${shop}-credit-evaluation-0.jwe`) ?? "", reader), signer.publicKey);
    return (JSON.parse(new TextDecoder().decode(payload)) as { companies: { uscc: string }[] }).companies.map((c) => c.uscc);
  };
  const usesIn = (jws: string): number => readReceipt(jws).uses.count;

  it("tells the institution of those that authorised it, and its receipt of as many uses", async () => {
    const { receipt } = await live();
    assert.deepEqual(await pushed(), usccs.slice(0, told));
    assert.equal(usesIn(receipt), told);
  });

  it("asks again after a restart: who withdrew since is not pushed, all others are", async () => {
    onPut = () => {
      throw new RangeError("killed");
    };
    assert.instanceOf(await live().catch((error: unknown) => error), RangeError);
    assert.isFalse(stored.has(`push-${shop}-credit-evaluation-0.jwe`));
    withdraw(2);
    world.restart();
    onPut = () => undefined;
    await live();
    assert.deepEqual(await pushed(), usccs.slice(0, told).filter((_, i) => i !== 2));
    assert.lengthOf(released, 1);
    const full = JSON.parse(readFileSync(join(folder(), "pushed.json"), "utf8")) as Record<string, string[][]>;
    assert.notInclude(full[`${shop} credit-evaluation`]?.flat() ?? [], usccs[2] as string, "the open run of the round may tell of it by public items");
  });

  it("asks again each time that the platform was away", async () => {
    let times = 0;
    onPut = () => {
      times += 1;
      if (times > 1) return;
      withdraw(0, 4);
      throw new AppError("JOB_PLATFORM_UNREACHABLE");
    };
    await live();
    assert.equal(times, 2);
    assert.deepEqual(await pushed(), usccs.slice(0, told).filter((_, i) => i !== 0 && i !== 4));
  });

  it("goes out with nobody in it when all have withdrawn", async () => {
    onPut = () => {
      throw new RangeError("killed");
    };
    await live().catch(() => undefined);
    withdraw(...Array.from({ length: told }, (_, i) => i));
    world.restart();
    onPut = () => undefined;
    await live();
    assert.deepEqual(await pushed(), []);
  });

  it("signs for the figures that are released, with their noise, and never for exact ones", async () => {
    privacy = budgetsPolicySchema.parse({ privacy: { epsilonPerYear: 8, mechanism: "laplace", releasesPerYear: 4 } });
    const { receipt } = await live();
    const { figures: exact } = JSON.parse(readFileSync(join(folder(), "outcome.json"), "utf8")) as { figures: object };
    const [sent] = released;
    assert.notDeepEqual(sent?.figures, exact);
    const covering = (figures: unknown): string => digestOf({
      figures: digestOf(figures as never), ...Object.fromEntries([...stored].map(([name, jwe]) => [name, sha256Hex(jwe)])),
    });
    assert.equal(readReceipt(receipt).outputDigest, covering(sent?.figures));
    assert.notEqual(readReceipt(receipt).outputDigest, covering(exact));
  });
});
