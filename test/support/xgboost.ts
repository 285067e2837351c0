// XGBoost itself, the stock library in a Python of the system, for files that it shall read. A machine without it says that these tests
// did not run; YUNEI_REQUIRE_XGBOOST=1 (CI) makes it mandatory.
import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Context } from "mocha";
import { temporaryFolder } from "./enclave.ts";

const run = promisify(execFile);
const python = "/usr/bin/python3";

const program = `
import json, sys
import numpy as np, xgboost as xgb
folder, rows = sys.argv[1], int(sys.argv[2])
booster = xgb.Booster()
booster.load_model(folder + "/model.json")
names = json.load(open(folder + "/names.json"))
x = np.fromfile(folder + "/rows.f32", dtype=np.float32).reshape(rows, len(names))
data = xgb.DMatrix(x, feature_names=names, missing=np.nan)
json.dump({
  "version": xgb.__version__,
  "margins": booster.predict(data, output_margin=True).astype(float).tolist(),
  "probabilities": booster.predict(data).astype(float).tolist(),
  "contributions": booster.predict(data, pred_contribs=True).astype(float).tolist(),
  "gain": booster.get_score(importance_type="total_gain"),
  "levels": json.loads(booster.attr("levels")),
}, sys.stdout)
`;

export type XgboostSays = {
  readonly version: string;
  readonly margins: readonly number[];
  readonly probabilities: readonly number[];
  /** One per feature, then the expectation. */
  readonly contributions: readonly (readonly number[])[];
  readonly gain: Readonly<Record<string, number>>;
  readonly levels: unknown;
};

/** For a `before` hook. */
export async function needsXgboost(context: Context): Promise<void> {
  const look = ["-c", "import importlib.util as u; assert u.find_spec('xgboost')"];
  const found = existsSync(python) && (await run(python, look).then(() => true, () => false));
  if (found) return;
  if (process.env["YUNEI_REQUIRE_XGBOOST"] === "1") throw new Error("python3-xgboost is not installed");
  process.stdout.write("\n    not run: XGBoost is not installed (Debian package python3-xgboost)\n");
  context.skip();
}

/** Loads a model file and predicts rows x names numbers. */
export async function askXgboost(text: string, names: readonly string[], numbers: Float32Array): Promise<XgboostSays> {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, "model.json"), text);
  writeFileSync(join(folder.path, "names.json"), JSON.stringify(names));
  writeFileSync(join(folder.path, "rows.f32"), numbers);
  const rows = numbers.length / names.length;
  const { stdout } = await run(python, ["-c", program, folder.path, String(rows)], { maxBuffer: 2 ** 29 });
  return JSON.parse(stdout) as XgboostSays;
}

export const xgboostLists = [
  "left_children", "right_children", "parents", "split_indices", "split_conditions", "default_left", "sum_hessian", "base_weights",
  "loss_changes", "split_type",
] as const;
type JsonTree = Readonly<Record<(typeof xgboostLists)[number], readonly number[]>> & {
  readonly id: number; readonly tree_param: Readonly<Record<string, string>>;
};
export type XgboostJson = {
  readonly version: readonly number[];
  readonly learner: {
    readonly feature_names: readonly string[];
    readonly learner_model_param: Readonly<Record<string, string>>;
    readonly objective: { readonly name: string };
    readonly gradient_booster: { readonly name: string; readonly model: {
      readonly trees: readonly JsonTree[]; readonly tree_info: readonly number[]; readonly gbtree_model_param: Readonly<Record<string, string>>;
    } };
  };
};

/** Margin of one row, without the library: doc/model.schema of the library; float32 sums from the logit of base_score on. */
export function margin({ learner }: XgboostJson, row: ArrayLike<number>): number {
  const base = Number(learner.learner_model_param["base_score"]);
  let sum = Math.fround(-Math.log(1 / base - 1));
  for (const tree of learner.gradient_booster.model.trees) {
    let at = 0;
    while (tree.left_children[at] !== -1) {
      const x = Math.fround(row[tree.split_indices[at] ?? 0] ?? Number.NaN);
      const left = Number.isNaN(x) ? tree.default_left[at] === 1 : x < Math.fround(tree.split_conditions[at] ?? 0);
      at = (left ? tree.left_children : tree.right_children)[at] ?? 0;
    }
    sum = Math.fround(sum + Math.fround(tree.split_conditions[at] ?? 0));
  }
  return sum;
}
