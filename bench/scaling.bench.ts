// How the kernel grows with rows, columns, bins, hosts and threads: one exchange (g and h of one node) and the hint, each curve around
// the same base point, with the slope of its logarithms.
import { histogram } from "./baselines/plain-histogram.ts";
import { growthExponent, type Figure } from "./figures.ts";
import { KernelPair, randomFeatures, randomGradients, type BinShape } from "./kernel-pair.ts";
import { scaled, typical, type Spent } from "./measure.ts";

const base = { rows: 30_000, features: 23, bins: 32 } as const;

type Curve = { readonly by: keyof BinShape; readonly title: string; readonly quick: readonly number[]; readonly full: readonly number[] };
const curves: readonly Curve[] = [
  { by: "rows", title: "rows", quick: [10_000, 30_000, 100_000], full: [10_000, 30_000, 100_000, 300_000, 1_000_000] },
  { by: "features", title: "columns", quick: [10, 23, 60], full: [10, 23, 60, 150, 300] },
  { by: "bins", title: "bins", quick: [8, 32, 96], full: [8, 16, 32, 64, 128, 254] },
];
const hostCounts = { quick: [1, 2, 4], full: [1, 2, 4, 8, 16] } as const;
const threadCounts = [1, 2] as const;

type Point = { readonly hint: Spent; readonly ask: Spent; readonly answer: Spent; readonly open: Spent; readonly plain: Spent; readonly pair: KernelPair };
const pieces = ["hint", "ask", "answer", "open"] as const;
const pieceNames: Readonly<Record<(typeof pieces)[number], string>> = { hint: "hint of one host", ask: "query", answer: "answers of all hosts", open: "opening of all hosts' sums" };

export async function scalingBench(runs: number, full: boolean): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const curve of curves) {
    const sizes = curve[full ? "full" : "quick"];
    const points: [number, Point][] = [];
    for (const size of sizes) {
      const point = await measure({ ...base, [curve.by]: size }, runs);
      points.push([size, point]);
      figures.push(...pointFigures(`${size.toLocaleString("en-US")} ${curve.title}`, point));
    }
    for (const piece of pieces) {
      const slope = growthExponent(points.map(([size, point]) => [size, point[piece].cpuSeconds]));
      figures.push({ name: `${pieceNames[piece]}: power of the number of ${curve.title}`, value: slope, unit: "" });
    }
  }
  for (const hosts of hostCounts[full ? "full" : "quick"]) {
    figures.push(...pointFigures(`${hosts} ${hosts === 1 ? "host" : "hosts"}`, await measure(base, runs, { hosts })));
  }
  for (const threads of threadCounts) {
    figures.push(...pointFigures(`${threads} ${threads === 1 ? "thread" : "threads"}`, await measure(base, runs, { threads }), false));
  }
  return figures;
}

async function measure(shape: BinShape, runs: number, options: { readonly hosts?: number; readonly threads?: number } = {}): Promise<Point> {
  const features = randomFeatures(shape);
  const { g, h } = randomGradients(shape.rows);
  await using pair = await KernelPair.open(features, options);
  const often = { times: 9 * runs, warm: 5 };
  const ask = await typical(() => pair.ask([g, h]), often);
  const asked = await pair.ask([g, h]);
  const answer = await typical(() => pair.answer(asked), often);
  const answers = await pair.answer(asked);
  const open = await typical(async () => {
    for (const [host, of] of answers.entries()) await pair.sums(asked, of, host);
  }, often);
  const wrong = (await pair.sums(asked, answers[0] ?? new Uint8Array(0)))[0]?.[0] !== BigInt(histogram(features, shape.rows, g)[0]?.[0] ?? Number.NaN);
  if (wrong) throw new Error("a wrong sum");
  // As often as there are hosts: each would make its own.
  const plain = scaled(await typical(() => void histogram(features, shape.rows, g, h), often), answers.length);
  return { hint: pair.hint, ask, answer, open, plain, pair };
}

function pointFigures(at: string, point: Point, withBytes = true): Figure[] {
  const figures = pieces.map((piece): Figure => {
    const { cpuSeconds, wallSeconds } = point[piece];
    const plain = piece === "answer" ? { baseline: { name: "histograms in the clear", value: point.plain.cpuSeconds * 1000, source: "measured" as const } } : {};
    return { name: `${at}: ${pieceNames[piece]}, CPU`, value: cpuSeconds * 1000, unit: "ms", wallSeconds, ...plain };
  });
  const { hintBytes, queryBytes, answerBytes } = point.pair;
  if (!withBytes) return figures;
  return [...figures,
    { name: `${at}: bytes of a hint, once a job`, value: hintBytes / 1e6, unit: "MB" },
    { name: `${at}: bytes up and down for g and h`, value: (2 * (queryBytes + answerBytes)) / 1e6, unit: "MB" },
  ];
}
