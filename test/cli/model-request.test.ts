// What the command line makes of a wish for a model: kinds, their switches and parameters, refusals in words.
import { assert } from "chai";
import { InvalidArgumentError } from "commander";
import { describe, it } from "mocha";
import { networkLimits } from "../../cli/arguments.ts";
import { modelRequest } from "../../cli/model-request.ts";
import { AppError } from "../../core/errors.ts";
import { crossboostJobSchema } from "../../federation/crossboost/params.ts";
import { gbdtJobSchema } from "../../federation/gbdt/params.ts";
import { treeFloors } from "../../models/trees/params.ts";

const split = { kind: "file" } as const;
const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return "accepted";
};

describe("a request for a model", () => {
  it("of the leaky kind is made only when the leakage was accepted", () => {
    assert.equal(codeOf(() => modelRequest({ model: "gbdt", split })), "CLI_ARGUMENT");
    const { kind, params } = modelRequest({ model: "gbdt", split, acceptLeakage: true });
    assert.equal(kind, "gbdt");
    const { trees, liftFloors } = gbdtJobSchema.parse(params);
    assert.isFalse(liftFloors);
    assert.isTrue(trees.noise);
    assert.isAtMost(trees.maxCutsPerHostFeature, treeFloors.maxCutsPerHostFeature);
    assert.isAtLeast(trees.minNodeRows, treeFloors.minNodeRows);
  });

  it("lifts the floors only where it is asked, and leaves what the user wrote", () => {
    const { params } = modelRequest({ model: "gbdt", split, acceptLeakage: true, liftFloors: true, params: '{"trees":7,"minChildRows":33}' });
    const { trees, liftFloors } = gbdtJobSchema.parse(params);
    assert.isTrue(liftFloors);
    assert.deepEqual([trees.trees, trees.minChildRows, trees.minNodeRows, trees.noise, trees.maxCutsPerHostFeature], [7, 33, 1, false, 0]);
    for (const model of ["scorecard", "crossboost"] as const) assert.equal(codeOf(() => modelRequest({ model, split, liftFloors: true })), "CLI_ARGUMENT");
  });

  it("asks for feedback to providers only where the user says so", () => {
    for (const model of ["scorecard", "crossboost", "gbdt"] as const) {
      const given = { model, split, acceptLeakage: true };
      assert.equal(modelRequest({ ...given, feedback: true }).params["feedback"], "bands", model);
      assert.isUndefined(modelRequest(given).params["feedback"], model);
    }
  });

  it("carries the parameters of its own kind and refuses others", () => {
    const { params } = modelRequest({ model: "crossboost", split, params: '{"steps":12}' });
    assert.equal(crossboostJobSchema.parse(params).crossboost.steps, 12);
    assert.equal(codeOf(() => modelRequest({ model: "crossboost", split, params: '{"trees":12}' })), "JOB_PARAMS");
    assert.equal(codeOf(() => modelRequest({ model: "scorecard", split, params: '{"steps":12}' })), "JOB_PARAMS");
    assert.equal(codeOf(() => modelRequest({ model: "gbdt", split, acceptLeakage: true, params: '{"depth":99}' })), "JOB_PARAMS");
  });
});

describe("limits of a network on the command line", () => {
  it("are a latency and a rate", () => {
    assert.deepEqual(networkLimits("20ms/100mbit"), { latencyMs: 20, mbitPerSecond: 100 });
    assert.deepEqual(networkLimits("0ms/0.5mbit"), { latencyMs: 0, mbitPerSecond: 0.5 });
  });
  for (const text of ["", "20/100", "20ms", "20ms/0mbit", "-1ms/10mbit", "20ms/100mbit ", "99999ms/10mbit", "20ms/1e9mbit"]) {
    it(`are not ${JSON.stringify(text)}`, () => assert.throws(() => networkLimits(text), InvalidArgumentError));
  }
});
