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
