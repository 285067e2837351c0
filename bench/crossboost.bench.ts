// The nonlinear model without per-row output, at shipped settings on the real sets: AUC beside tuned XGBoost on the pooled table, time,
// and what it leaks.
import { pooledXgboostAuc } from "./baselines/published.ts";
import { realFiles, realNames, type RealName } from "./cases.ts";
import type { Figure } from "./figures.ts";
import { repeated } from "./job.bench.ts";
import { aucFigure, cpuOf, jobFigures, leakageOf, runJob } from "./sandbox.ts";

const aucBars: Readonly<Record<RealName, number>> = { sba_2003_2006: 0.69, polish_5year: 0.948, fate_default_credit: 0.764 };
const wallBar = 60;

export async function crossboostBench(runs: number, note: (text: string) => void): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const name of realNames) {
    const files = realFiles(name);
    figures.push(...(await repeated(runs, async () => {
      const job = await runJob(files, { model: "crossboost" });
      const { figures: leakage, notes } = leakageOf(name, job);
      for (const text of notes) note(text);
      const xgboost = pooledXgboostAuc[name];
      const baseline = xgboost === undefined ? undefined : { name: "XGBoost on the pooled table, tuned", value: xgboost, source: "published" as const };
      return [
        aucFigure(name, job, { baseline, atLeast: aucBars[name] }),
        { name: `${name}: whole run`, value: job.watched.wallSeconds, unit: "s", cpuSeconds: cpuOf(job), bar: { atMost: wallBar } },
        ...leakage, ...jobFigures(name, job),
      ];
    })));
  }
  return figures;
}
