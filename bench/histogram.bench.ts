// Encrypted histograms, and the trees made of them, beside rivals in the same run: Paillier by FATE's protocol (native and npm), BFV of
// node-seal, and histograms and trees in the clear. One party has labels, another one all features; both in this process.
import { cellsPerCiphertext, extrapolatedTree, extrapolationNote, nodesOf, treeCounts, type TreeCost, type UnitCosts } from "./baselines/paillier-cost.ts";
import { bigintCosts, gmpy2Costs } from "./baselines/paillier.ts";
import { histogram, plainTrain } from "./baselines/plain-histogram.ts";
import { sealSums } from "./baselines/seal-bfv.ts";
import type { Baseline, Figure } from "./figures.ts";
import { KernelPair, randomFeatures, randomGradients } from "./kernel-pair.ts";
import { scaled, sumOf, typical, type Spent } from "./measure.ts";
import { orNothing } from "./not-measured.ts";

const shape = { rows: 30_000, features: 23, bins: 32 } as const;
const depths = [3, 5] as const;
/** Features of the node-seal run: the rest is linear. */
const sealFeatures = 2;

type Node = { readonly ask: Spent; readonly answer: Spent; readonly open: Spent; readonly pair: Pick<KernelPair, "hint" | "keep" | "hintBytes" | "queryBytes" | "answerBytes"> };

export async function histogramBench(note: (text: string) => void, runs: number): Promise<Figure[]> {
  const node = await ourNode(runs);
  const features = randomFeatures(shape);
  const { g, h } = randomGradients(shape.rows);
  const plain = await typical(() => void histogram(features, shape.rows, g, h), { times: 41, warm: 20 });
  const native = await orNothing(() => gmpy2Costs(2048, shape.rows, 40 * runs), note);
  const native1024 = await orNothing(() => gmpy2Costs(1024, shape.rows, 100 * runs), note);
  const npm = await orNothing(() => bigintCosts(2048, shape.rows, 12), note);
  note("node-seal's answers are not circuit private: nothing floods their noise. Ours are.");
  note(`Paillier as FATE does it: g and h packed in ${cellsPerCiphertext(shape.rows, 2048)} cells an answer ciphertext at 2048 bits, r^n re-randomised, `
    + "decrypted by remainders.");
  const one = sumOf(node.ask, node.answer, node.open);
  const figures: Figure[] = [
    against("g and h of one node: host's sums", node.answer, { name: "the same in the clear", value: plain.cpuSeconds, source: "measured" }),
    against("g and h of one node: both parties", one, { name: "the same in the clear", value: plain.cpuSeconds, source: "measured" }),
    { name: "hint, once a job: bytes down", value: node.pair.hintBytes / 1e6, unit: "MB", cpuSeconds: sumOf(node.pair.hint, node.pair.keep).cpuSeconds },
    ...(await sealFigures(node, note)),
  ];
  for (const costs of [native, npm]) if (costs !== undefined) figures.push(...nodeAgainst(node, costs));
  for (const depth of depths) figures.push(...(await treeFigures(node, depth, { native, native1024, npm })));
  return figures;
}

/** One node as the protocol does it: g and h encrypted in one batch, answered in one, opened in one. */
async function ourNode(runs: number): Promise<Node> {
  const { g, h } = randomGradients(shape.rows);
  await using pair = await KernelPair.open(randomFeatures(shape));
  const often = { times: 15 * runs, warm: 10 };
  const ask = await typical(() => pair.ask([g, h]), often);
  const asked = await pair.ask([g, h]);
  const answer = await typical(() => pair.answer(asked), often);
  const [answers = new Uint8Array(0)] = await pair.answer(asked);
  const open = await typical(() => pair.sums(asked, answers), often);
  const { hint, keep, hintBytes, queryBytes, answerBytes } = pair;
  return { ask, answer, open, pair: { hint, keep, hintBytes, queryBytes, answerBytes } };
}

function against(name: string, spent: Spent, baseline: Baseline): Figure {
  return { name, value: spent.cpuSeconds, unit: "s", wallSeconds: spent.wallSeconds, baseline };
}

const nameOf = ({ keyBits, encryptShort }: UnitCosts): string => `Paillier-${keyBits}, ${encryptShort === undefined ? "npm paillier-bigint" : "gmpy2"}`;

/** Per node: what the host does, and the opening; encryption is once per tree there and stands with the trees. */
function nodeAgainst(node: Node, costs: UnitCosts): Figure[] {
  const root = treeCounts(shape, 1, costs.keyBits);
  const note = extrapolationNote(shape, costs);
  const sums = root.additions * costs.add + root.shifts * costs.shift;
  return [
    against("g and h of one node: host's sums", node.answer, { name: nameOf(costs), value: sums, source: "extrapolated", note }),
    against("g and h of one node: guest opens", node.open, { name: nameOf(costs), value: root.decryptions * costs.decrypt, source: "extrapolated", note }),
  ];
}

async function sealFigures(node: Node, note: (text: string) => void): Promise<Figure[]> {
  const { g, h } = randomGradients(shape.rows);
  const run = await orNothing(() => sealSums(randomFeatures({ ...shape, features: sealFeatures }), g, h), note);
  if (run === undefined) return [];
  const factor = shape.features / sealFeatures;
  const of = (spent: Spent): Baseline => ({
    name: "node-seal BFV, N = 8192", value: spent.cpuSeconds, source: "extrapolated",
    note: `extrapolated linearly to ${shape.features} features from ${sealFeatures} at ${shape.rows} rows (${run.wrong} wrong sums of ${run.cells}); `
      + "transformed columns are prepared once and not counted, answers are not switched to a smaller modulus",
  });
  const host = scaled(sumOf(run.sums, run.masking), factor);
  const guest = scaled(run.decrypt, factor);
  return [
    { name: `node-seal: wrong sums of ${run.cells}`, value: run.wrong, unit: "", bar: { atMost: 0 } },
    against("g and h of one node: host's sums", node.answer, of(host)),
    against("g and h of one node: guest opens", node.open, of(guest)),
    against("g and h of one node: both parties", sumOf(node.ask, node.answer, node.open), of(sumOf(host, guest, run.encrypt))),
    {
      name: "g and h of one node: bytes down", value: (2 * node.pair.answerBytes) / 1e6, unit: "MB",
      baseline: { ...of(host), value: (run.bytesDown * factor) / 1e6 },
    },
  ];
}

type Rivals = { readonly native: UnitCosts | undefined; readonly native1024: UnitCosts | undefined; readonly npm: UnitCosts | undefined };

async function treeFigures(node: Node, depth: number, rivals: Rivals): Promise<Figure[]> {
  const { summed } = nodesOf(depth);
  const parts = { ask: scaled(node.ask, summed), answer: scaled(node.answer, summed), open: scaled(node.open, summed) };
  const tree = sumOf(parts.ask, parts.answer, parts.open);
  const name = `tree of depth ${depth}, ${summed} nodes asked: both parties`;
  const part = (text: string): string => name.replace("both parties", text);
  const figures: Figure[] = [];
  for (const costs of [rivals.native, rivals.native1024, rivals.npm]) {
    if (costs === undefined) continue;
    const cost: TreeCost = extrapolatedTree(shape, depth, costs);
    const of = (value: number, rival = nameOf(costs)): Baseline => ({ name: rival, value, source: "extrapolated", note: extrapolationNote(shape, costs) });
    figures.push(against(name, tree, of(cost.total)));
    if (costs !== rivals.native) continue;
    figures.push(
      against(part("guest encrypts"), parts.ask, of(cost.guestEncrypts)), against(part("host's sums"), parts.answer, of(cost.hostSums)),
      against(part("guest opens"), parts.open, of(cost.guestDecrypts)),
      { name: part("bytes up"), value: (2 * summed * node.pair.queryBytes) / 1e6, unit: "MB", baseline: of(cost.bytesUp / 1e6) },
      { name: part("bytes down"), value: (2 * summed * node.pair.answerBytes) / 1e6, unit: "MB", baseline: of(cost.bytesDown / 1e6) },
    );
    if (costs.encryptShort !== undefined) {
      const short = extrapolatedTree(shape, depth, { ...costs, encrypt: costs.encryptShort });
      figures.push(against(name, tree, of(short.total, `${nameOf(costs)}, short exponents (not FATE's)`)));
    }
    const hinted = sumOf(tree, node.pair.hint, node.pair.keep);
    figures.push(against(part("both parties, with the whole hint in this one tree"), hinted, of(cost.total)));
  }
  figures.push(against(name, tree, { name: "XGBoost-style tree in the clear", value: (await plainTree(depth)).cpuSeconds, source: "measured" }));
  return figures;
}

/** One tree in the clear on the same columns. */
async function plainTree(depth: number): Promise<Spent> {
  const features = randomFeatures(shape);
  const rng = randomGradients(shape.rows);
  const label = Uint8Array.from(rng.g, (x) => (x < 0 ? 1 : 0));
  const params = { trees: 1, depth, learningRate: 0.1, lambda: 1, gamma: 0, minChildWeight: 1 };
  return typical(() => void plainTrain(features, label, shape.rows, params), { times: 7, warm: 3 });
}
