// Explanations in an enclave: the file that the bank keeps, the policy's word at a provider, and groups from the definition of the data.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import type { EntityId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { writePiecesDurably } from "../../core/files.ts";
import { featureGroups, parseDefinition } from "../../enclave/data/definition.ts";
import { explanationLines, hostExplain } from "../../enclave/job/explain.ts";
import type { JobContext } from "../../enclave/job/context.ts";
import { judge, policySchema, type Policy } from "../../enclave/policy.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { namings, type Naming } from "../../models/explain/contribution.ts";
import type { Told } from "../../federation/score/explain.ts";
import { datasets, planOf, tax, temporaryFolder } from "../support/enclave.ts";

const own = datasets["tax"] ?? assert.fail();
const params = { batch: "c".repeat(64), rows: 100 };
const planWith = (explain: object): JobPlan => planOf({ kind: "score", purpose: "loan-approval", model: "model_0123456789abcdef", params: { ...params, explain } });
const policyWith = (explain?: Naming): Policy => policySchema.parse({
  version: 1, allow: [{ guest: "bank", kinds: ["score"], purposes: ["loan-approval"], approve: "auto", ...(explain && { explain }) }],
});
function says(plan: JobPlan, policy: Policy): string {
  const verdict = judge(plan, tax, policy, own);
  return verdict.kind === "refuse" ? verdict.code : verdict.kind;
}
async function* piecesOf(...pieces: string[]): AsyncGenerator<string> {
  for (const piece of pieces) yield piece;
}
function codeOf(error: unknown): string {
  return error instanceof AppError ? error.code : String(error);
}

describe("the policy on explanations", () => {
  it("lets a provider tell nothing unless it says so", () => {
    assert.equal(says(planWith({ reasons: 3, hosts: ["tax"] }), policyWith()), "POLICY_EXPLAIN");
    for (const naming of namings) assert.equal(says(planWith({ reasons: 3, hosts: ["tax"] }), policyWith(naming)), naming === "nothing" ? "POLICY_EXPLAIN" : "approve");
  });
  it("has no say when the plan asks another provider, or the bank alone", () => {
    assert.equal(says(planWith({ reasons: 3, hosts: ["power"] }), policyWith()), "approve");
    assert.equal(says(planWith({ reasons: 10 }), policyWith()), "approve");
  });
  it("refuses a plan that hides from its statement what it asks for", () => {
    const plan = planWith({ reasons: 3, hosts: ["tax"] });
    const { explain: _, ...less } = plan.params;
    assert.equal(says({ ...plan, params: less }, policyWith("features")), "POLICY_LEAKAGE");
    assert.equal(says({ ...planWith({ reasons: 3 }), params: plan.params }, policyWith("features")), "POLICY_LEAKAGE");
    assert.equal(says({ ...plan, params: { ...plan.params, explain: { reasons: 4, hosts: ["tax"] } } }, policyWith("features")), "POLICY_LEAKAGE");
    assert.throws(() => planWith({ reasons: 3, hosts: ["court"] }), /JOB_PARAMS/);
    assert.equal(says({ ...plan, params: { ...plan.params, explain: { reasons: 3, hosts: ["court"] } } }, policyWith("features")), "POLICY_LEAKAGE");
  });
  it("goes to the role as it stands when the job starts, which refuses once more", () => {
    const groups = new Map([["overdue", "tax arrears"]]);
    const features = new Map([["overdue", { items: [], authorised: [], grade: "sensitive" }], ["marriage", { items: [], authorised: [], grade: "restricted" }]]);
    const told = (explain: Naming, hosts: string[]) => hostExplain({
      tools: { identity: { party: tax }, groups, dataset: { catalogue: { features } } }, input: { plan: planWith({ reasons: 2, hosts }), rule: { explain } },
    } as unknown as JobContext);
    assert.isUndefined(told("features", ["power"]));
    assert.isUndefined(told("nothing", []));
    assert.throws(() => told("nothing", ["tax"]), /POLICY_EXPLAIN/);
    const given = told("groups", ["tax"]);
    assert.deepInclude(given, { reasons: 2, naming: "groups" });
    assert.deepEqual(["overdue", "other"].map((f) => given?.groupOf(f)), ["tax arrears", undefined]);
    assert.deepEqual(["overdue", "marriage", "own"].map((f) => given?.isNamed?.(f)), [true, false, false], "what is strictly restricted has no name in reasons, nor has what the declaration does not know");
  });
});

describe("groups of features", () => {
  it("are the source items of a provider's indicators; a ready-made table has none", () => {
    const indicator = (name: string, sourceItem: string) => ({ name, table: "t", sql: "count(*)", unit: "", direction: "none", sourceItem });
    const definition = parseDefinition({
      name: "tax", idColumn: "id", idKind: "opaque", tables: { t: { file: "t.csv" } }, indicators: [indicator("a", "filings"), indicator("b", ""), indicator("c", "filings")],
    });
    assert.deepEqual([...featureGroups(definition)], [["a", "filings"], ["c", "filings"]]);
    assert.deepEqual([...featureGroups(parseDefinition({ name: "bank", idColumn: "id", idKind: "opaque", features: "t.csv" }))], []);
  });
});

describe("the file of explanations", () => {
  const told: Told = {
    score: 60_512, base: 61_000, contributions: [{ label: { kind: "feature", party: "bank", feature: 'a "quoted"\nname' }, value: -513 }, { label: { kind: "other" }, value: 25 }],
    reasons: [{ rank: 1, label: { kind: "feature", party: "bank", feature: "a" }, value: -513, zh: "劣", en: "less" }],
  };
  async function linesOf(some: readonly (readonly Told[])[], ids: readonly string[], partial = false): Promise<string[]> {
    let text = "";
    for await (const piece of explanationLines((function* () {
      yield* some;
    })(), ids as readonly EntityId[], partial)) text += piece;
    return text.trimEnd().split("\n");
  }

  it("has one line of JSON per company, in points, whatever stands in ids and names", async () => {
    const ids = ["=1+1", 'x"y\n\u2028', "91350100M000100Y43"];
    const lines = await linesOf([[told, told], [told]], ids, true);
    const parsed = lines.map((l) => JSON.parse(l) as { id: string; score: number; base: number; partial: boolean; contributions: { value: number }[]; reasons: { value: number }[] });
    assert.deepEqual(parsed.map((p) => p.id), ids);
    for (const p of parsed) {
      assert.deepEqual([p.score, p.base, p.partial], [605.12, 610, true]);
      assert.equal(p.contributions.reduce((sum, c) => sum + Math.round(100 * c.value), Math.round(100 * p.base)), Math.round(100 * p.score));
      assert.deepEqual(p.reasons.map((r) => r.value), [-5.13]);
    }
    assert.deepEqual(Object.keys(parsed[0] ?? {}), ["id", "score", "base", "partial", "contributions", "reasons"]);
  });

  it("is written whole or not at all, in pieces", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "job", "explanations.ndjson");
    await writePiecesDurably(path, piecesOf("一\n", "", "two\n"));
    assert.equal(readFileSync(path, "utf8"), "一\ntwo\n");
    await writePiecesDurably(path, piecesOf());
    assert.equal(readFileSync(path, "utf8"), "");
    const broken = join(folder.path, "job", "other.ndjson");
    const failing = async function* (): AsyncGenerator<string> {
      yield "one\n";
      throw new AppError("MODEL_EXPLANATION");
    };
    assert.equal(await writePiecesDurably(broken, failing()).catch(codeOf), "MODEL_EXPLANATION");
    assert.isFalse(existsSync(broken));
    assert.deepEqual(readdirSync(join(folder.path, "job")), ["explanations.ndjson"]);
    assert.equal(await writePiecesDurably(join(path, "below", "a-file"), piecesOf("x")).catch(codeOf), "DISK_FAILED");
  });
});
