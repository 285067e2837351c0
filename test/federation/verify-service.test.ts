// A verification service as machines: what claims become on the wire, what a provider answers to them, and what it refuses.
import { assert } from "chai";
import * as fc from "fast-check";
import { before, describe, it } from "mocha";
import type { ItemId } from "../../core/brand.ts";
import { encodeFrame } from "../../core/codec.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { requireMinimum } from "../../federation/plan.ts";
import { checkBody, type TypedBody } from "../../federation/messages.ts";
import { inlineCurve } from "../../federation/psi/curve-pool.ts";
import type { CurveWork } from "../../federation/psi/curve.ts";
import { askEqual, openEqual, replyEqual, type Question } from "../../federation/verify/equality.ts";
import { askedFieldSchema, requireFields, type VerifiableField } from "../../federation/verify/fields.ts";
import { questionsOf, resultsOf, type Claim, type ClearQuestion } from "../../federation/verify/guest.ts";
import { VerifyHost, type Charged, type VerifyHostPorts } from "../../federation/verify/host.ts";
import { verifyJobSchema } from "../../federation/verify/params.ts";
import { answers, evaluate, type Answer, type Held, type Predicate } from "../../federation/verify/predicates.ts";
import { askWithin, openWithin, rangeBytes, replyWithin } from "../../federation/verify/range.ts";
import { GarbledWork } from "../../kernels/oblivious/garbled.ts";
import { planOf, power, summaryOf, tax } from "../support/enclave.ts";
import { dealtTransfers } from "../support/transfers.ts";

const item = (id: string): ItemId => id as ItemId;
const published: Readonly<Record<string, readonly VerifiableField[]>> = {
  tax: [
    { name: "turnover", type: "money", items: [item("tax.financial-filings")], authorised: [item("tax.financial-filings")], single: true },
    { name: "grade", type: "enumeration", items: [item("tax.credit-grade")], authorised: [], single: true },
    { name: "filed", type: "date", items: [item("tax.payment")], authorised: [item("tax.payment")] },
  ],
  power: [{ name: "usage", type: "number", items: [item("utilities.electricity")], authorised: [item("utilities.electricity")], single: true }],
};
const datasets = {
  bank: summaryOf("loans", true),
  ...Object.fromEntries(["tax", "power"].map((party) => [party, { ...summaryOf(party, false), verification: { catalogue: "2024-15", fields: (published[party] ?? []).map((f) => ({ ...f, items: [...f.items], authorised: [...f.authorised] })), consents: true as const } }])),
};
const asked = (party: string, field: string, clear: readonly string[], blind: readonly string[] = []) => askedFieldSchema.parse({ party, field, clear, blind });
const fields = [
  asked("tax", "turnover", ["equals", "within", "exists"], ["equals", "within"]), asked("tax", "grade", [], ["equals"]), asked("tax", "filed", ["dated", "count", "exists", "within"]),
  asked("power", "usage", ["within"], ["within"]),
];
const codeOf = (work: () => unknown): string => {
  try {
    work();
    return "none";
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
};
const submit = (params: object, more: object = {}) => planOf({ kind: "verify", purpose: "loan-approval", params: { fields, ...params }, ...more }, { datasets });

describe("the plan of a verification service", () => {
  it("names fields that their providers publish, asked about in ways that their types and data take", () => {
    const plan = { hosts: [tax, power], datasets };
    const wrong: [ReturnType<typeof asked>[], string][] = [
      [[asked("tax", "profit", ["exists"]), asked("power", "usage", ["within"])], "VERIFY_FIELD"],
      [[asked("tax", "turnover", ["dated"]), asked("power", "usage", ["within"])], "VERIFY_PREDICATE"],
      [[asked("tax", "grade", [], ["within"]), asked("power", "usage", ["within"])], "VERIFY_PREDICATE"],
      [[asked("tax", "filed", [], ["equals"]), asked("power", "usage", ["within"])], "VERIFY_PREDICATE"],
      [[asked("tax", "grade", ["equals"]), asked("tax", "grade", [], ["equals"]), asked("power", "usage", ["within"])], "VERIFY_FIELD"],
      [[asked("tax", "grade", ["equals"])], "JOB_PARAMS"],
      [[...fields, asked("bank", "amount", ["exists"])], "JOB_PARAMS"],
    ];
    assert.equal(codeOf(() => requireFields(plan, fields)), "none");
    for (const [list, code] of wrong) {
      assert.equal(codeOf(() => requireFields(plan, list)), code, JSON.stringify(list));
      assert.notEqual(codeOf(() => submit({ fields: list })), "none");
    }
    for (const bad of [{ party: "tax", field: "x" }, { party: "tax", field: "x", clear: ["like"] }, { party: "tax", field: "x", blind: ["exists"] }, { party: "tax", field: "x", clear: ["exists", "exists"] }]) assert.isFalse(askedFieldSchema.safeParse(bad).success);
  });
  it("has no line for what it does not ask: where a provider is asked blindly alone, no claim in the clear can leave", () => {
    const lines = (list: object[], party: string): string[] => submit({ fields: list }).leakage.filter((l) => l.from === party || l.to === party).map((l) => l.type).sort();
    assert.deepEqual(lines(fields, "tax"), ["garbled/base", "garbled/extend", "garbled/extended", "garbled/open", "verify/answer", "verify/ask", "verify/ask-equal", "verify/ask-within", "verify/equal", "verify/refused", "verify/within"]);
    assert.deepEqual(lines([asked("tax", "grade", [], ["equals"]), asked("power", "usage", ["within"])], "tax"), ["verify/ask-equal", "verify/equal", "verify/refused"]);
    assert.deepEqual(lines([asked("tax", "grade", [], ["equals"]), asked("power", "usage", ["within"])], "power"), ["verify/answer", "verify/ask", "verify/refused"]);
  });
  it("has room for a refusal of whatever a provider may be sent: one too many would end its service", () => {
    const { leakage } = submit({});
    for (const host of ["tax", "power"]) {
      const sent = leakage.filter((l) => l.to === host).reduce((sum, l) => sum + l.maxMessages, 0);
      assert.equal(leakage.find((l) => l.from === host && l.type === "verify/refused")?.maxMessages, sent, host);
    }
  });
  it("takes the items of its fields alone, which its purpose must need", () => {
    assert.equal(codeOf(() => requireMinimum(submit({}))), "none");
    assert.equal(codeOf(() => submit({}, { purpose: "policy-matching" })), "CATALOGUE_UNNECESSARY");
    const grade = [asked("tax", "grade", ["equals"])];
    assert.equal(codeOf(() => submit({ fields: grade }, { purpose: "policy-matching", hosts: [tax] })), "none", "of the others nothing is asked");
    assert.equal(codeOf(() => submit({ fields: [{ party: "tax" }] })), "JOB_PARAMS");
    assert.equal(codeOf(() => submit({ fields: grade }, { hosts: [tax], model: "model_0123456789abcdef" })), "JOB_MODEL_UNKNOWN");
  });
});

describe("claims of a request", () => {
  const claim = (company: string, party: string, field: string, predicate: Predicate, blind = false): Claim => ({ company, party: partyId(party), field, predicate, blind });
  const consent = ({ company }: { company: string }, items: readonly ItemId[]): string => `${company}:${items.join()}`;

  it("in the clear go together by company and consent, blind ones alone, and none is lost", () => {
    const exists: Predicate = { kind: "exists" };
    const claims = [
      claim("a", "tax", "turnover", exists), claim("a", "tax", "filed", exists), claim("a", "tax", "turnover", { kind: "equals", value: "5" }), claim("b", "tax", "turnover", exists),
      claim("a", "tax", "turnover", { kind: "equals", value: "5.00" }, true), claim("a", "power", "usage", { kind: "within", from: "1" }, true), claim("a", "power", "usage", { kind: "within", to: "2" }),
    ];
    const { questions, refused } = questionsOf(claims, { datasets, fields, consent });
    assert.equal(refused.size, 0);
    assert.deepEqual(questions.map((q) => [q.kind, q.company, q.consent, [...q.at]]).sort((a, b) => (String(a) < String(b) ? -1 : 1)), [
      ["clear", "a", "a:tax.financial-filings", [0, 2]], ["clear", "a", "a:tax.payment", [1]], ["clear", "a", "a:utilities.electricity", [6]], ["clear", "b", "b:tax.financial-filings", [3]],
      ["equal", "a", "a:tax.financial-filings", [4]], ["within", "a", "a:utilities.electricity", [5]],
    ]);
    const equal = questions.find((q) => q.kind === "equal");
    assert.equal(equal?.kind === "equal" && equal.claim, "5", "canonical");
    const within = questions.find((q) => q.kind === "within");
    assert.deepEqual(within?.kind === "within" && [within.interval, within.depth], [{ from: 1000n, to: (1n << 39n) - 1n }, 40]);
  });
  it("are split where one question would be too long", () => {
    const many = Array.from({ length: 40 }, (_, i) => claim("a", "tax", "turnover", { kind: "equals", value: String(i) }));
    assert.deepEqual(questionsOf(many, { datasets, fields, consent }).questions.map(({ at }) => at.length), [16, 16, 8]);
    const long = Array.from({ length: 10 }, () => claim("a", "tax", "turnover", { kind: "equals", value: `1${" ".repeat(500)}` }));
    for (const question of questionsOf([...long, ...long], { datasets, fields, consent }).questions) {
      if (question.kind === "clear") checkBody("verify/ask", { n: 1, company: "a", consent: "", claims: question.claims }, { from: "guest", to: "host" });
    }
  });
  it("that do not fit are refused alone, with a code and before anybody is asked", () => {
    const wrong: [Claim, string][] = [
      [claim("a", "tax", "profit", { kind: "exists" }), "VERIFY_FIELD"], [claim("a", "power", "turnover", { kind: "exists" }), "VERIFY_FIELD"],
      [claim("a", "tax", "turnover", { kind: "equals", value: "much" }), "VERIFY_VALUE"], [claim("a", "tax", "turnover", { kind: "equals", value: "much" }, true), "VERIFY_VALUE"],
      [claim("a", "tax", "turnover", { kind: "count", from: 1 }), "VERIFY_PREDICATE"], [claim("a", "tax", "grade", { kind: "equals", value: "A" }), "VERIFY_BLIND"],
      [claim("a", "tax", "turnover", { kind: "exists" }, true), "VERIFY_BLIND"], [claim("a", "tax", "turnover", { kind: "within", from: "3", to: "2" }, true), "VERIFY_PREDICATE"],
      [claim("a", "tax", "turnover", { kind: "within", from: "9999999999" }, true), "VERIFY_RANGE"], [claim("a", "tax", "filed", { kind: "dated", before: "2024-02-30" }), "VERIFY_VALUE"],
    ];
    const { questions, refused } = questionsOf([...wrong.map(([c]) => c), claim("a", "tax", "turnover", { kind: "exists" })], { datasets, fields, consent });
    assert.lengthOf(questions, 1);
    for (const [at, [, code]] of wrong.entries()) assert.deepEqual(refused.get(at), { code } as never, String(at));
  });
});

describe("a provider that is asked for verifications", () => {
  let curve: CurveWork;
  before(async () => {
    curve = await inlineCurve();
  });
  type World = { readonly data: ReadonlyMap<string, Readonly<Record<string, readonly string[]>>>; host: VerifyHost; charged: Charged[][]; claimed: number[]; outcomes: Parameters<VerifyHostPorts["outcome"]>[]; refuses: Partial<Pick<VerifyHostPorts, "consent" | "charge" | "waits" | "transfers">> };
  const open = (data: World["data"], lastN = -1): World => {
    const world: World = { data, charged: [], claimed: [], outcomes: [], refuses: {}, host: undefined as unknown as VerifyHost };
    world.host = new VerifyHost({
      self: tax, fields, published: published["tax"] ?? [], lastN,
      ports: {
        held: (field, company) => heldOf(data, field, company),
        consent: (...given) => world.refuses.consent?.(...given),
        charge: (company, n, claims) => {
          const refusal = world.refuses.charge?.(company, n, claims);
          if (refusal === undefined) world.charged.push([...claims]);
          return refusal;
        },
        claim: (_company, _jws, n) => void world.claimed.push(n),
        waits: (...given) => world.refuses.waits?.(...given) ?? 0,
        transfers: (...given) => world.refuses.transfers?.(...given) ?? true,
        outcome: (...outcome) => void world.outcomes.push(outcome),
      },
    });
    return world;
  };
  const heldOf = (data: World["data"], field: string, company: string): Held => {
    const own = data.get(company);
    return own === undefined ? { known: false } : { known: true, entries: own[field] ?? [] };
  };
  const data = new Map([["c", { turnover: ["100.00"], grade: ["A"], filed: ["2024-01-01", "2024-06-01"] }], ["empty", {}], ["bad", { turnover: ["unknown"], grade: ["\u0000"] }]]);
  const ask = (n: number, company: string, ...claims: [string, Predicate][]): TypedBody<"verify/ask"> => ({ n, company, consent: "", claims: claims.map(([field, predicate]) => ({ field, predicate })) });
  const said = (answered: ReturnType<VerifyHost["clear"]>): readonly Answer[] | string => ("code" in answered ? answered.code : Array.from(answered.answers, (byte) => answers[byte] as Answer));

  it("answers as plain comparisons over its data do", () => {
    const yuan = fc.integer({ min: -300, max: 300 }).map((n) => (n / 100).toFixed(2));
    const day = fc.integer({ min: 19_000, max: 19_040 }).map((d) => new Date(d * 86_400_000).toISOString().slice(0, 10));
    const predicates: fc.Arbitrary<[string, Predicate]> = fc.oneof(
      yuan.map((value): [string, Predicate] => ["turnover", { kind: "equals", value }]),
      fc.tuple(yuan, yuan).map(([a, b]): [string, Predicate] => ["turnover", { kind: "within", from: Number(a) < Number(b) ? a : b, to: Number(a) < Number(b) ? b : a }]),
      fc.constant<[string, Predicate]>(["filed", { kind: "exists" }]), day.map((end): [string, Predicate] => ["filed", { kind: "dated", before: end }]), day.map((after): [string, Predicate] => ["filed", { kind: "dated", after }]),
      fc.nat(4).map((from): [string, Predicate] => ["filed", { kind: "count", from }]),
    );
    const company = fc.record({ turnover: fc.array(yuan, { maxLength: 1 }), filed: fc.array(day, { maxLength: 3 }) });
    fc.assert(fc.property(fc.array(company, { maxLength: 3 }), fc.array(predicates, { minLength: 1, maxLength: 16 }), fc.nat(3), (rows, claims, which) => {
      const held = new Map(rows.map((row, i) => [`c${i}`, row]));
      const found = said(open(held).host.clear(ask(0, `c${which}`, ...claims)));
      const row = rows[which];
      const oracle = claims.map(([field, p]): Answer => {
        if (row === undefined) return "not-available";
        const entries = row[field as "turnover" | "filed"];
        if (p.kind === "exists") return entries.length > 0 ? "match" : "no-match";
        if (p.kind === "count") return entries.length >= (p.from ?? 0) ? "match" : "no-match";
        if (entries.length === 0) return "not-available";
        const holds = (entry: string): boolean => (p.kind === "equals" ? Number(entry) === Number(p.value)
          : p.kind === "within" ? Number(entry) >= Number(p.from) && Number(entry) <= Number(p.to)
            : p.kind === "dated" ? (p.before === undefined || entry < p.before) && (p.after === undefined || entry > p.after) : false);
        return entries.some(holds) ? "match" : "no-match";
      });
      assert.deepEqual(found, oracle);
    }), { numRuns: 500 });
  });

  it("says the same to the bank as the data do, blindly as well, also where it has nothing or nothing readable", async () => {
    const { host } = open(data);
    const question: Question = { request: "job_0123456789abcdef.0123456789abcdef", party: "tax", item: "turnover" };
    const equal = async (company: string, value: string): Promise<Answer> => {
      const { ask: sent, open: kept } = await askEqual(curve, question, value, systemRng);
      const held = host.text("turnover", company);
      const isEqual = await openEqual(curve, kept, await replyEqual(curve, question, held, sent, systemRng));
      return held === undefined ? "not-available" : isEqual ? "match" : "no-match";
    };
    const garbled = new GarbledWork();
    const within = (company: string, from: bigint, to: bigint): Answer => {
      const { value, depth } = host.integer("turnover", company);
      const { taken, pads } = dealtTransfers(depth);
      const { ask: sent, open: kept } = askWithin(question, { from, to }, depth, taken);
      const isInside = openWithin(garbled, kept, replyWithin(garbled, question, value, depth, sent, pads, systemRng));
      return value === undefined ? "not-available" : isInside ? "match" : "no-match";
    };
    assert.deepEqual(await Promise.all([equal("c", "100"), equal("c", "100.01"), equal("empty", "100"), equal("nobody", "100"), equal("bad", "unknown")]), ["match", "no-match", "not-available", "not-available", "not-available"]);
    assert.deepEqual([within("c", 10_000n, 10_000n), within("c", 10_001n, 20_000n), within("empty", -9n, 9n), within("nobody", -9n, 9n), within("bad", 0n, 1n)], ["match", "no-match", "not-available", "not-available", "not-available"]);
    assert.isUndefined(host.text("filed", "c"), "of several entries none is compared blindly");
  });

  it("sends frames of one size whatever it answers", async () => {
    const { host } = open(data);
    const sizes = new Set([["c", "100"], ["c", "1"], ["empty", "1"], ["nobody", "1"]].map(([company = "", value = ""], n) => {
      const answered = host.clear(ask(n + 30, company, ["turnover", { kind: "equals", value }]));
      return "code" in answered ? 0 : encodeFrame("verify/answer", { n: n + 30, answers: answered.answers }).length;
    }));
    assert.equal(sizes.size, 1);
    assert.notInclude([...sizes], 0);
    const question: Question = { request: "r", party: "tax", item: "turnover" };
    const { ask: sent } = await askEqual(curve, question, "1", systemRng);
    const frames = await Promise.all(["1", "2", undefined].map(async (value) => encodeFrame("verify/equal", { n: 30, held: value !== undefined, ...await replyEqual(curve, question, value, sent, systemRng) }).length));
    assert.equal(new Set(frames).size, 1);
  });

  it("answers each number once, in rising order, also after a restart", () => {
    const world = open(data, 5);
    const exists = (n: number) => said(world.host.clear(ask(n, "c", ["turnover", { kind: "exists" }])));
    assert.deepEqual([exists(5), exists(6), exists(6), exists(4), exists(9)], ["SERVICE_ASK", ["match"], "SERVICE_ASK", "SERVICE_ASK", ["match"]]);
    assert.equal(world.host.lastN, 9);
    assert.equal(world.host.blind("equals", { n: 9, company: "c", consent: "", field: "grade", nonce: "0".repeat(16), blinded: new Uint8Array(32) })?.code, "SERVICE_ASK");
    assert.lengthOf(world.charged, 2);
  });

  it("refuses what the plan does not allow, charging nothing, and asks for consent before anything is charged", () => {
    const world = open(data);
    let n = 0;
    const clear = (...claims: [string, Predicate][]) => said(world.host.clear(ask(n++, "c", ...claims)));
    const blind = (kind: "equals" | "within", field: string, bits = 40) => world.host.blind(kind, {
      n: n++, company: "c", consent: "", field, ...(kind === "within" ? { session: "0".repeat(16), first: 0, flips: new Uint8Array(rangeBytes(bits).flips) } : { nonce: "0".repeat(16), blinded: new Uint8Array(32) }),
    })?.code;
    const exists: [string, Predicate] = ["turnover", { kind: "exists" }];
    assert.equal(clear(exists, ["usage", { kind: "within", from: "1" }]), "VERIFY_FIELD", "another provider's");
    assert.equal(clear(exists, ["grade", { kind: "equals", value: "A" }]), "VERIFY_PREDICATE", "blind only");
    assert.equal(clear(exists, ["turnover", { kind: "equals", value: "x" }]), "VERIFY_VALUE");
    assert.equal(clear(["turnover", { kind: "within", from: "2", to: "1" }]), "VERIFY_PREDICATE");
    assert.equal(blind("within", "grade"), "VERIFY_PREDICATE");
    assert.equal(blind("equals", "filed"), "VERIFY_PREDICATE", "in the clear only");
    assert.equal(blind("within", "turnover", 18), "VERIFY_QUESTION", "of a date");
    world.refuses.transfers = () => false;
    assert.equal(blind("within", "turnover"), "VERIFY_TRANSFERS");
    world.refuses.transfers = () => true;
    world.refuses.consent = () => "CONSENT_WITHDRAWN";
    assert.deepEqual([clear(exists), blind("equals", "turnover"), blind("within", "turnover")], ["CONSENT_WITHDRAWN", "CONSENT_WITHDRAWN", "CONSENT_WITHDRAWN"]);
    world.refuses = { charge: () => ({ code: "BUDGET_CLAIMS", retryAfter: 60 }) };
    assert.deepEqual([clear(exists), blind("equals", "turnover")], ["BUDGET_CLAIMS", "BUDGET_CLAIMS"]);
    assert.lengthOf(world.charged, 0);
    assert.lengthOf(world.claimed, 0, "what a budget refuses uses up no consent");
    assert.lengthOf(world.outcomes, 0);
    world.refuses = {};
    const next = n;
    assert.deepEqual([clear(exists), blind("equals", "turnover")], [["match"], undefined]);
    assert.deepEqual(world.claimed, [next, next + 1]);
  });

  it("charges the same claim under one name, however it is written, and blind ones as what they can tell", () => {
    const world = open(data);
    for (const [i, value] of ["100", "100.00", " 0100"].entries()) world.host.clear(ask(i, "c", ["turnover", { kind: "equals", value }]));
    world.host.clear(ask(5, "c", ["turnover", { kind: "equals", value: "101" }]));
    const texts = world.charged.map(([one]) => (one?.kind === "clear" ? one.claim : ""));
    assert.equal(new Set(texts.slice(0, 3)).size, 1);
    assert.notEqual(texts[3], texts[0]);
    world.host.blind("within", { n: 7, company: "c", consent: "", field: "turnover", session: "0".repeat(16), first: 0, flips: new Uint8Array(10) });
    assert.deepEqual(world.charged.at(-1), [{ field: "turnover", kind: "within" }]);
    assert.deepEqual(world.outcomes.map(([, , answer]) => answer), ["match", "match", "match", "no-match"]);
  });

  it("stops within a question once claims about a value were wrong too often, and goes on with other values", () => {
    const world = open(data);
    world.refuses.waits = (_company, field) => (world.outcomes.filter(([, of, answer]) => of === field && answer === "no-match").length >= 2 ? 3600 : 0);
    const guess = (value: string): [string, Predicate] => ["turnover", { kind: "equals", value }];
    const answered = world.host.clear(ask(0, "c", guess("1"), guess("2"), guess("100"), ["filed", { kind: "exists" }], guess("3")));
    assert.deepEqual(answered, { answers: Uint8Array.of(0, 0, 3, 1, 3), used: ["turnover", "filed"], retryAfter: 3600 });
    assert.lengthOf(world.outcomes, 3, "what is not answered is neither wrong nor right");
    assert.lengthOf(world.charged[0] ?? [], 5);
    assert.deepEqual(world.host.clear(ask(1, "c", guess("100"))), { answers: Uint8Array.of(3), used: [], retryAfter: 3600 });
  });
});

describe("the answer to a question in the clear", () => {
  const question: ClearQuestion = { kind: "clear", company: "c", party: tax, consent: "", at: [0, 1], claims: [{ field: "turnover", predicate: { kind: "exists" } }, { field: "turnover", predicate: { kind: "exists" } }] };
  it("has one of three words for each claim, or that it is not answered any more, or is none", () => {
    assert.deepEqual(resultsOf(question, { n: 1, answers: Uint8Array.of(1, 2) }), [{ answer: "match" }, { answer: "not-available" }]);
    assert.deepEqual(resultsOf(question, { n: 1, answers: Uint8Array.of(0, 3), retryAfter: 60 }), [{ answer: "no-match" }, { code: "VERIFY_LOCKED", party: tax, retryAfter: 60 }]);
    for (const bad of [[1], [0, 1, 2], [4, 0]]) assert.equal(codeOf(() => resultsOf(question, { n: 1, answers: Uint8Array.from(bad) })), "VERIFY_REPLY");
    assert.equal(evaluate("money", { kind: "exists" }, { known: true, entries: [] }), "no-match");
    assert.equal(verifyJobSchema.parse({ fields: [{ party: "tax", field: "turnover", clear: ["exists"] }] }).timeoutMs, 2000);
  });
});
