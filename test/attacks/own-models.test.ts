// What a bank gets from a provider by models that are made to read data: as much as federation/attacks.ts says, and no more.
import { assert } from "chai";
import { describe, it } from "mocha";
import { systemRng } from "../../core/rng.ts";
import { openScorer } from "../../enclave/onnx.ts";
import { oddsOfUnits, quantiseOdds } from "../../federation/serve/odds.ts";
import { wrapWide } from "../../federation/serve/masks.ts";
import { WeightApplier } from "../../kernels/linear/applier.ts";
import { ModelOwner } from "../../kernels/linear/owner.ts";
import { LinearEngine } from "../../kernels/linear/seal.ts";
import { encodeOnnx } from "../../models/files/onnx-proto.ts";
import { seededDraw } from "../support/draw.ts";

describe("a model that is made to read data", () => {
  it("of weights under the bank's key reads two codes exactly, and three only as long as they fit 28 bits", async () => {
    using engine = await LinearEngine.load();
    using owner = ModelOwner.create(engine);
    using applier = new WeightApplier(engine, owner.sealForOne(Int32Array.of(1, 1024)), systemRng);
    const draw = seededDraw(3);
    for (let i = 0; i < 20; i++) {
      const codes = Int16Array.of(draw.int(513) - 256, draw.int(513) - 256);
      const [sum = 0] = owner.open(applier.applyToOne(codes), 1);
      const first = ((sum + 512) & 1023) - 512;
      assert.deepEqual([first, (sum - first) / 1024], [...codes]);
    }
    // Weights beyond 12 bits are refused where an honest bank seals them; a fourth code would not fit in any case.
    assert.throws(() => owner.sealForOne(Int32Array.of(1, 1024, 2 ** 20)), "KERNEL_RANGE");
    assert.equal(wrapWide(2 ** 28 + 5), 5, "what is beyond 28 bits is gone");
  });

  it("as a file reads 8 bits of a column at a time, and nothing finer", async () => {
    const reader = (from: number, to: number) => encodeOnnx({
      irVersion: 8, opsets: { "": 13 },
      graph: {
        // Log odds that spread [from, to) over the whole scale.
        name: "reader", constants: [{ name: "w", dims: [1, 1], floats: [16 / (to - from)] }, { name: "b", dims: [1], floats: [-8 - (16 * from) / (to - from)] }],
        inputs: [{ name: "x", type: "float", dims: ["n", 1] }], outputs: [{ name: "p", type: "float", dims: ["n", 1] }],
        nodes: [{ op: "MatMul", inputs: ["x", "w"], outputs: ["y"] }, { op: "Add", inputs: ["y", "b"], outputs: ["z"] }, { op: "Sigmoid", inputs: ["z"], outputs: ["p"] }],
      },
    });
    const read = async (value: number, from: number, to: number): Promise<number> => {
      await using model = await openScorer(reader(from, to), { featureNames: ["x"], isForeign: true });
      const [p = Number.NaN] = await model.score([{ kind: "numeric", name: "x", values: Float64Array.of(value), special: [] }]);
      return from + ((oddsOfUnits(quantiseOdds(p)) + 8) * (to - from)) / 16;
    };
    const secret = 71_234.5;
    const once = await read(secret, 0, 100_000);
    assert.approximately(once, secret, 100_000 / 256);
    assert.isAbove(Math.abs(once - secret), 5, "one answer is not the value");
    // The next 8 bits need another model, which budgets count.
    const twice = await read(secret, once - 200, once + 200);
    assert.approximately(twice, secret, 400 / 256 + 1);
  });
});
