// Whole scorecard jobs on real data and on the wide generated table, each beside the same scorecard on the pooled table in the clear.
import { fateWide } from "./baselines/published.ts";
import { realFiles, withGenerated, wideShape, type Files, type RealName } from "./cases.ts";
import { medians, type Figure } from "./figures.ts";
import { clearScorecard, loadPooled } from "./pooled.ts";
import { aucFigure, cpuOf, jobFigures, peaksOf, phasesOf, runJob, type Job } from "./sandbox.ts";

const wallBars: Readonly<Record<RealName, number>> = { sba_2003_2006: 40, polish_5year: 60, fate_default_credit: 60 };
const wideBars = { binningSeconds: 60, fitSeconds: 20, memoryMb: 2048 } as const;

/** Scorecards on one real set. */
export async function scorecardBench(name: RealName, runs: number): Promise<Figure[]> {
  const files = realFiles(name);
  const clear = await clearOf(files);
  return repeated(runs, async () => {
    const job = await runJob(files, { model: "scorecard" });
    return [wholeRun(name, job, clear, wallBars[name]), ...common(name, job, clear)];
  });
}

/** The scorecard on the shape of FATE's published times. */
export async function wideScorecardBench(runs: number): Promise<Figure[]> {
  return withGenerated(wideShape, async (files) => {
    const clear = await clearOf(files);
    return repeated(runs, async () => {
      const job = await runJob(files, { model: "scorecard" });
      const wall = (...names: string[]): number => phasesOf(job.report).filter((p) => names.includes(p.name)).reduce((sum, p) => sum + p.wallSeconds, 0);
      const of = "wide";
      return [
        {
          name: `${of}: binning of all ${job.report.features.length} features with its hint`, value: wall("binning"), unit: "s", bar: { atMost: wideBars.binningSeconds },
          baseline: { name: `FATE 2, ${fateWide.cores} cores, other machine`, value: fateWide.binningWallSeconds, source: "published" },
        },
        { name: `${of}: moments, fit and totals`, value: wall("moments", "fit", "totals"), unit: "s", bar: { atMost: wideBars.fitSeconds } },
        { name: `${of}: largest process`, value: Math.max(...Object.values(peaksOf(job))), unit: "MB", bar: { atMost: wideBars.memoryMb } },
        wholeRun(of, job, clear), ...common(of, job, clear),
      ];
    });
  });
}

/** Medians of `runs` repeats. */
export async function repeated(runs: number, once: () => Promise<Figure[]>): Promise<Figure[]> {
  const results: Figure[][] = [];
  for (let i = 0; i < runs; i++) results.push(await once());
  return medians(results);
}

type Clear = { readonly cpuSeconds: number; readonly testAuc: number };

async function clearOf(files: Files): Promise<Clear> {
  const table = await loadPooled(files);
  const { fitCpuSeconds, testAuc } = await clearScorecard(table);
  return { cpuSeconds: table.loadCpuSeconds + fitCpuSeconds, testAuc };
}

function wholeRun(of: string, job: Job, clear: Clear, wallBar?: number): Figure {
  const { wallSeconds } = job.watched;
  return {
    name: `${of}: whole run`, value: wallSeconds, unit: "s", cpuSeconds: cpuOf(job), ...(wallBar === undefined ? {} : { bar: { atMost: wallBar } }),
    baseline: { name: "load and fit of the pooled table in the clear, CPU", value: clear.cpuSeconds, source: "measured" },
  };
}

function common(of: string, job: Job, clear: Clear): Figure[] {
  return [aucFigure(of, job, { baseline: { name: "the same on the pooled table", value: clear.testAuc, source: "measured" } }), ...jobFigures(of, job)];
}
