// Full-coverage evaluation at one enclave: what it offers, what a run leaves in its folder, whom it may push to by its own policy, how often it takes
// part, and the thread that works a run out.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateKeyPairSync } from "node:crypto";
import { compactVerify } from "jose";
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { createInstitutionKey, openSealed } from "../../cli/institution-key.ts";
import type { ItemId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { removeTree } from "../../core/files.ts";
import type { DatasetCatalogue } from "../../enclave/data/declared.ts";
import { compute } from "../../enclave/evaluation/compute.ts";
import { offeredIndicators, sectorsOf } from "../../enclave/evaluation/offered.ts";
import { readPushed } from "../../enclave/evaluation/pushed.ts";
import { lastRun, readRun, writeRun } from "../../enclave/evaluation/run-file.ts";
import type { EvaluationTask } from "../../enclave/evaluation/task.ts";
import { judge, policySchema } from "../../enclave/policy.ts";
import { residues, signed } from "../../evaluation/combine.ts";
import { baselineScorecard, cardFor, scorecardDigest } from "../../evaluation/load.ts";
import { evaluatePart } from "../../evaluation/part.ts";
import { publishedCards, type PlannedPush } from "../../federation/evaluate/params.ts";
import type { Feature } from "../../models/features.ts";
import { codeAt, draws, evaluationOf } from "../evaluation/support.ts";
import { bank, datasets, planOf, tax, temporaryFolder } from "../support/enclave.ts";

const numeric = (name: string, values: readonly number[] = [1]): Feature => ({ kind: "numeric", name, values: Float64Array.from(values), special: [] });

describe("what a party offers of the public scorecard", () => {
  const features = [numeric("jd_dishonest_debtor_24m"), numeric("tax_arrears_open"), numeric("made_up"), { kind: "categorical" as const, name: "rg_age_months", levels: ["a"], codes: Int32Array.of(0) }];
  const declared = (authorised: Record<string, readonly string[]>): DatasetCatalogue => ({
    version: "2024-15", items: [], authorised: [],
    features: new Map(Object.entries(authorised).map(([name, items]) => [name, { items: items as ItemId[], authorised: items as ItemId[], grade: "public" }])),
  });

  it("is what it has as numbers, on the basis of the run", () => {
    assert.deepEqual(offeredIndicators(publishedCards.full, { features }), ["tax_arrears_open", "jd_dishonest_debtor_24m"]);
    assert.deepEqual(offeredIndicators(publishedCards.open, { features }), ["jd_dishonest_debtor_24m"]);
  });
  it("is no feature that its declaration does not name, and on public items none that is made of others as well", () => {
    assert.deepEqual(offeredIndicators(publishedCards.full, { features, catalogue: declared({ tax_arrears_open: ["tax.arrears"] }) }), ["tax_arrears_open"]);
    const mixed = declared({ jd_dishonest_debtor_24m: ["tax.arrears"] });
    assert.deepEqual(offeredIndicators(publishedCards.open, { features, catalogue: mixed }), []);
    assert.deepEqual(offeredIndicators(publishedCards.full, { features, catalogue: mixed }), ["jd_dishonest_debtor_24m"]);
  });
  it("takes the section from the register's own column", () => {
    const sector: Feature = { kind: "categorical", name: "rg_sector", levels: ["C", "F"], codes: Int32Array.of(1, -1, 0) };
    assert.deepEqual(sectorsOf({ features: [sector], rows: 3 }), ["F", undefined, "C"]);
    assert.deepEqual(sectorsOf({ features, rows: 2 }), [undefined, undefined]);
  });
});

describe("the folder of a run", () => {
  let folder: string;
  beforeEach(() => {
    folder = temporaryFolder().path;
  });
  afterEach(() => removeTree(folder));

  const usccs = [codeAt("330106", 1), codeAt("440305", 2), codeAt("110108", 3)];
  const write = (job: string, asOf: string, basis: "open" | "full" = "full"): void => {
    mkdirSync(join(folder, job));
    writeRun(join(folder, job), evaluationOf([700, null, 0], { asOf, absent: ["tax_arrears_open"], partial: true }, basis), usccs);
  };

  it("gives the run back as it was", () => {
    write("job_1", "2025-01-01");
    assert.deepEqual(readRun(join(folder, "job_1")), { usccs, evaluation: evaluationOf([700, null, 0], { absent: ["tax_arrears_open"], partial: true }) });
  });
  it("finds the last one before a day, on the same scale", () => {
    const of = (asOf: string, basis: "open" | "full" = "full") => lastRun(folder, evaluationOf([], { asOf }, basis));
    assert.isUndefined(of("2025-01-01"));
    for (const [job, day] of [["job_1", "2025-01-01"], ["job_2", "2025-03-01"], ["job_3", "2025-02-01"]] as const) write(job, day);
    write("job_4", "2025-02-15", "open");
    mkdirSync(join(folder, "job_5"));
    writeFileSync(join(folder, "job_5", "evaluation.json"), "{");
    assert.equal(of("2025-03-01"), "job_3");
    assert.equal(of("2025-04-01"), "job_2");
    assert.isUndefined(of("2025-01-01"), "not the day itself");
    assert.equal(of("2025-04-01", "open"), "job_4");
    const { card } = evaluationOf([]);
    assert.isUndefined(lastRun(folder, { card: { ...card, version: "2.0.0" }, basis: "full", asOf: "2025-04-01" }), "another major version is another scale");
  });
  it("refuses a file that was cut short", () => {
    write("job_1", "2025-01-01");
    const path = join(folder, "job_1", "evaluations.csv");
    writeFileSync(path, readFileSync(path, "utf8").split("\n").slice(0, 3).join("\n"));
    assert.throws(() => readRun(join(folder, "job_1")), /EVALUATION_RUNS/);
  });
});

describe("the thread that works out a run", () => {
  let folder: string;
  beforeEach(() => {
    folder = temporaryFolder().path;
  });
  afterEach(() => removeTree(folder));
  const reader = createInstitutionKey();
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const n = 400;
  const usccs = Array.from({ length: n }, (_, i) => codeAt(i % 3 === 0 ? "330106" : "440305", i));
  const draw = draws("thread");
  const indicators = ["jd_dishonest_debtor_24m", "rg_age_months", "ad_penalties_24m"];
  const features = indicators.map((id) => numeric(id, usccs.map(() => Math.floor(4 * draw.uniform()))));
  const sum = evaluatePart(publishedCards.full, indicators, features, n);
  const push = (change: Partial<PlannedPush> = {}): PlannedPush => (
    { institution: partyId("bank"), name: "all", purpose: "credit-evaluation", provinces: "all", sectors: "all", grades: "all", sealTo: reader.publicJwk.x, ...change });
  const task = (change: Partial<EvaluationTask> = {}): EvaluationTask => ({
    card: publishedCards.full, asOf: "2025-01-01", away: [partyId("tax")], absent: publishedCards.full.entries.map((e) => e.indicator).filter((id) => !indicators.includes(id)), assigned: [[partyId("registry"), indicators]],
    sum, usccs, sectors: usccs.map(() => "C"), folder, last: undefined, full: undefined, pushes: [push()], authorised: new Map([["bank credit-evaluation", usccs.slice(0, 40)]]),
    marks: new Map([[usccs[3] ?? "", ["administrative.penalties"]]]), job: "job_0123456789abcdef", party: partyId("registry"), signKey: privateKey, ...change,
  });
  const opened = async (file: string): Promise<{ companies: { uscc: string; objections?: string[] }[]; padding: string }> => {
    const { payload, protectedHeader } = await compactVerify(await openSealed(readFileSync(join(folder, file), "utf8"), reader), publicKey);
    assert.equal(protectedHeader.typ, "yunei-evaluation+jws");
    return JSON.parse(new TextDecoder().decode(payload)) as { companies: { uscc: string; objections?: string[] }[]; padding: string };
  };

  it("keeps the run, gives figures without small cells, and seals to each institution what it may have", async () => {
    const { figures, grades, pushes, sealed } = await compute(task(), new AbortController().signal);
    assert.deepEqual(figures.away, [partyId("tax")]);
    assert.equal(figures.provinceByGrade?.total, n);
    assert.equal(Object.values(grades).reduce((a, b) => a + b, 0), n);
    assert.deepEqual(readRun(folder).usccs, usccs);
    assert.deepEqual(pushes, [{ institution: partyId("bank"), purpose: "credit-evaluation", rows: 40, withheld: n - 40, parts: 1 }]);
    const [part] = sealed;
    assert.equal(sha256Hex(readFileSync(join(folder, part?.file ?? ""))), part?.digest);
    const text = await opened(part?.file ?? "");
    assert.deepEqual(text.companies.map((c) => c.uscc), usccs.slice(0, 40));
    assert.deepEqual(text.companies.filter((c) => "objections" in c).map((c) => [c.uscc, c.objections]), [[usccs[3], ["administrative.penalties"]]], "what is under objection is marked");
    assert.notProperty(text, "withheld", "a count of companies in a small group");
    assert.deepEqual(readPushed(folder).get("bank credit-evaluation"), [usccs.slice(0, 40)]);
  });
  it("tells the platform no counts by the size of what it stores", async () => {
    const sizes: number[] = [];
    for (const companies of [1, 300]) {
      const { sealed } = await compute(task({ authorised: new Map([["bank credit-evaluation", usccs.slice(0, companies)]]) }), new AbortController().signal);
      sizes.push(readFileSync(join(folder, sealed[0]?.file ?? "")).length);
    }
    assert.closeTo(sizes[0] ?? 0, sizes[1] ?? 1, 4);
  });
  it("does not tell of a company twice: the open run leaves out whom the full one told of", async () => {
    const full = temporaryFolder().path;
    await compute(task({ folder: full }), new AbortController().signal);
    const open = { card: publishedCards.open, sum: evaluatePart(publishedCards.open, indicators, features, n), absent: publishedCards.open.entries.map((e) => e.indicator).filter((id) => !indicators.includes(id)) };
    const { sealed } = await compute(task({ ...open, full, authorised: new Map() }), new AbortController().signal);
    assert.deepEqual((await opened(sealed[0]?.file ?? "")).companies.map((c) => c.uscc), usccs.slice(40));
    removeTree(full);
  });
  it("compares with the run before", async () => {
    const before = temporaryFolder().path;
    await compute(task({ folder: before, pushes: [] }), new AbortController().signal);
    const { figures } = await compute(task({ asOf: "2025-02-01", last: before, pushes: [] }), new AbortController().signal);
    assert.deepInclude(figures.stability, { from: "2025-01-01", to: "2025-02-01", otherAbsent: [] });
    removeTree(before);
  });
  it("refuses sums that no such indicators give, and stops when the job is stopped", async () => {
    const wrong = signed(residues(sum.points));
    wrong[7] = -3000;
    assert.equal(await codeOf(compute(task({ sum: { ...sum, points: wrong } }), new AbortController().signal)), "EVALUATION_PART");
    const stop = new AbortController();
    const running = compute(task(), stop.signal);
    stop.abort(new AppError("JOB_CANCELLED"));
    assert.equal(await codeOf(running), "JOB_CANCELLED");
  });
});

describe("the policy on evaluations", () => {
  const params = (pushes: PlannedPush[] = []) => ({ basis: "open", card: publishedCards.open.digest, asOf: "2025-01-01", away: [], whenAway: "go-on", pushes });
  const to: PlannedPush = { institution: partyId("shop"), name: "all", purpose: "credit-evaluation", provinces: "all", sectors: "all", grades: "all", sealTo: "A".repeat(43) };
  const rule = { guest: "bank", kinds: ["evaluate"], purposes: ["credit-evaluation"], approve: "auto", sealTo: planOf().sealTo.x };
  const says = (pushes: PlannedPush[], self = bank, change: object = {}): string => {
    const plan = planOf({ kind: "evaluate", purpose: "credit-evaluation", params: params(pushes) });
    const verdict = judge(plan, self, policySchema.parse({ version: 1, allow: [{ ...rule, ...change }] }), datasets[self] ?? assert.fail());
    return verdict.kind === "refuse" ? verdict.code : verdict.kind;
  };

  it("approves by itself what is pushed to keys that its own rule names, and leaves the rest to a person", () => {
    assert.equal(says([]), "approve");
    assert.equal(says([to]), "ask");
    assert.equal(says([to], bank, { evaluation: { subscribers: { shop: to.sealTo } } }), "approve");
    assert.equal(says([{ ...to, sealTo: "B".repeat(43) }], bank, { evaluation: { subscribers: { shop: to.sealTo } } }), "ask", "another key than the operator's word");
  });
  it("approves by itself the built-in scorecard and those that its own rule names, and leaves others to a person", () => {
    const own = { ...baselineScorecard, id: "zhejiang" };
    const saysTo = (scorecard: object, rules: object = {}, digest = cardFor(own, "open").digest): string => {
      const plan = planOf({ kind: "evaluate", purpose: "credit-evaluation", params: params([]) });
      const verdict = judge({ ...plan, params: { ...params([]), card: digest, scorecard } }, tax, policySchema.parse({ version: 1, allow: [{ ...rule, ...rules }] }), datasets["tax"] ?? assert.fail());
      return verdict.kind === "refuse" ? verdict.code : verdict.kind;
    };
    assert.equal(saysTo(own), "ask");
    assert.equal(saysTo(own, { evaluation: { scorecards: [scorecardDigest(own)] } }), "approve");
    assert.equal(saysTo({ ...own, base: 610 }, { evaluation: { scorecards: [scorecardDigest(own)] } }, cardFor({ ...own, base: 610 }, "open").digest), "ask", "another digest");
    assert.equal(saysTo({ ...own, base: 610 }), "POLICY_LEAKAGE", "it is not the one that the plan names");
    const [first, ...rest] = own.entries;
    const wrong = { ...own, entries: [{ ...(first ?? assert.fail()), indicator: "tax_luck" }, ...rest] };
    assert.equal(saysTo(wrong, {}, cardFor(wrong, "open").digest), "POLICY_LEAKAGE", "there is no such indicator");
    assert.equal(saysTo({ ...own, id: baselineScorecard.id }, {}, cardFor(baselineScorecard, "open").digest), "POLICY_LEAKAGE", "it would pass for the built-in one");
  });
  it("of a provider takes no plan of a kind that it does not name", () => {
    assert.equal(says([to], tax), "approve");
    assert.equal(says([], tax, { kinds: ["score"] }), "POLICY_KIND");
  });
  it("refuses a plan whose pushes its purposes do not need", () => {
    const plan = planOf({ kind: "evaluate", purpose: "credit-evaluation", params: params([]) });
    const changed = { ...plan, params: params([{ ...to, purpose: "post-loan-monitoring" }]) };
    const verdict = judge(changed, tax, policySchema.parse({ version: 1, allow: [rule] }), datasets["tax"] ?? assert.fail());
    assert.deepInclude(verdict, { kind: "refuse", code: "POLICY_LEAKAGE" });
  });
});

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ok";
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
}
