// The local policy: what an enclave says to a plan, whoever compiled it.
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { assert } from "chai";
import { describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { financingPurposes } from "../../core/purposes.ts";
import { judge, policySchema, readPolicy, type Policy } from "../../enclave/policy.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { bank, datasets, planOf, power, summaryOf, tax, temporaryFolder } from "../support/enclave.ts";

type RuleInput = Record<string, unknown>;
const policy = (...rules: RuleInput[]): Policy => policySchema.parse({ version: 1, allow: rules });
const rule: RuleInput = { guest: "bank", kinds: ["scorecard"], purposes: ["model-development"], approve: "auto" };
const open = policy(rule);
const own = datasets["tax"] ?? assert.fail();
const plan = planOf();

/** The verdict in one word: approve, ask, or the code of a refusal. */
function says(p: JobPlan, given: Policy | undefined = open, self = tax, summary = own): string {
  const verdict = judge(p, self, given, summary);
  return verdict.kind === "refuse" ? verdict.code : verdict.kind;
}

describe("the local policy", () => {
  it("approves what a rule names, and asks a person where the rule says so, which is the default", () => {
    assert.equal(says(plan), "approve");
    assert.equal(says(plan, policy({ ...rule, approve: "manual" })), "ask");
    assert.equal(says(plan, policy({ guest: "bank", kinds: ["scorecard"], purposes: ["model-development"] })), "ask");
  });

  const score = planOf({ kind: "score", model: "model_0123456789abcdef", params: { batch: "c".repeat(64), rows: 100 } });
  const verdicts: readonly [string, string, () => string][] = [
    ["there is no policy", "POLICY_MISSING", () => { const verdict = judge(plan, tax, undefined, own); return verdict.kind === "refuse" ? verdict.code : ""; }],
    ["no rule is in it", "POLICY_REFUSED", () => says(plan, policy())],
    ["the guest is not named", "POLICY_REFUSED", () => says(plan, policy({ ...rule, guest: "shop" }))],
    ["the kind is not named", "POLICY_KIND", () => says(score)],
    ["the purpose is not named", "POLICY_PURPOSE", () => says(planOf({ purpose: "loan-approval" }))],
    ["kind and purpose are named by different rules", "POLICY_PURPOSE", () =>
      says(score, policy(rule, { ...rule, kinds: ["score"], purposes: ["loan-approval"] }))],
    ["this enclave is not in the plan", "POLICY_REFUSED", () => says(planOf({ hosts: [power] }))],
    ["a host is named twice", "JOB_PARTIES", () => says({ ...plan, hosts: [tax, tax] })],
    ["the guest is also a host", "JOB_PARTIES", () => says({ ...plan, hosts: [tax, bank] })],
    ["its data has changed since", "ENCLAVE_SNAPSHOT_CHANGED", () => says(plan, open, tax, { ...own, snapshotDigest: "b".repeat(64) })],
    ["the plan has other sizes of its data", "ENCLAVE_SNAPSHOT_CHANGED", () => says(planOf({}, { datasets: { ...datasets, tax: summaryOf("filings", false, 9) } }))],
    ["the plan has no word of its data", "ENCLAVE_SNAPSHOT_CHANGED", () => says({ ...plan, datasets: { bank: datasets["bank"] ?? own } })],
    ["it would be the only host", "POLICY_SINGLE_HOST", () => says(planOf({ hosts: [tax] }))],
    ["the parameters cannot be read", "POLICY_LEAKAGE", () => says({ ...plan, params: { scorecard: { fit: { ridge: "none" } } } })],
  ];
  for (const [name, code, verdict] of verdicts) it(`refuses with ${code} when ${name}`, () => assert.equal(verdict(), code));

  it("approves a job with itself as the only host where the rule says so", () => {
    assert.equal(says(planOf({ hosts: [tax] }), policy({ ...rule, singleHostTotals: true })), "approve");
  });

  it("refuses a job that needs tags which were not made, and a plan that says otherwise than it whether they may be kept", () => {
    const large = { ...own, rows: 2_000_000, reusable: true as const };
    const needs = planOf({}, { datasets: { ...datasets, tax: large } });
    const verdict = (hasTags: boolean, self = tax, summary = large): string => {
      const v = judge(needs, self, open, self === tax ? summary : datasets["power"] ?? own, { hasTags });
      return v.kind === "refuse" ? v.code : v.kind;
    };
    assert.deepEqual([verdict(true), verdict(false), verdict(false, power)], ["approve", "ENCLAVE_TAGS_MISSING", "approve"]);
    const { reusable: _, ...without } = large;
    assert.equal(says(needs, open, tax, without), "ENCLAVE_SNAPSHOT_CHANGED");
    assert.equal(says(planOf({}, { datasets: { ...datasets, tax: without } }), open, tax, large), "ENCLAVE_SNAPSHOT_CHANGED");
    assert.equal(says({ ...needs, leakage: planOf({}, { datasets: { ...datasets, tax: without } }).leakage }, open, tax, large), "POLICY_LEAKAGE");
  });

  it("refuses a leakage statement that its own parameters do not give, whichever field was changed", () => {
    const [first, ...rest] = plan.leakage;
    assert.isDefined(first);
    const item = first ?? assert.fail();
    const tampered: JobPlan["leakage"][] = [
      rest, plan.leakage.toReversed(), [...plan.leakage, item], [],
      ...Object.entries({
        from: power, to: power, type: "psi/twice", maxMessages: item.maxMessages + 1, maxBytes: item.maxBytes + 1, numbers: item.numbers + 1,
        reveals: { en: "nothing at all", zh: item.reveals.zh },
      }).map(([field, value]) => [{ ...item, [field]: value }, ...rest]),
      [{ ...item, reveals: { ...item.reveals, zh: "无" } }, ...rest],
      ...plan.leakage.map((_, at) => plan.leakage.map((l, i) => (i === at ? { ...l, numbers: 0, maxBytes: l.maxBytes * 2 } : l))),
    ];
    for (const leakage of tampered) assert.equal(says({ ...plan, leakage }), "POLICY_LEAKAGE");
    for (const change of [{ scorecard: { fit: { refinementRounds: 0 } } }, { scorecard: { fine: { maxBins: 64 } } }]) {
      assert.equal(says({ ...plan, params: { ...plan.params, ...change } }), "POLICY_LEAKAGE");
    }
    assert.equal(says({ ...plan, leakage: structuredClone(plan.leakage) }), "approve");
  });

  it("lets the bank's own jobs through by itself only when its policy names the key that results are sealed to", () => {
    const bankOwn = datasets["bank"] ?? assert.fail();
    const asBank = (change: RuleInput): string => says(plan, policy({ ...rule, ...change }), bank, bankOwn);
    assert.equal(asBank({ sealTo: plan.sealTo.x }), "approve");
    assert.equal(asBank({}), "ask");
    assert.equal(asBank({ sealTo: "A".repeat(43) }), "POLICY_SEAL_TO");
    assert.equal(says(plan, policy({ ...rule, sealTo: "A".repeat(43) })), "approve", "a host has no say in where the bank's results go");
  });

  describe("on the catalogue and on consents", () => {
    type Held = { readonly items: string[]; readonly authorised?: string[] };
    const holding = (party: "tax" | "power", { items, authorised = [] }: Held, more: object = {}): typeof datasets => (
      { ...datasets, [party]: { ...(datasets[party] ?? assert.fail()), catalogue: { version: "2024-15", items, authorised }, ...more } } as typeof datasets);
    const verdict = (p: JobPlan, summaries: typeof datasets, given: Policy = open, options: object = {}): string => {
      const v = judge(p, tax, given, summaries["tax"] ?? own, options);
      return v.kind === "refuse" ? v.code : v.kind;
    };

    it("refuses a plan that takes more than its purpose needs, of whatever party, whoever compiled it", () => {
      const needed = holding("tax", { items: ["tax.payment"] });
      assert.equal(verdict(planOf({}, { datasets: needed }), needed), "approve");
      for (const party of ["tax", "power"] as const) {
        const marriage = holding(party, { items: ["tax.payment", "marriage.legal-representative"] });
        assert.throws(() => planOf({}, { datasets: marriage }), new RegExp(`CATALOGUE_UNNECESSARY.*${party}`));
        assert.equal(verdict({ ...plan, datasets: marriage }, marriage), "CATALOGUE_UNNECESSARY");
      }
      const screening = holding("tax", { items: ["tax.payment"] });
      assert.throws(() => planOf({ purpose: "customer-screening" }, { datasets: screening }), /CATALOGUE_UNNECESSARY/, "before a company applied, only what is public");
      const unknown = { ...needed, tax: { ...needed["tax"], catalogue: { version: "1999-1", items: ["tax.payment"], authorised: [] } } } as unknown as typeof datasets;
      assert.equal(verdict({ ...plan, datasets: unknown }, unknown), "CATALOGUE_VERSION");
    });

    it("takes every purpose of the closed list and no other", () => {
      for (const purpose of financingPurposes) assert.equal(says(planOf({ purpose }), policy({ ...rule, purposes: [purpose] })), "approve");
      assert.throws(() => policySchema.parse({ version: 1, allow: [{ ...rule, purposes: ["marketing"] }] }));
    });

    const checking = holding("tax", { items: ["tax.payment"], authorised: ["tax.payment"] }, { consents: true });
    it("refuses training on anybody where it wants consented companies alone", () => {
      const strict = policy({ ...rule, consentedOnly: true });
      const consented = planOf({ params: { consentedOnly: true } }, { datasets: checking });
      assert.equal(verdict(planOf({}, { datasets: checking }), checking, strict), "POLICY_CONSENTS");
      assert.equal(verdict(consented, checking, strict), "approve");
      assert.equal(verdict({ ...consented, leakage: planOf({}, { datasets: checking }).leakage }, checking, strict), "POLICY_LEAKAGE", "a plan that hides what it shows");
      assert.equal(says(plan, strict), "POLICY_CONSENTS", "data that name nobody cannot be told apart");
    });

    it("has consents in the statement of a scoring for hosts that check them, and refuses a plan without", () => {
      const scoring = planOf({ kind: "score", model: "model_0123456789abcdef", params: { batch: "c".repeat(64), rows: 100 } }, { datasets: checking });
      const given = policy({ ...rule, kinds: ["score"] });
      const shown = scoring.leakage.filter((l) => l.type.startsWith("consents/")).map((l) => `${l.from}>${l.to}`);
      assert.deepEqual(shown, ["bank>tax", "tax>bank"]);
      assert.equal(verdict(scoring, checking, given), "approve");
      const { consents: _, ...unchecked } = checking["tax"] ?? own;
      assert.equal(verdict({ ...scoring, datasets: { ...scoring.datasets, tax: unchecked } }, checking, given), "ENCLAVE_SNAPSHOT_CHANGED");
    });

    it("lets them be left out in experiments alone, and never by a policy that was changed meanwhile", () => {
      const off = policySchema.parse({ version: 1, allow: [rule], consents: "off" });
      const p = planOf({}, { datasets: checking });
      assert.equal(verdict(p, checking, off, { checksConsents: true }), "POLICY_CONSENTS");
      assert.equal(verdict(p, checking, off, { checksConsents: false, experiments: true }), "POLICY_CONSENTS", "it has published that it checks");
      const without = holding("tax", { items: ["tax.payment"], authorised: ["tax.payment"] });
      assert.equal(verdict(planOf({}, { datasets: without }), without, off, { checksConsents: false, experiments: true }), "approve");
      assert.equal(verdict(planOf({}, { datasets: without }), without, open, { checksConsents: true }), "POLICY_CONSENTS", "it has published that it does not");
      assert.equal(verdict(plan, datasets, off), "approve", "nothing in its data needs any");
    });
  });

  it("refuses any parameter set of the encrypted sums but the reviewed one", () => {
    for (const change of [{ degree: 8192 }, { floodBits: 53 }, { primes: [66969601] }, { debug: 1 }]) {
      assert.equal(says({ ...plan, sums: { ...plan.sums, ...change } }), "KERNEL_PARAMS");
    }
    const { floodTerms: _, ...less } = plan.sums;
    assert.equal(says({ ...plan, sums: less }), "KERNEL_PARAMS");
  });

  it("refuses another flood distance than the plan's own parameters give, and one above 2^-40 in any case", () => {
    assert.isAtMost(plan.log2FloodDistance, -40);
    for (const log2FloodDistance of [plan.log2FloodDistance + 1, plan.log2FloodDistance - 1, -39, 0]) assert.equal(says({ ...plan, log2FloodDistance }), "POLICY_LEAKAGE");
    // A true statement about a job that leaves too much open: as many rows and features as the schemas take.
    const huge = { ...datasets, bank: { ...summaryOf("loans", true, 1_000_000), features: 4096 }, tax: { ...summaryOf("filings", false, 1_000_000), features: 4096 } };
    const wide = planOf({ hosts: [tax, power] }, { datasets: huge });
    assert.isAbove(wide.log2FloodDistance, -40);
    assert.equal(says(wide, open, tax, huge.tax), "KERNEL_FLOOD_BUDGET");
  });
});

describe("a policy file", () => {
  it("is read as written; without a file there is no policy", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "policy.json");
    assert.isUndefined(readPolicy(path));
    writeFileSync(path, JSON.stringify({ version: 1, allow: [rule] }));
    assert.deepEqual(readPolicy(path), open);
  });

  it("is refused as a whole when anything in it is malformed", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "policy.json");
    const texts = [
      "", "{", "null", "[]", "{}", JSON.stringify({ version: 2, allow: [] }), JSON.stringify({ version: 1, allow: [rule], extra: 1 }),
      JSON.stringify({ version: 1, allow: [{ ...rule, everything: true }] }), JSON.stringify({ version: 1, allow: [{ ...rule, approve: "always" }] }),
      JSON.stringify({ version: 1, allow: [{ ...rule, guest: "*" }] }), JSON.stringify({ version: 1, allow: [{ ...rule, purposes: [] }] }),
      JSON.stringify({ version: 1, allow: [{ ...rule, maxSetSize: -1 }] }), JSON.stringify({ version: 1, allow: [], pinned: { bank: "abc" } }),
    ];
    for (const text of texts) {
      writeFileSync(path, text);
      let code: string | undefined;
      try {
        readPolicy(path);
      } catch (error) {
        code = error instanceof AppError ? error.code : String(error);
      }
      assert.equal(code, "ENCLAVE_CONFIG", text);
    }
  });
});
