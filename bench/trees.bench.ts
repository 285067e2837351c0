// Boosted trees, the leaky tier: whole jobs on real data with shipped floors and with floors lifted, and the cost of one more tree (the
// difference of two runs with few and with more trees, so that set-up, alignment and hint cancel out).
import { treeParamsSchema, type TreeParamsInput } from "../models/trees/params.ts";
import { fateTreeCpuSeconds, fateWide } from "./baselines/published.ts";
import { realFiles, realNames, withGenerated, withMostRows, type Files, type RealName } from "./cases.ts";
import { medians, perUnit, type Figure } from "./figures.ts";
import { clearTrees, loadPooled, type ClearFit, type PooledTable } from "./pooled.ts";
import { repeated } from "./job.bench.ts";
import { aucFigure, cpuOf, jobFigures, leakageOf, peaksOf, phasesOf, RefusedByFloors, runJob, type Job } from "./sandbox.ts";

/** Of the jobs whose AUC is told. */
const shipped = { trees: 100, depth: 3, bins: 32 } as const satisfies TreeParamsInput;
const aucBars: Readonly<Record<RealName, number | undefined>> = { sba_2003_2006: 0.698, polish_5year: 0.945, fate_default_credit: undefined };
const withinXgboost = 0.006;
/** Fewest rows of a fine bin in the clear. */
const rowsOfBin = 1;
/** FATE trained on all 30,000 companies: of these, 29,900 here. */
const everyTest = 300;
const onTwoCores = "FATE 2 on two such cores";

async function grown(files: Files, params: TreeParamsInput, liftFloors: boolean): Promise<Job> {
  const run = await runJob(files, { model: "gbdt", params, acceptLeakage: true, liftFloors });
  const { model } = run.report;
  if (model.kind !== "gbdt" || model.trees !== params.trees) throw new Error(`the job grew another number of trees than ${params.trees}`);
  return run;
}

/** A refusal where the floors hold; anything else goes on up. */
function refusedBy(error: unknown, floorsHold: boolean): RefusedByFloors {
  if (floorsHold && error instanceof RefusedByFloors) return error;
  throw error;
}

/** The same trees in the clear, on the pooled table. */
async function clear(table: PooledTable, input: TreeParamsInput): Promise<ClearFit> {
  const { trees, depth, learningRate, lambda, gamma, minChildWeight, bins } = treeParamsSchema.parse(input);
  return clearTrees(table, { trees, depth, learningRate, lambda, gamma, minChildWeight }, { maxBins: bins, minRows: rowsOfBin });
}

/** Whole jobs on the real sets: AUC, time, leakage, with floors and without. */
export async function gbdtBench(runs: number, note: (text: string) => void): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const name of realNames) {
    const files = realFiles(name);
    const table = await loadPooled(files);
    const pooled = await clear(table, shipped);
    for (const lifted of [false, true]) {
      const of = `${name}, ${lifted ? "floors lifted" : "shipped floors"}`;
      figures.push(...(await repeated(runs, async () => {
        const run = await grown(files, shipped, lifted).catch((error: unknown) => refusedBy(error, !lifted));
        if (run instanceof RefusedByFloors) {
          note(`${of}: refused, ${run.code}: too few companies for trees under the floors`);
          return [];
        }
        const { figures: leakage, notes } = leakageOf(of, run);
        for (const text of notes) note(text);
        return [...aucFigures(of, run, pooled, lifted ? aucBars[name] : undefined, lifted), wholeRun(of, run, table, pooled), ...leakage, ...jobFigures(of, run)];
      })));
    }
  }
  return figures;
}

function aucFigures(of: string, run: Job, pooled: ClearFit, atLeast: number | undefined, lifted: boolean): Figure[] {
  const baseline = { name: "XGBoost-style on the pooled table, same trees, depth and bins", value: pooled.testAuc, source: "measured" } as const;
  const less = run.report.metrics.test.auc - pooled.testAuc;
  return [
    aucFigure(of, run, atLeast === undefined ? { baseline } : { baseline, atLeast }),
    ...(lifted ? [{ name: `${of}: test AUC over that of the pooled table`, value: less, unit: "AUC", bar: { atLeast: -withinXgboost } }] : []),
  ];
}

function wholeRun(of: string, run: Job, table: PooledTable, pooled: ClearFit): Figure {
  return {
    name: `${of}: whole run`, value: run.watched.wallSeconds, unit: "s", cpuSeconds: cpuOf(run),
    baseline: { name: "load and fit of the pooled table in the clear, CPU", value: table.loadCpuSeconds + pooled.fitCpuSeconds, source: "measured" },
  };
}

type PerTree = {
  readonly of: string; readonly params: TreeParamsInput; readonly few: number; readonly more: number;
  readonly cpuBar?: number; readonly wallBar?: number; readonly memoryBar?: number;
};

/** One more tree on fate_default_credit, floors lifted so that every node grows. */
export async function treeBench(runs: number): Promise<Figure[]> {
  return withMostRows(realFiles("fate_default_credit"), everyTest, (files) => treesOf(files, runs));
}

async function treesOf(files: Files, runs: number): Promise<Figure[]> {
  const table = await loadPooled(files);
  const cases: readonly PerTree[] = [
    { of: "30,000 x 23, depth 3", params: { depth: 3, bins: 32 }, few: 4, more: 44, cpuBar: 0.15 },
    { of: "30,000 x 23, depth 5", params: { depth: 5, bins: 32 }, few: 4, more: 24, cpuBar: 0.4 },
  ];
  const figures: Figure[] = [];
  for (const one of cases) {
    const figure = await perTree(files, one, runs);
    const [cost, ...rest] = figure;
    if (cost === undefined) continue;
    const few = await clear(table, { ...one.params, trees: 5 });
    const more = await clear(table, { ...one.params, trees: 25 });
    const plain = perUnit({ units: 5, cost: few.fitCpuSeconds }, { units: 25, cost: more.fitCpuSeconds });
    figures.push({ ...cost, baseline: { name: "XGBoost-style in the clear", value: plain, source: "measured" } });
    if (one.params.depth === 3) {
      for (const [key, value] of Object.entries(fateTreeCpuSeconds)) {
        const { bar: _, ...beside } = cost;
        figures.push({ ...beside, baseline: { name: `${onTwoCores}, Paillier-${key.slice(-4)}`, value, source: "published" } });
      }
    }
    figures.push(...rest);
  }
  return figures;
}

/** One more tree on the shape of FATE's published time. */
export async function wideTreeBench(runs: number): Promise<Figure[]> {
  const shape = { rows: 110_000, testRows: 10_000, guestColumns: 30, hostColumns: 300 };
  return withGenerated(shape, async (files) => {
    const one: PerTree = { of: "100,000 x (30 + 300), depth 3", params: { depth: 3, bins: 32 }, few: 1, more: 9, wallBar: 1.5 };
    const figures = await perTree(files, one, runs);
    const published = { name: `FATE 2, ${fateWide.cores} cores, other machine`, value: fateWide.treeWallSeconds, source: "published" } as const;
    return figures.map((f) => (f.name.endsWith("one more tree, wall") ? { ...f, baseline: published } : f));
  });
}

/** One more tree on a million companies. */
export async function longTreeBench(runs: number): Promise<Figure[]> {
  const shape = { rows: 1_040_000, testRows: 40_000, guestColumns: 10, hostColumns: 40 };
  return withGenerated(shape, (files) =>
    perTree(files, { of: "1,000,000 x (10 + 40), depth 5", params: { depth: 5, bins: 32 }, few: 1, more: 4, wallBar: 10, memoryBar: 2500 }, runs));
}

/** CPU first. Each pair of runs gives one difference; the figures are the medians of the differences. */
async function perTree(files: Files, one: PerTree, runs: number): Promise<Figure[]> {
  const pairs: Figure[][] = [];
  for (let i = 0; i < runs; i++) {
    const few = await grown(files, { ...one.params, trees: one.few }, true);
    const more = await grown(files, { ...one.params, trees: one.more }, true);
    pairs.push(differences(one, few, more));
  }
  return medians(pairs);
}

function differences({ of, few, more, ...bars }: PerTree, less: Job, run: Job): Figure[] {
  const each = (cost: (job: Job) => number): number => perUnit({ units: few, cost: cost(less) }, { units: more, cost: cost(run) });
  const traffic = (what: "bytes" | "messages") => (job: Job) => job.report.traffic.reduce((sum, line) => sum + line[what], 0);
  const rounds = (job: Job): number => phasesOf(job.report).reduce((sum, p) => sum + p.rounds, 0);
  return [
    {
      name: `${of}: one more tree, CPU of all processes`, value: each(cpuOf), unit: "s", wallSeconds: Math.max(0, each((j) => j.watched.wallSeconds)),
      ...(bars.cpuBar === undefined ? {} : { bar: { atMost: bars.cpuBar } }),
    },
    {
      name: `${of}: one more tree, wall`, value: each((j) => j.watched.wallSeconds), unit: "s",
      ...(bars.wallBar === undefined ? {} : { bar: { atMost: bars.wallBar } }),
    },
    ...Object.keys(run.watched.cpuSeconds).filter((name) => name !== "command").sort().map((name): Figure => (
      { name: `${of}: one more tree, CPU of ${name}`, value: each((j) => j.watched.cpuSeconds[name] ?? 0), unit: "s" })),
    { name: `${of}: one more tree, traffic`, value: each(traffic("bytes")) / 1e6, unit: "MB" },
    { name: `${of}: one more tree, messages`, value: each(traffic("messages")), unit: "" },
    { name: `${of}: one more tree, rounds of the guest`, value: each(rounds), unit: "" },
    { name: `${of}: whole job of ${more} trees`, value: run.watched.wallSeconds, unit: "s", cpuSeconds: cpuOf(run) },
    {
      name: `${of}: largest process`, value: Math.max(...Object.values(peaksOf(run))), unit: "MB",
      ...(bars.memoryBar === undefined ? {} : { bar: { atMost: bars.memoryBar } }),
    },
    ...Object.entries(peaksOf(run)).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]): Figure => ({ name: `${of}: memory of ${name}`, value, unit: "MB" })),
  ];
}
