// Services of real processes beyond masked points: linear weights under the bank's key at two providers, a whole ONNX model at one, and trees over all columns.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { ServiceAnswer } from "../../api/contract/services.ts";
import { ownModelRequest, type OwnModelOptions } from "../../cli/own-model.ts";
import { ServiceClient } from "../../cli/service-client.ts";
import { partyId } from "../../core/names.ts";
import { encodeOnnx, type OnnxFile } from "../../models/files/onnx-proto.ts";
import { sigmoid } from "../../models/linear/logistic.ts";
import { forestOf, plantModel } from "../support/forest.ts";
import { eventually } from "../support/process.ts";
import { smallTables } from "../support/tables.ts";
import { Topology } from "../support/topology.ts";

type Scored = Extract<ServiceAnswer, { status: "scored" }>;
const tables = smallTables({ rows: 300 });
const valuesOf = (name: keyof typeof tables): ReadonlyMap<string, Readonly<Record<string, number>>> => {
  const [head = "", ...lines] = tables[name].trim().split("\n");
  const columns = head.split(",");
  return new Map(lines.map((line) => {
    const cells = line.split(",");
    return [cells[0] ?? "", Object.fromEntries(columns.map((c, i) => [c, cells[i] === "" ? Number.NaN : Number(cells[i])]))];
  }));
};
const data = { bank: valuesOf("bank"), tax: valuesOf("tax"), power: valuesOf("power") };

const features = [
  { name: "turnover", provider: "tax", centre: 900, scale: 8, missing: 5, weight: -310 },
  { name: "arrears", provider: "tax", centre: 0, scale: 1, missing: 1, weight: 2000 },
  { name: "late_bills", provider: "power", centre: 0, scale: 1, missing: 0, weight: 1500 },
  { name: "amount", provider: "bank", centre: 50, scale: 2, missing: 0, weight: 40 },
] as const;
const linear = { version: 1, intercept: -1, unit: 0.0002, features };
/** p = sigmoid(arrears - amount / 100). */
const net: OnnxFile = {
  irVersion: 8, opsets: { "": 13 },
  graph: {
    name: "own", constants: [{ name: "w", dims: [2, 1], floats: [1, -0.01] }], inputs: [{ name: "x", type: "float", dims: ["n", 2] }], outputs: [{ name: "p", type: "float", dims: ["n", 1] }],
    nodes: [{ op: "MatMul", inputs: ["x", "w"], outputs: ["z"] }, { op: "Sigmoid", inputs: ["z"], outputs: ["p"] }],
  },
};
const purpose = "loan-approval";
/** What the linear model gives in the clear. sign: of its weights. */
const expected = (company: string, sign = 1): number => sigmoid(linear.intercept + sign * linear.unit * features.reduce((sum, f) => {
  const value = data[f.provider].get(company)?.[f.name] ?? Number.NaN;
  return sum + f.weight * (Number.isFinite(value) ? Math.max(-256, Math.min(256, Math.round((value - f.centre) / f.scale))) : f.missing);
}, 0));

/** Three trees: of one provider, of two, and of all three parties; an event is likelier to the right of an edge, or not. */
const forest = forestOf({
  model: "model_0123456789abcdef", base: -0.8,
  columns: [{ party: "bank", name: "amount", edge: 50 }, { party: "power", name: "late_bills", edge: 0.5 }, { party: "tax", name: "arrears", edge: 1.5 }, { party: "tax", name: "turnover", edge: 900 }],
  trees: [{ features: [2], leaves: [-0.4, 0.6] }, { features: [1, 3], leaves: [-0.3, 0.2, 0.1, 0.5] }, { features: [0, 1, 2], leaves: [0.05, -0.2, 0.4, 0.1, -0.6, 0.3, 0.9, -0.7] }],
});
const oddsOf = (company: string): number => forest.odds((party, name) => data[party as keyof typeof data].get(company)?.[name] ?? Number.NaN);

describe("services by protections of model and data, of real processes", () => {
  let topology: Topology;
  let client: ServiceClient;
  const companies = [...data.bank.keys()].filter((id) => Number.isFinite(data.tax.get(id)?.["turnover"] ?? Number.NaN) && data.power.has(id));

  const importModel = (kind: "linear" | "onnx", text: string | Uint8Array): string => {
    const file = join(topology.work, `model.${kind}`);
    writeFileSync(file, text);
    return (JSON.parse(topology.cli(["enclave", "own-models", `import-${kind}`, "--dir", topology.folder("bank"), "--file", file, "--json"])) as { id: string }).id;
  };
  const submit = (options: OwnModelOptions, more: object = {}): Promise<string> => {
    const { hosts, params } = ownModelRequest(topology.folder("bank"), options);
    return topology.api.submit({ kind: "serve", guest: partyId("bank"), hosts: [...hosts], purpose, params: { ...params, timeoutMs: 2000, perCompanyPerDay: 100, ...more } }).then(({ id }) => id);
  };
  const open = async (id: string, first = companies[0] ?? ""): Promise<void> => {
    await topology.until(id, "running");
    client = await ServiceClient.open(topology.api, { service: id, ca: readFileSync(join(topology.platformFolder, "ca.pem"), "utf8"), now: Date.now() });
    await eventually("all are there", async () => (await client.ask({ company: first }).catch(() => undefined))?.status === "scored");
  };
  const scored = async (company: string, columns?: Record<string, number>): Promise<Scored> => {
    const answer = await client.ask({ company, ...(columns && { columns }) });
    if (answer.status !== "scored") throw new Error(`${answer.code} ${answer.party ?? ""}`);
    return answer;
  };

  before(async () => {
    topology = await Topology.start({ tables });
    for (const name of ["bank", "tax", "power"] as const) {
      topology.setPolicy(name, (policy) => {
        const protections = { encryptedModel: {}, jointTrees: { maxQuestionsPerCompany: 12 }, ...(name !== "power" && { wholeModel: { columns: ["amount"] } }) };
        Object.assign(policy.allow[0] ?? {}, { kinds: ["serve", "score"], purposes: [purpose], singleHostTotals: true, service: { maxPerCompanyPerDay: 1000, maxSetsPerCompany: 2 }, ...protections });
        return policy;
      });
    }
  });
  after(() => topology[Symbol.asyncDispose]());

  it("scores by linear weights that the providers cannot read, also after one was killed", async () => {
    const id = await submit({ ownModel: importModel("linear", JSON.stringify(linear)) });
    await open(id);
    for (const company of companies.slice(0, 10)) {
      const answer = await scored(company);
      assert.closeTo(answer.probability, expected(company), 1e-9);
      assert.deepEqual(answer.holders, ["power", "tax"].map(partyId));
    }
    await topology.kill("tax");
    await topology.launch("tax");
    await eventually("tax is back, with the model from its inbox", async () => (await client.ask({ company: companies[11] ?? "" }).catch(() => undefined))?.status === "scored");
    assert.closeTo((await scored(companies[12] ?? "")).probability, expected(companies[12] ?? ""), 1e-9);
    const refused = await client.ask({ company: "nobody-knows-it" });
    assert.equal(refused.status === "refused" && refused.code, "SERVICE_COMPANY_UNKNOWN");
    await topology.api.cancel(id);
  });

  it("scores by a whole model at its provider, with the bank's own column, and bounds how often that may change", async () => {
    const ownModel = importModel("onnx", encodeOnnx(net));
    const id = await submit({ ownModel, provider: partyId("tax"), inputs: ["arrears", "amount"], columns: ["amount"] }, { setsPerCompany: 2 });
    await open(id);
    const [kept] = topology.rows("tax", "select frame from inbox where job = ? and type = 'serve/whole-model'", id);
    assert.isFalse(Buffer.from(kept?.["frame"] as Uint8Array).includes("MatMul"), "sealed where it lies");
    const odds = (company: string, amount = data.bank.get(company)?.["amount"] ?? 0): number => (
      Math.max(-128, Math.min(127, Math.round(16 * ((data.tax.get(company)?.["arrears"] ?? 0) - amount / 100)))) / 16);
    for (const company of companies.slice(0, 10)) assert.closeTo((await scored(company)).probability, sigmoid(odds(company)), 1e-9);
    const [, company = ""] = companies;
    assert.closeTo((await scored(company, { amount: 400 })).probability, sigmoid(odds(company, 400)), 1e-9);
    const third = await client.ask({ company, columns: { amount: 401 } });
    assert.equal(third.status === "refused" && third.code, "SERVICE_SETS");
    const wrong = await client.ask({ company, columns: { amount: "much" } });
    assert.equal(wrong.status === "refused" && wrong.code, "SERVICE_REQUEST");
    await topology.api.cancel(id);
  });

  it("scores a batch by either", async () => {
    const profile = join(topology.work, "profile.json");
    topology.writeProfile(profile);
    const batch = join(topology.work, "batch.csv");
    const some = companies.slice(30, 130);
    writeFileSync(batch, ["ent_id,amount", ...some.map((id) => `${id},${data.bank.get(id)?.["amount"] ?? 0}`), "X999,50"].join("\n"));
    const probabilities = (args: readonly string[]): ReadonlyMap<string, number> => {
      const out = join(topology.work, `out-${args.length}`);
      topology.cli(["score", ...args, "--file", batch, "--dir", topology.folder("bank"), "--profile", profile, "--out", out]);
      const lines = readFileSync(join(out, "scores.csv"), "utf8").trim().split("\n").slice(1).map((line) => line.split(","));
      return new Map(lines.map(([id = "", _points, p]) => [id, Number(p)]));
    };
    const linearModel = importModel("linear", JSON.stringify({ ...linear, features: linear.features.map((f) => ({ ...f, weight: -f.weight })) }));
    const batched = probabilities(["--own-model", linearModel]);
    assert.lengthOf([...batched], some.length + 1);
    for (const id of some) assert.closeTo(batched.get(id) ?? Number.NaN, expected(id, -1), 2e-6);
    // One company is at no provider: a model for batches says what it makes of missing values.
    const ownModel = importModel("onnx", encodeOnnx({
      ...net, opsets: { "": 13, "ai.onnx.ml": 3 },
      graph: {
        ...net.graph, inputs: [{ name: "x", type: "float", dims: ["n", 1] }], constants: [{ name: "w", dims: [1, 1], floats: [0.5] }],
        nodes: [
          { op: "Imputer", domain: "ai.onnx.ml", inputs: ["x"], outputs: ["known"], attributes: [{ name: "imputed_value_floats", floats: [2] }, { name: "replaced_value_float", float: Number.NaN }] },
          { op: "MatMul", inputs: ["known", "w"], outputs: ["z"] }, { op: "Sigmoid", inputs: ["z"], outputs: ["p"] },
        ],
      },
    }));
    const whole = probabilities(["--own-model", ownModel, "--provider", "tax", "--inputs", "arrears"]);
    assert.closeTo(whole.get("X999") ?? Number.NaN, sigmoid(1), 2e-6);
    for (const id of some) assert.closeTo(whole.get(id) ?? Number.NaN, sigmoid(Math.round(8 * (data.tax.get(id)?.["arrears"] ?? 0)) / 16), 2e-6);
  });

  it("scores by trees over all columns, of which nobody learns a branch, also after the bank and a provider were killed", async () => {
    const { model } = forest;
    plantModel(topology, forest);
    const [profile, file] = [join(topology.work, "trees-profile.json"), join(topology.work, "trees-params.json")];
    topology.writeProfile(profile);
    writeFileSync(file, JSON.stringify({ timeoutMs: 4000, questionsPerCompany: 12, perCompanyPerDay: 100 }));
    const { id } = JSON.parse(topology.cli(["service", "start", "--model", model, "--dir", topology.folder("bank"), "--profile", profile, "--params", file, "--purpose", purpose, "--json"])) as { id: string };
    await open(id);
    for (const company of companies.slice(40, 48)) {
      const answer = await scored(company);
      // Rounding to 12 bits: at most half a unit for each of three tables, a unit is 1/2045 of the reach of 2.3.
      assert.closeTo(Math.log(answer.probability / (1 - answer.probability)), oddsOf(company), 0.002);
      assert.deepInclude(answer, { model, partial: false });
    }
    const sent = topology.rows("tax", "select type, messages from service_ledger where service = ? and direction = 'sent'", id);
    assert.includeMembers(sent.map((row) => row["type"]), ["serve/places", "serve/tree-part"]);
    for (const name of ["bank", "tax"] as const) await topology.kill(name);
    for (const name of ["bank", "tax"] as const) await topology.launch(name);
    await eventually("both are back, with the key that was kept", async () => (await client.ask({ company: companies[49] ?? "" }).catch(() => undefined))?.status === "scored");
    const again = await scored(companies[50] ?? "");
    assert.closeTo(Math.log(again.probability / (1 - again.probability)), oddsOf(companies[50] ?? ""), 0.002);
    for (let i = 0; i < 11; i++) await scored(companies[50] ?? "");
    const refused = await client.ask({ company: companies[50] ?? "" });
    assert.equal(refused.status === "refused" && refused.code, "SERVICE_QUESTIONS");
    await topology.api.cancel(id);
    // A model of another kind.
    const wrong = await topology.api.submit({ kind: "serve", guest: partyId("bank"), hosts: ["power", "tax"].map(partyId), purpose, model, params: { timeoutMs: 4000 } });
    assert.deepInclude((await topology.until(wrong.id, "failed")).failure, { code: "JOB_MODEL_UNKNOWN" });
  });

  it("is refused by a provider whose policy does not name the protection, and by a model that may not run: others go on", async () => {
    const ownModel = importModel("onnx", encodeOnnx({ ...net, graph: { ...net.graph, inputs: [{ name: "x", type: "float", dims: ["n", 1] }], constants: [{ name: "w", dims: [1, 1], floats: [1] }] } }));
    const forbidden = await submit({ ownModel, provider: partyId("power"), inputs: ["usage"] });
    assert.deepInclude((await topology.until(forbidden, "failed")).failure, { code: "JOB_REFUSED", party: partyId("power") });
    await eventually("power says why", () => topology.rows("power", "select 1 from jobs where job = ? and code = 'POLICY_PROTECTION'", forbidden).length === 1);
    const absent = await submit({ ownModel, provider: partyId("tax"), inputs: ["nothing"] });
    assert.deepInclude((await topology.until(absent, "failed")).failure, { code: "MODEL_ONNX_INPUTS", party: partyId("tax") });
    const { status, output } = topology.cliFailing(["enclave", "own-models", "import-linear", "--dir", topology.folder("bank"), "--file", join(topology.work, "model.onnx")]);
    assert.equal(status === 0, false);
    assert.include(output, "MODEL_LINEAR");
    await open(await submit({ ownModel, provider: partyId("tax"), inputs: ["arrears"] }), companies[20]);
    assert.equal((await scored(companies[21] ?? "")).partial, false);
    const third = await client.ask({ company: companies[0] ?? "" });
    assert.equal(third.status === "refused" && third.code, "BUDGET_TOTALS", "two models read this company already");
  });
});
