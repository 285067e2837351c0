// The real loans and companies that lie beside the repository (`../shared/data`), never in it. CI has them and fails without
// them; a clone of its own says that these tests did not run.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Context } from "mocha";

export const realData = resolve(import.meta.dirname, "../../../shared/data");

/** For a `before` hook of tests that read the real data. */
export function needsRealData(context: Context): void {
  if (existsSync(realData)) return;
  if (process.env["CI"] !== undefined) throw new Error("the real data sets are not beside the repository");
  process.stdout.write("\n    not run: the real data sets are not beside the repository (../shared/data)\n");
  context.skip();
}
