// A bank's own ONNX model beside the joint one: good files score, the others are refused before the runtime reads them.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { assert } from "chai";
import { describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { openChallenger, type ChallengerOptions } from "../../enclave/onnx.ts";
import type { Feature } from "../../models/features.ts";
import { boostedOnnx } from "../../models/files/onnx.ts";
import { encodeOnnx, type OnnxFile, type OnnxNode, type OnnxValue } from "../../models/files/onnx-proto.ts";
import { sigmoid } from "../../models/linear/logistic.ts";
import { scoreRows } from "../../models/trees/predict.ts";
import { temporaryFolder } from "../support/enclave.ts";
import { binOwned, definitionsOf, drawnTrees, oddFeatures } from "../support/model-files.ts";
import { codeOf } from "../support/world.ts";

const features: Feature[] = ["a", "b"].map((name, k) => (
  { kind: "numeric", name, values: Float64Array.from({ length: 9000 }, (_, i) => ((i * (k + 3)) % 17) / 4 - 2), special: [] }));
const value = (name: string, type: OnnxValue["type"], ...dims: (number | string)[]): OnnxValue => ({ name, type, dims });
const sigmoidOf = (input: string): OnnxNode => ({ op: "Sigmoid", inputs: [input], outputs: ["p"] });

/** p = sigmoid(a - b) from a matrix of both. */
const matrix: OnnxFile = {
  irVersion: 8, opsets: { "": 13 },
  graph: {
    name: "own", constants: [{ name: "w", dims: [2, 1], floats: [1, -1] }],
    inputs: [value("x", "float", "n", 2)], outputs: [value("p", "float", "n", 1)],
    nodes: [{ op: "MatMul", inputs: ["x", "w"], outputs: ["z"] }, sigmoidOf("z")],
  },
};
/** The same from two columns. */
const columns: OnnxFile = {
  ...matrix,
  graph: {
    name: "own", constants: [], inputs: [value("b", "double", "n"), value("a", "double", "n")], outputs: [value("p", "double", "n")],
    nodes: [{ op: "Sub", inputs: ["a", "b"], outputs: ["z"] }, sigmoidOf("z")],
  },
};
const withGraph = (change: Partial<OnnxFile["graph"]>): OnnxFile => ({ ...matrix, graph: { ...matrix.graph, ...change } });

/** A protobuf field appended to a message: parsers merge it in. */
function field(no: number, body: (w: BinaryWriter) => void): Uint8Array<ArrayBuffer> {
  const w = new BinaryWriter();
  w.tag(no, WireType.LengthDelimited).fork();
  body(w);
  return w.join().finish();
}
const joined = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
/** A ModelProto around a graph whose parts are given as bytes. */
const modelOf = (...graph: Uint8Array[]): Uint8Array => joined(
  field(8, (w) => w.tag(1, WireType.LengthDelimited).string("").tag(2, WireType.Varint).int64(13)),
  field(7, (w) => w.raw(joined(...graph))),
);
const nodeBytes = (op: string, domain: string, extra: (w: BinaryWriter) => void = () => {}): Uint8Array => field(1, (w) => {
  for (const [no, text] of [[1, "x"], [2, "p"], [4, op], [7, domain]] as const) w.tag(no, WireType.LengthDelimited).string(text);
  extra(w);
});

async function withFile<T>(bytes: Uint8Array, work: (path: string) => Promise<T>): Promise<T> {
  using folder = temporaryFolder();
  const path = join(folder.path, "model.onnx");
  writeFileSync(path, bytes);
  return await work(path);
}

async function scoreWith(bytes: Uint8Array, given: readonly Feature[] = features, options: Partial<ChallengerOptions> = {}): Promise<Float64Array> {
  return withFile(bytes, async (path) => {
    await using model = await openChallenger(path, { maxBytes: 1 << 20, featureNames: ["a", "b"], ...options });
    return await model.score(given);
  });
}

describe("a bank's own ONNX model", () => {
  it("scores all companies, whether it takes its features side by side or one by one", async () => {
    const [a, b] = features as [Feature & { kind: "numeric" }, Feature & { kind: "numeric" }];
    for (const file of [matrix, columns]) {
      const scores = await scoreWith(encodeOnnx(file), [b, a]);
      assert.lengthOf(scores, 9000);
      for (let row = 0; row < 9000; row++) assert.closeTo(scores[row] ?? -1, sigmoid((a.values[row] ?? 0) - (b.values[row] ?? 0)), 1e-6);
    }
  });

  it("may be a classifier over numbers and levels, with labels beside probabilities", async () => {
    const own = oddFeatures(1000, 3);
    const owned = binOwned([{ name: "bank", features: own }], 800, 12);
    const model = drawnTrees(owned, 800, { seed: 1, trees: 10, depth: 3 });
    const bytes = boostedOnnx(model, definitionsOf(owned), { model: "m", version: "0" });
    const renamed = own.map((f) => ({ ...f, name: `bank/${f.name}` }));
    const scores = await scoreWith(bytes, renamed, { featureNames: renamed.map((f) => f.name) });
    const ours = scoreRows(model, owned.map((o) => o.fine.binOf), 1000);
    scores.forEach((p, row) => assert.closeTo(p, sigmoid((ours[row] ?? 0) / 2 ** 20), 1e-6));
  });

  it("is refused when it is too large, no file, or no model", async () => {
    const bytes = encodeOnnx(matrix);
    assert.equal(await codeOf(scoreWith(bytes, features, { maxBytes: bytes.length - 1 })), "MODEL_ONNX_SIZE");
    assert.isAbove((await scoreWith(bytes, features, { maxBytes: bytes.length })).length, 0);
    using folder = temporaryFolder();
    mkdirSync(join(folder.path, "dir"));
    for (const path of [join(folder.path, "none"), join(folder.path, "dir")]) {
      assert.equal(await codeOf(openChallenger(path, { maxBytes: 100, featureNames: [] })), "MODEL_ONNX");
    }
    for (const bad of [new Uint8Array(), new TextEncoder().encode("no model"), new Uint8Array(300).fill(255), joined(bytes, bytes)]) {
      assert.equal(await codeOf(scoreWith(bad)), "MODEL_ONNX");
    }
  });

  it("is refused when it is cut short, wherever the cut is", async () => {
    const bytes = encodeOnnx(matrix);
    const codes = new Set<string>();
    for (let length = 0; length < bytes.length; length++) codes.add(await codeOf(scoreWith(bytes.subarray(0, length))));
    assert.isTrue([...codes].every((c) => c.startsWith("MODEL_ONNX")), [...codes].join());
  });

  it("is refused before the runtime sees operators of its own, of a vendor, or with graphs inside", async () => {
    const parts = [field(11, (w) => w.raw(encodeValue("x"))), field(12, (w) => w.raw(encodeValue("p")))];
    const attributeGraph = (w: BinaryWriter): void => {
      w.raw(field(5, (v) => v.tag(1, WireType.LengthDelimited).string("body").raw(field(6, (g) => g.tag(2, WireType.LengthDelimited).string("g")))));
    };
    const bad = [
      modelOf(nodeBytes("Sigmoid", "com.example"), ...parts),
      modelOf(nodeBytes("FusedMatMul", "com.microsoft"), ...parts),
      modelOf(nodeBytes("Loop", "", attributeGraph), ...parts),
      joined(modelOf(nodeBytes("Sigmoid", ""), ...parts), field(25, (w) => w.tag(1, WireType.LengthDelimited).string("Sigmoid"))),
      joined(modelOf(nodeBytes("Sigmoid", ""), ...parts), field(8, (w) => w.tag(1, WireType.LengthDelimited).string("com.example"))),
      encodeOnnx(withGraph({ nodes: [{ op: "RandomUniformLike", inputs: ["x"], outputs: ["z"] }, sigmoidOf("z")] })),
    ];
    for (const [i, bytes] of bad.entries()) assert.equal(await codeOf(scoreWith(bytes)), "MODEL_ONNX_OPERATOR", `case ${i}`);
  });

  it("is refused when its weights lie in another file, in whatever place they are named", async () => {
    const tensor = (no: number): Uint8Array => field(no, (w) => {
      w.tag(8, WireType.LengthDelimited).string("w").tag(14, WireType.Varint).int32(1);
      w.raw(field(13, (e) => e.tag(1, WireType.LengthDelimited).string("location").tag(2, WireType.LengthDelimited).string("/etc/hostname")));
    });
    const inAttribute = nodeBytes("Constant", "", (w) => w.raw(field(5, (a) => a.tag(1, WireType.LengthDelimited).string("value").raw(tensor(5)))));
    for (const part of [tensor(5), inAttribute, field(15, (w) => w.raw(tensor(1)))]) {
      assert.equal(await codeOf(scoreWith(modelOf(nodeBytes("Sigmoid", ""), part))), "MODEL_ONNX_EXTERNAL");
    }
  });

  it("is refused when its inputs are not the features", async () => {
    const bad: OnnxValue[][] = [
      [], [value("x", "float", "n", 3)], [value("x", "float", "n")], [value("x", "float", 1, 2)],
      [value("x", "int64", "n", 2)], [value("x", "string", "n", 2)],
      [value("a", "float", "n"), value("c", "float", "n")],
      [value("a", "float", "n", 1), value("a", "float", "n", 1)],
      [value("a", "float", "n", 2), value("b", "float", "n", 1)],
    ];
    for (const inputs of bad) assert.equal(await codeOf(scoreWith(encodeOnnx(withGraph({ inputs })))), "MODEL_ONNX_INPUTS", JSON.stringify(inputs));
  });

  it("is refused when it has no output for probabilities, or when what comes out is none", async () => {
    const out = (...outputs: OnnxValue[]): Uint8Array => encodeOnnx(withGraph({ outputs }));
    assert.equal(await codeOf(scoreWith(out(value("p", "int64", "n")))), "MODEL_ONNX_OUTPUT");
    assert.equal(await codeOf(scoreWith(out(value("p", "float", "n", 3)))), "MODEL_ONNX_OUTPUT");
    assert.equal(await codeOf(scoreWith(out(value("p", "float", "n", 1), value("z", "float", "n", 1)))), "MODEL_ONNX_OUTPUT", "which of both");
    const raw = withGraph({ outputs: [value("z", "float", "n", 1)] });
    assert.equal(await codeOf(scoreWith(encodeOnnx(raw))), "MODEL_ONNX_OUTPUT", "log odds are below 0 for somebody");
    const gaps = features.map((f) => ({ ...f, values: new Float64Array(10).fill(Number.NaN) }) as Feature);
    assert.equal(await codeOf(scoreWith(encodeOnnx(matrix), gaps)), "MODEL_ONNX_OUTPUT", "it cannot do with missing values");
  });

  it("says which column of the data is missing or of another kind", async () => {
    const [a] = features as [Feature];
    const facts = async (given: readonly Feature[]): Promise<unknown> => (
      scoreWith(encodeOnnx(matrix), given).catch((e: unknown) => e instanceof AppError && [e.code, e.facts]));
    assert.deepEqual(await facts([a]), ["MODEL_ONNX_INPUTS", { column: 1, found: false }]);
    const level: Feature = { kind: "categorical", name: "b", levels: ["x"], codes: new Int32Array(9000) };
    assert.deepEqual(await facts([a, level]), ["MODEL_ONNX_INPUTS", { column: 1, found: true }]);
  });
});

/** ValueInfoProto of a float [n, 2], without a helper of the program. */
function encodeValue(name: string): Uint8Array {
  const w = new BinaryWriter();
  w.tag(1, WireType.LengthDelimited).string(name);
  const shape = joined(field(1, (d) => d.tag(2, WireType.LengthDelimited).string("n")), field(1, (d) => d.tag(1, WireType.Varint).int64(2)));
  w.raw(field(2, (t) => t.raw(field(1, (e) => e.tag(1, WireType.Varint).int64(1).raw(field(2, (s) => s.raw(shape)))))));
  return w.finish();
}
