// Services by a model that the bank brings: right scores, what each side sees, what is refused, and what lies on disk.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createHmac } from "node:crypto";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { EntityId, PartyId } from "../../core/brand.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { jobIdSchema, partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import type { LoadedDataset } from "../../enclave/data/load.ts";
import { Records } from "../../enclave/data/records.ts";
import { fixedData, ServiceData } from "../../enclave/data/views.ts";
import { statedFeatures } from "../../enclave/job/kinds/own-models.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { EncryptedGuest, EncryptedHost } from "../../enclave/live/scorers/encrypted.ts";
import type { ServeAsk } from "../../enclave/live/scorers/scorer.ts";
import { WholeGuest, WholeHost } from "../../enclave/live/scorers/whole.ts";
import { openModel, receiveModel, sealModel, sendModel } from "../../enclave/own-models/deliver.ts";
import { importLinear, importOnnx, listOwn, readOwnLinear, readOwnOnnx, type OwnLinear } from "../../enclave/own-models/store.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { parseLinearModel, type LinearModel } from "../../federation/serve/linear.ts";
import { oddsOfUnits, quantiseOdds } from "../../federation/serve/odds.ts";
import { serveJobSchema, type EncryptedModelParams, type WholeModelParams } from "../../federation/serve/params.ts";
import type { Feature } from "../../models/features.ts";
import { encodeOnnx, type OnnxFile } from "../../models/files/onnx-proto.ts";
import { sigmoid } from "../../models/linear/logistic.ts";
import { judge, modelsPerCompany, policySchema } from "../../enclave/policy.ts";
import { endOfService } from "../../federation/live/params.ts";
import { datasets, planOf, temporaryFolder } from "../support/enclave.ts";
import { codeOf as codeOfPromise } from "../support/world.ts";

const codeOf = (work: () => unknown): Promise<string> => codeOfPromise((async () => work())());
const [bank, tax, power] = ["bank", "tax", "power"].map(partyId) as [PartyId, PartyId, PartyId];
const job = jobIdSchema.parse("job_0123456789abcdef");
const numeric = (name: string, values: readonly number[]): Feature => ({ kind: "numeric", name, values: Float64Array.from(values), special: [] });
const table = (ids: readonly string[], features: readonly Feature[]): LoadedDataset => (
  { rows: ids.length, ids: ids as readonly EntityId[], records: new Records(ids), features, skipped: [], snapshotDigest: "a".repeat(64) });

const model: LinearModel = parseLinearModel(JSON.stringify({
  version: 1, intercept: -1.5, unit: 0.001,
  features: [
    { name: "turnover", provider: "tax", centre: 500, scale: 10, missing: 7, weight: -900 },
    { name: "usage", provider: "power", centre: 0, scale: 1, missing: -20, weight: 35 },
    { name: "arrears", provider: "tax", centre: 0, scale: 1, missing: 0, weight: 2048 },
    { name: "amount", provider: "bank", centre: 10, scale: 0.5, missing: 3, weight: 11 },
  ],
}));
const data = {
  [bank]: table(["a", "b"], [numeric("amount", [12, Number.NaN])]),
  [tax]: table(["a", "b", "c"], [numeric("turnover", [620, Number.NaN, 1e300]), numeric("arrears", [2, -Infinity, -1e300])]),
  [power]: table(["a", "c"], [numeric("usage", [100.4, -7])]),
};
/** What the model gives in the clear; undefined for a provider that is away. */
function expected(company: string, present: readonly PartyId[] = [bank, tax, power]): number {
  const sum = model.features.reduce((all, f) => {
    const { ids, features } = data[f.provider] ?? table([], []);
    const record = ids.findIndex((id) => id === company);
    const feature = features.find(({ name }) => name === f.name);
    const value = record >= 0 && present.includes(f.provider) && feature?.kind === "numeric" ? feature.values[record] ?? Number.NaN : Number.NaN;
    return all + f.weight * (Number.isFinite(value) ? Math.max(-256, Math.min(256, Math.round((value - f.centre) / f.scale))) : f.missing);
  }, 0);
  return sigmoid(model.intercept + model.unit * sum);
}
const askOf = (n: number, company: string, present: readonly PartyId[] = [power, tax]): ServeAsk => ({ n, present: [...present], company, consent: "" });
const keyOf = (a: PartyId) => (b: PartyId): Uint8Array => new Uint8Array(createHmac("sha256", "keys").update([a, b].sort().join()).digest());
const textOf = (file: object): string => JSON.stringify({ ...model, ...file });

describe("a bank's linear model under its key", () => {
  const folder = temporaryFolder();
  const store = { folder: folder.path, box: new SecretBox(new Uint8Array(32).fill(9), systemRng) };
  let own: OwnLinear;
  let guest: EncryptedGuest;
  const hosts = new Map<PartyId, EncryptedHost>();

  before(async () => {
    own = readOwnLinear(store, await importLinear(store, { text: JSON.stringify(model), self: bank, rng: systemRng }));
    const params = serveJobSchema.parse({ protection: "encrypted-model", digest: own.digest, features: statedFeatures(own.model, bank) }) as EncryptedModelParams;
    const plan = { job, guest: bank, hosts: [power, tax] } as unknown as JobPlan;
    guest = new EncryptedGuest(own, { self: bank, hosts: [power, tax], data: fixedData(data[bank] ?? table([], [])) });
    for (const self of [power, tax]) {
      const packed = new Uint8Array(Buffer.from(own.sealed[self] ?? "", "base64"));
      const host = new EncryptedHost({ plan, params, self, data: fixedData(data[self] ?? table([], [])), packed, keyOf: keyOf(self) });
      await host.start();
      hosts.set(self, host);
    }
  });
  after(async () => {
    await guest[Symbol.asyncDispose]();
    await Promise.all([...hosts.values()].map((host) => host[Symbol.asyncDispose]()));
    folder[Symbol.dispose]();
  });

  const answerOf = async (self: PartyId, ask: ServeAsk) => {
    const answer = await hosts.get(self)?.answer(ask);
    if (answer?.reply.type !== "serve/encrypted-part") throw new Error("no text");
    return answer.reply.body;
  };
  const scoreOf = async (company: string, present: readonly PartyId[], n = 1) => {
    const answers = new Map(await Promise.all(present.map(async (h) => [h, await answerOf(h, askOf(n, company, present))] as const)));
    return guest.prepare({ company })?.score(answers, present);
  };

  it("gives the score of the model, for missing, infinite and extreme values, too", async () => {
    for (const [n, company] of ["a", "b", "c", "nobody"].entries()) {
      const scored = await scoreOf(company, [power, tax], n);
      assert.closeTo(scored?.probability ?? Number.NaN, expected(company), 1e-12, company);
      assert.deepEqual(scored?.away, []);
    }
  });
  it("scores the features of a provider that is away as missing, and says so", async () => {
    const scored = await scoreOf("a", [tax], 9);
    assert.closeTo(scored?.probability ?? Number.NaN, expected("a", [bank, tax]), 1e-12);
    assert.deepEqual(scored?.away, [power]);
  });
  it("takes the bank's own columns from the request where it sends some", async () => {
    const answers = new Map(await Promise.all([power, tax].map(async (h) => [h, await answerOf(h, askOf(20, "a"))] as const)));
    const scored = await guest.prepare({ company: "a", columns: { amount: 1e9 } })?.score(answers, [power, tax]);
    assert.closeTo(scored?.probability ?? Number.NaN, sigmoid(Math.log(expected("a") / (1 - expected("a"))) + 0.001 * 11 * (256 - 4)), 1e-9);
    assert.isUndefined(guest.prepare({ company: "a", columns: { amount: "ten" } }), "of another type");
  });
  it("shows the bank one provider's text as nothing but a uniform number: the sum alone is a score", async () => {
    const lowest: number[] = [];
    for (let n = 100; n < 164; n++) {
      const { text } = await answerOf(tax, askOf(n, "a"));
      const odds = await Promise.resolve(guest.prepare({ company: "a" })?.score(new Map([[tax, { n, text, held: true }]]), [power, tax])).catch((error: { code: string }) => error.code);
      // Nearly always outside of what weights can give.
      lowest.push(odds === "KERNEL_SUM_IMPOSSIBLE" ? 1 : 0);
    }
    assert.isAbove(lowest.filter((one) => one === 1).length, 56);
  });
  it("refuses answers that are no texts, of another question, or made to be wrong", async () => {
    const right = await answerOf(tax, askOf(300, "a"));
    const other = await answerOf(power, askOf(301, "a"));
    const score = (power_: Uint8Array) => guest.prepare({ company: "a" })?.score(new Map([[tax, right], [power, { n: 300, text: power_, held: true }]]), [power, tax]);
    assert.equal(await codeOf(() => score(other.text)), "KERNEL_SUM_IMPOSSIBLE");
    assert.equal(await codeOf(async () => score(new Uint8Array(1000).fill(3))), "KERNEL_TEXT");
    assert.closeTo((await scoreOf("a", [power, tax], 302))?.probability ?? 0, expected("a"), 1e-12, "nothing is disturbed");
  });
  it("shows a provider key and texts of one size whatever the weights are, and counts other codes under the same texts as another model", async () => {
    const zero = { ...model, features: model.features.map((f) => ({ ...f, weight: 0 })) };
    const other = readOwnLinear(store, await importLinear(store, { text: JSON.stringify(zero), self: bank, rng: systemRng }));
    const packed = new Uint8Array(Buffer.from(other.sealed[tax] ?? "", "base64"));
    assert.equal(packed.length, Buffer.from(own.sealed[tax] ?? "", "base64").length);
    const params = serveJobSchema.parse({ protection: "encrypted-model", digest: own.digest, features: statedFeatures(own.model, bank).map((f) => ({ ...f, scale: 1 })) }) as EncryptedModelParams;
    const again = new EncryptedHost({
      plan: { job, guest: bank, hosts: [power, tax] } as unknown as JobPlan, params, self: tax, data: fixedData(data[tax] ?? table([], [])), keyOf: keyOf(tax), packed: new Uint8Array(Buffer.from(own.sealed[tax] ?? "", "base64")),
    });
    assert.notEqual(again.model, hosts.get(tax)?.model);
  });
  it("ends the service at a provider for bytes that are no model, and for a feature that it does not have", async () => {
    const params = serveJobSchema.parse({ protection: "encrypted-model", digest: own.digest, features: statedFeatures(own.model, bank) }) as EncryptedModelParams;
    const base = { plan: { job, guest: bank, hosts: [power, tax] } as unknown as JobPlan, params, self: tax, data: fixedData(data[tax] ?? table([], [])), keyOf: keyOf(tax) };
    for (const packed of [new Uint8Array(0), new Uint8Array(100).fill(1), new Uint8Array(Buffer.from(own.sealed[tax] ?? "", "base64")).subarray(0, 300_000)]) {
      await using host = new EncryptedHost({ ...base, packed });
      assert.equal(await codeOf(() => host.start()), "KERNEL_TEXT");
    }
    assert.equal(await codeOf(() => new EncryptedHost({ ...base, data: fixedData(table([], [])), packed: new Uint8Array(1) })), "JOB_MODEL_UNKNOWN");
  });
  it("is refused where its file has another schema, weights of more than 12 bits, a feature twice, or sums that do not fit", async () => {
    const feature = { name: "x", provider: "tax", centre: 0, scale: 1, missing: 0, weight: 1 };
    const bad: readonly string[] = [
      "no json", "[]", textOf({ version: 2 }), textOf({ extra: 1 }), textOf({ features: [] }), textOf({ unit: 0 }),
      textOf({ features: [{ ...feature, weight: 2049 }] }), textOf({ features: [{ ...feature, weight: 0.5 }] }), textOf({ features: [{ ...feature, scale: 0 }] }), textOf({ features: [{ ...feature, missing: 257 }] }),
      textOf({ features: [feature, feature] }), textOf({ features: Array.from({ length: 300 }, (_, i) => ({ ...feature, name: `x${i}`, weight: 2048 })) }),
      textOf({ features: [{ ...feature, provider: "bank" }] }), JSON.stringify(model).replace("-1.5", "1e999"),
    ];
    for (const [i, text] of bad.entries()) assert.equal(await codeOf(() => importLinear(store, { text, self: bank, rng: systemRng })), "MODEL_LINEAR", `case ${i}`);
  });
  it("lies in the enclave's folder sealed, and not under another key", async () => {
    const files = readdirSync(join(folder.path, "own"));
    assert.isAbove(files.length, 0);
    for (const file of files) assert.notInclude(readFileSync(join(folder.path, "own", file), "latin1"), "turnover");
    assert.deepEqual(listOwn(store).find(({ digest }) => digest === own.digest)?.kind, "linear");
    assert.equal(await codeOf(() => readOwnLinear({ ...store, box: new SecretBox(new Uint8Array(32), systemRng) }, own.digest)), "MODEL_OWN");
    assert.equal(await codeOf(() => readOwnLinear(store, "0".repeat(64))), "MODEL_OWN");
  });
  it("states features and transforms in the plan, never a weight, and bounds what passes", () => {
    const features = statedFeatures(own.model, bank);
    assert.notProperty(features[0], "weight");
    assert.isUndefined(features.find((f) => f.name === "amount"), "the bank's own feature");
    const sizes = { kind: "serve", guest: bank, hosts: [power, tax], datasets: {}, params: { protection: "encrypted-model", digest: own.digest, features, days: 1, requestsPerDay: 10 } } as unknown as JobPlan;
    const { leakage, attacks } = compileLeakage(sizes);
    const line = (from: PartyId, type: string) => leakage.find((l) => l.from === from && l.type === type);
    assert.deepInclude(line(bank, "serve/encrypted-model"), { maxMessages: 1, numbers: 0 });
    assert.deepInclude(line(tax, "serve/encrypted-part"), { maxMessages: 20, numbers: 40 });
    assert.isAtLeast(line(bank, "serve/encrypted-model")?.maxBytes ?? 0, Buffer.from(own.sealed[tax] ?? "", "base64").length);
    assert.isUndefined(line(tax, "serve/part"));
    assert.isAbove(attacks.length, 1);
    assert.throws(() => compileLeakage({ ...sizes, hosts: [tax] }), "JOB_PARAMS");
  });
});

/** p = sigmoid(turnover * w + amount). */
const net: OnnxFile = {
  irVersion: 8, opsets: { "": 13 },
  graph: {
    name: "own", constants: [{ name: "w", dims: [2, 1], floats: [0.001, 1] }],
    inputs: [{ name: "x", type: "float", dims: ["n", 2] }], outputs: [{ name: "p", type: "float", dims: ["n", 1] }],
    nodes: [{ op: "MatMul", inputs: ["x", "w"], outputs: ["z"] }, { op: "Sigmoid", inputs: ["z"], outputs: ["p"] }],
  },
};
/** A field of a protobuf message that holds bytes. */
const messageOf = (field: number, ...parts: readonly Uint8Array[]): Buffer => {
  const bytes = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([(field << 3) | 2, bytes.length]), bytes]);
};
const withNodes = (...nodes: OnnxFile["graph"]["nodes"]): OnnxFile => ({ ...net, graph: { ...net.graph, nodes } });

describe("a bank's whole model at one provider", () => {
  const inService = fixedData(table(["a", "b", "c"], [numeric("turnover", [620, Number.NaN, 1e300]), { kind: "categorical", name: "sector", levels: ["food"], codes: Int32Array.of(0, -1, 0) }]));
  const paramsOf = (file: Uint8Array, more: object = {}): WholeModelParams => (
    serveJobSchema.parse({ protection: "whole-model", digest: sha256Hex(file), bytes: file.length, inputs: ["turnover", "amount"], columns: ["amount"], ...more }) as WholeModelParams);
  const hostOf = (file: Uint8Array, more: object = {}) => new WholeHost({ params: paramsOf(file, more), self: tax, data: inService, model: file });

  it("gives 8 bits of its result on the log-odds scale, with the bank's own columns of the request", async () => {
    const file = encodeOnnx(net);
    await using host = hostOf(file);
    await host.start();
    const guest = new WholeGuest(paramsOf(file), fixedData(table(["a"], [numeric("amount", [1.25])])));
    for (const [company, columns, odds] of [["a", undefined, 0.62 + 1.25], ["a", { amount: -3 }, 0.62 - 3], ["a", { amount: 1e30 }, 127 / 16], ["a", { amount: -1e30 }, -8]] as const) {
      const prepared = guest.prepare({ company, ...(columns !== undefined && { columns }) });
      const { reply, held } = await host.answer({ ...askOf(1, company, [tax]), ...(prepared?.columns && { columns: prepared.columns }) });
      if (reply.type !== "serve/odds") throw new Error(JSON.stringify(reply));
      assert.isTrue(held);
      assert.equal(oddsOfUnits(reply.body.odds), Math.round(odds * 16) / 16);
      const scored = await prepared?.score(new Map([[tax, reply.body]]), [tax]);
      assert.closeTo(scored?.probability ?? Number.NaN, sigmoid(Math.round(odds * 16) / 16), 1e-12);
    }
  });
  it("answers from new data with the next question, at both ends, and ends with data that lack an input", async () => {
    const file = encodeOnnx(net);
    const [own, theirs] = [new ServiceData(table(["a"], [numeric("amount", [1.25])])), new ServiceData(table(["a"], [numeric("turnover", [620])]))];
    await using host = new WholeHost({ params: paramsOf(file), self: tax, data: theirs, model: file });
    await host.start();
    const guest = new WholeGuest(paramsOf(file), own);
    const ask = async (company: string): Promise<[boolean, number]> => {
      const { reply, held } = await host.answer({ ...askOf(1, company, [tax]), columns: guest.prepare({ company, columns: undefined })?.columns ?? [] });
      if (reply.type !== "serve/odds") throw new Error(JSON.stringify(reply));
      return [held, reply.body.odds];
    };
    assert.deepEqual(await ask("a"), [true, Math.round((0.62 + 1.25) * 16)]);
    const onItsWay = ask("a");
    theirs.renew(table(["b", "a"], [numeric("other", [1, 2]), numeric("turnover", [100, 200])]), true);
    own.renew(table(["b", "a"], [numeric("amount", [1, -1])]), true);
    assert.deepEqual(await onItsWay, [true, Math.round((0.62 + 1.25) * 16)]);
    assert.deepEqual([await ask("a"), await ask("b")], [[true, Math.round((0.2 - 1) * 16)], [true, Math.round((0.1 + 1) * 16)]]);
    theirs.renew(table(["a"], [numeric("other", [1])]), true);
    assert.equal(await codeOf(() => theirs.unfit), "ENCLAVE_SNAPSHOT_CHANGED");
    assert.deepEqual(await ask("b"), [true, Math.round((0.1 + 1) * 16)], "whole, until it has ended");
  });
  it("refuses a question whose result is no probability, or whose column has another type, and goes on", async () => {
    await using host = hostOf(encodeOnnx(net));
    await host.start();
    const codeFor = async (company: string, column: number | string | null): Promise<string> => {
      const { reply } = await host.answer({ ...askOf(1, company, [tax]), columns: [column] });
      return reply.type === "serve/refused" ? reply.body.code : reply.type;
    };
    assert.equal(await codeFor("b", 1), "MODEL_ONNX_OUTPUT", "a missing value gives NaN");
    assert.equal(await codeFor("nobody", 1), "MODEL_ONNX_OUTPUT");
    assert.equal(await codeFor("a", "text"), "MODEL_ONNX_INPUTS");
    assert.equal(await codeFor("c", 1), "serve/odds", "an extreme value is a number");
    assert.equal(await codeFor("a", 1), "serve/odds");
  });
  it("counts other values of the bank's columns, and other inputs of the same file, apart", () => {
    const file = encodeOnnx(net);
    const host = hostOf(file);
    assert.notEqual(host.variantOf({ ...askOf(1, "a"), columns: [1] }), host.variantOf({ ...askOf(2, "a"), columns: [2] }));
    assert.equal(host.variantOf({ ...askOf(1, "a"), columns: [1] }), host.variantOf({ ...askOf(2, "a"), columns: [1] }));
    assert.notEqual(host.model, hostOf(file, { inputs: ["amount", "turnover"] }).model);
  });
  it("is refused before it runs: another file, foreign operators, tensors that it only declares, sizes that grow, inputs that are not there", async () => {
    const huge = encodeOnnx({ ...net, graph: { ...net.graph, constants: [{ name: "w", dims: [2, 2 ** 28], floats: [1, 1] }] } });
    // A sparse tensor of one number that stands for 2^40: values with a name, dims.
    const value = (field: number, name: string): Buffer => messageOf(field, messageOf(1, Buffer.from(name)), messageOf(2, messageOf(1, Buffer.from([0x08, 1]), messageOf(2, messageOf(1, messageOf(2, Buffer.from("n"))), messageOf(1, Buffer.from([0x08, 2]))))));
    const node = messageOf(1, messageOf(1, Buffer.from("x")), messageOf(2, Buffer.from("p")), messageOf(4, Buffer.from("Sigmoid")));
    const sparse = new Uint8Array(Buffer.concat([
      messageOf(8, messageOf(1), Buffer.from([0x10, 13])),
      messageOf(7, node, value(11, "x"), value(12, "p"), messageOf(15, messageOf(1, messageOf(8, Buffer.from("s"))), Buffer.from([0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]))),
    ]));
    const doubling = Array.from({ length: 40 }, (_, i) => ({ op: "Concat", inputs: [i === 0 ? "x" : `c${i}`, i === 0 ? "x" : `c${i}`], outputs: [`c${i + 1}`], attributes: [{ name: "axis", int: 1 }] }));
    const outer = withNodes({ op: "Reshape", inputs: ["x", "w"], outputs: ["r"] }, { op: "Add", inputs: ["r", "x"], outputs: ["s"] }, { op: "Add", inputs: ["s", "s"], outputs: ["t"] }, { op: "Sigmoid", inputs: ["t"], outputs: ["p"] });
    const cases: readonly (readonly [Uint8Array, string])[] = [
      [encodeOnnx({ ...net, opsets: { "": 13, "com.example": 1 } }), "MODEL_ONNX_OPERATOR"],
      [encodeOnnx(withNodes({ op: "Expand", inputs: ["x", "w"], outputs: ["z"] }, { op: "Sigmoid", inputs: ["z"], outputs: ["p"] })), "MODEL_ONNX_OPERATOR"],
      [encodeOnnx(withNodes({ op: "RandomNormalLike", inputs: ["x"], outputs: ["z"] }, { op: "Sigmoid", inputs: ["z"], outputs: ["p"] })), "MODEL_ONNX_OPERATOR"],
      [encodeOnnx(withNodes({ op: "Cast", inputs: ["x"], outputs: ["t"], attributes: [{ name: "to", int: 8 }] }, { op: "Sigmoid", inputs: ["x"], outputs: ["p"] })), "MODEL_ONNX_OPERATOR"],
      [sparse, "MODEL_ONNX_SHAPE"],
      [huge, "MODEL_ONNX_SHAPE"], [encodeOnnx(withNodes(...doubling, { op: "Sigmoid", inputs: ["c40"], outputs: ["p"] })), "MODEL_ONNX_SHAPE"],
      [encodeOnnx(outer), "MODEL_ONNX_SHAPE"],
      [encodeOnnx(withNodes({ op: "TreeEnsembleRegressor", domain: "ai.onnx.ml", inputs: ["x"], outputs: ["p"], attributes: [{ name: "n_targets", int: 2 ** 40 }] })), "MODEL_ONNX_SHAPE"],
      [encodeOnnx(withNodes({ op: "Sigmoid", inputs: ["later"], outputs: ["p"] }, { op: "MatMul", inputs: ["x", "w"], outputs: ["later"] })), "MODEL_ONNX_SHAPE"],
      [encodeOnnx({ ...net, graph: { ...net.graph, inputs: [{ name: "x", type: "float", dims: ["n", 3] }] } }), "MODEL_ONNX_INPUTS"],
      [new Uint8Array(50).fill(255), "MODEL_ONNX"],
    ];
    for (const [i, [file, code]] of cases.entries()) {
      await using host = hostOf(file);
      assert.equal(await codeOf(() => host.start()), code, `case ${i}`);
    }
    const file = encodeOnnx(net);
    assert.equal(await codeOf(() => new WholeHost({ params: paramsOf(file), self: tax, data: inService, model: encodeOnnx(outer) })), "MODEL_OWN");
    assert.equal(await codeOf(() => hostOf(file, { inputs: ["nothing", "amount"] })), "MODEL_ONNX_INPUTS");
    await using text = hostOf(file, { inputs: ["sector", "amount"] });
    assert.equal(await codeOf(() => text.start()), "MODEL_ONNX_INPUTS", "levels where the model takes numbers");
  });
  it("is kept sealed at the bank, and travels sealed once more", async () => {
    using folder = temporaryFolder();
    const store = { folder: folder.path, box: new SecretBox(new Uint8Array(32).fill(9), systemRng) };
    const path = join(folder.path, "model.onnx");
    const file = encodeOnnx(net);
    writeFileSync(path, file);
    const digest = await importOnnx(store, path);
    assert.deepEqual(readOwnOnnx(store, digest), new Uint8Array(file));
    assert.isFalse(readFileSync(join(folder.path, "own", `${digest}.onnx`)).includes("MatMul"));
    writeFileSync(path, "no model");
    assert.equal(await codeOf(() => importOnnx(store, path)), "MODEL_ONNX");

    const frames: { index: number; of: number; bytes: Uint8Array }[] = [];
    const party = {
      sharedRng: () => () => new Uint8Array(32).fill(1), send: async (_to: PartyId, _type: string, body: typeof frames[number]) => void frames.push(body), receive: async () => frames.shift(),
    } as unknown as Parameters<typeof sendModel>[0];
    const sealed = sealModel(party, tax, file);
    await sendModel(party, tax, "serve/whole-model", sealed);
    assert.isFalse(Buffer.from(frames[0]?.bytes ?? []).includes("MatMul"));
    assert.deepEqual(openModel(party, tax, await receiveModel(party, tax, "serve/whole-model")), new Uint8Array(file));
    sealed[3] = (sealed[3] ?? 0) ^ 1;
    assert.equal(await codeOf(() => openModel(party, tax, sealed)), "MODEL_OWN");
  });
  it("states that the provider learns the model, and how many bits each answer has", async () => {
    const file = encodeOnnx(net);
    const sizes = { kind: "serve", guest: bank, hosts: [tax], datasets: {}, params: { ...paramsOf(file), days: 1, requestsPerDay: 10 } } as unknown as JobPlan;
    const { leakage, attacks } = compileLeakage(sizes);
    assert.deepInclude(leakage.find((l) => l.type === "serve/whole-model"), { from: bank, numbers: file.length });
    assert.deepInclude(leakage.find((l) => l.type === "serve/ask-columns"), { maxMessages: 20, numbers: 60 });
    assert.deepInclude(leakage.find((l) => l.type === "serve/odds"), { from: tax, numbers: 40 });
    assert.isAbove(attacks.length, 1);
    assert.throws(() => compileLeakage({ ...sizes, hosts: [tax, power] }), "JOB_PARAMS");
    assert.isFalse(serveJobSchema.safeParse({ ...paramsOf(file), columns: ["other"] }).success);
  });
  it("has a scale of 8 bits from end to end", () => {
    assert.deepEqual([0, 1, 0.5, 1e-300].map(quantiseOdds), [-128, 127, 0, -128]);
    for (let units = -128; units < 128; units++) assert.equal(quantiseOdds(sigmoid(oddsOfUnits(units))), units);
  });
});

describe("protections by the policy", () => {
  const digest = "d".repeat(64);
  const features = [{ name: "turnover", party: "tax", centre: 0, scale: 1, missing: 0 }, { name: "arrears", party: "tax", centre: 0, scale: 1, missing: 0 }, { name: "usage", party: "power", centre: 0, scale: 1, missing: 0 }];
  const service = (params: object, hosts = [tax, power]): JobPlan => {
    const request = { kind: "serve", purpose: "loan-approval", hosts, params: { days: 1, ...params } } as const;
    const createdAt = new Date().toISOString();
    const plan = planOf(request);
    return { ...plan, createdAt, expiresAt: endOfService(createdAt, 1) };
  };
  const encrypted = service({ protection: "encrypted-model", digest, features });
  const whole = service({ protection: "whole-model", digest, bytes: 5000, inputs: ["turnover", "amount"], columns: ["amount"] }, [tax]);
  const batch = planOf({ kind: "score", purpose: "loan-approval", params: { batch: "c".repeat(64), rows: 100, shape: { kind: "encrypted-model", digest, features } } });
  const says = (plan: JobPlan, self: PartyId, rule: object): string => {
    const policy = policySchema.parse({ version: 1, allow: [{ guest: "bank", kinds: ["serve", "score"], purposes: ["loan-approval"], approve: "auto", singleHostTotals: true, sealTo: plan.sealTo.x, ...rule }] });
    const verdict = judge(plan, self, policy, datasets[self] ?? assert.fail());
    return verdict.kind === "refuse" ? verdict.code : verdict.kind;
  };
  for (const [name, plan, self, rule, verdict] of [
    ["refused where a provider's rule does not name them", encrypted, tax, {}, "POLICY_PROTECTION"],
    ["refused where it names the other one", encrypted, tax, { wholeModel: {} }, "POLICY_PROTECTION"],
    ["refused where the bank's own rule does not name them", encrypted, bank, {}, "POLICY_PROTECTION"],
    ["approved where it does", encrypted, tax, { encryptedModel: {} }, "approve"],
    ["refused with more weights of this provider than allowed", encrypted, tax, { encryptedModel: { maxWeights: 1 } }, "POLICY_PROTECTION"],
    ["approved at another provider with fewer", encrypted, power, { encryptedModel: { maxWeights: 1 } }, "approve"],
    ["refused for a batch in the same way", batch, tax, {}, "POLICY_PROTECTION"],
    ["approved for a batch in the same way", batch, tax, { encryptedModel: {} }, "approve"],
    ["refused for a file that is too large", whole, tax, { wholeModel: { maxBytes: 4999 } }, "POLICY_PROTECTION"],
    ["approved for a file that is not", whole, tax, { wholeModel: { maxBytes: 5000 } }, "approve"],
    ["refused where the bank's rule does not let its column go along", whole, bank, { wholeModel: {} }, "POLICY_PROTECTION"],
    ["approved where it does, column and all", whole, bank, { wholeModel: { columns: ["amount"] } }, "approve"],
    ["refused where a provider wants to be alone in no total", whole, tax, { wholeModel: {}, singleHostTotals: false }, "POLICY_SINGLE_HOST"],
  ] as const) it(`are ${name}`, () => assert.equal(says(plan, self, rule), verdict));
  it("bound the models of one company by their own number", () => {
    const rule = policySchema.parse({ version: 1, allow: [{ guest: "bank", kinds: ["serve"], purposes: ["loan-approval"], encryptedModel: { maxModelsPerCompany: 3 } }] }).allow[0] ?? assert.fail();
    assert.deepEqual([encrypted, batch, whole].map((plan) => modelsPerCompany(plan, rule)), [3, 3, 0]);
  });
  it("have no model of a job, and need none", () => {
    assert.isUndefined(encrypted.model);
    assert.throws(() => planOf({ kind: "serve", purpose: "loan-approval", model: "model_0123456789abcdef", params: { protection: "encrypted-model", digest, features } }), "JOB_MODEL_UNKNOWN");
    assert.throws(() => planOf({ kind: "serve", purpose: "loan-approval", params: {} }), "JOB_MODEL_UNKNOWN");
    assert.throws(() => planOf({ kind: "serve", purpose: "loan-approval", hosts: [tax], params: { protection: "encrypted-model", digest, features } }), "JOB_PARAMS");
  });
});
