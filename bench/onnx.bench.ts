// A bank's model file at a provider: 100,000 companies through the enclave's own path (checked, columns into tensors, the thread, probabilities, 8 bits)
// beside the bare runtime on the finished tensors, in turn, with one thread each.
import { onnxThread } from "../enclave/live/scorers/whole.ts";
import { openModel } from "../enclave/onnx.ts";
import { alignFeature } from "../federation/rows/align.ts";
import { quantiseOdds } from "../federation/serve/odds.ts";
import type { Feature } from "../models/features.ts";
import { boostedOnnx } from "../models/files/onnx.ts";
import { seededDraw } from "../test/support/draw.ts";
import { binOwned, definitionsOf, drawnTrees } from "../test/support/model-files.ts";
import { median, type Figure } from "./figures.ts";

const shape = { rows: 100_000, features: 20, trees: 30, depth: 6 } as const;
const turns = 21;

export async function onnxBench(): Promise<Figure[]> {
  const draw = seededDraw(11);
  const features: Feature[] = Array.from({ length: shape.features }, (_, i) => (
    { kind: "numeric", name: `x${i}`, special: [], values: Float64Array.from({ length: shape.rows }, () => Math.fround(draw.normal())) }));
  const owned = binOwned([{ name: "tax", features }], shape.rows, 32);
  const trees = drawnTrees(owned, shape.rows, { seed: 1, trees: shape.trees, depth: shape.depth });
  const file = boostedOnnx(trees, definitionsOf(owned), { model: "m", version: "0" });
  const renamed = features.map((f) => ({ ...f, name: `tax/${f.name}` }));
  await using bare = await openModel(file, { threads: 1 });
  await using thread = onnxThread({ model: file, inputs: renamed.map((f) => f.name), kinds: renamed.map((f) => f.kind) });
  await thread.start();
  const tensors = Object.fromEntries(renamed.map((f) => [f.name, { type: "float32", data: Float32Array.from(f.kind === "numeric" ? f.values : []), dims: [shape.rows, 1] } as const]));
  const rowOf = Int32Array.from({ length: shape.rows }, (_, row) => row);
  const times: { bare: Spent; ours: Spent }[] = [];
  let differing = 0;
  for (let turn = 0; turn <= turns; turn++) {
    const theirs = await measured(() => bare.run(tensors, ["probabilities"]));
    // As a provider does: the companies' own records in their order, given away to the thread.
    const ours = await measured(() => {
      const aligned = renamed.map((f) => alignFeature(f, rowOf));
      return thread.call<Int8Array>("score", [aligned], aligned.map((f) => (f.kind === "numeric" ? f.values : f.codes).buffer as ArrayBuffer));
    });
    // The first turn warms both.
    if (turn > 0) times.push({ bare: theirs.spent, ours: ours.spent });
    const data = theirs.result["probabilities"]?.data ?? [];
    for (const [row, units] of ours.result.entries()) if (units !== quantiseOdds(Number(data[2 * row + 1]))) differing++;
  }
  if (differing > 0) throw new Error(`${differing} results differ`);
  const middle = (who: "bare" | "ours", what: keyof Spent): number => median(times.map((t) => t[who][what]));
  const name = `${shape.rows.toLocaleString("en-US")} companies, ${shape.trees} trees of depth ${shape.depth}, ${shape.features} features`;
  return [
    {
      name: `${name}: enclave's path, CPU`, value: middle("ours", "cpu"), unit: "s", wallSeconds: middle("ours", "wall"),
      baseline: { name: "onnxruntime-node alone, finished tensors", value: middle("bare", "cpu"), source: "measured" },
    },
    { name: `${name}: enclave's path over the bare runtime, CPU`, value: middle("ours", "cpu") / middle("bare", "cpu"), unit: "times", bar: { atMost: 1.3 } },
    { name: `${name}: the same, wall`, value: middle("ours", "wall") / middle("bare", "wall"), unit: "times" },
  ];
}

/** Seconds; CPU of all threads of this process. */
type Spent = { readonly cpu: number; readonly wall: number };

async function measured<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly spent: Spent }> {
  const before = process.cpuUsage();
  const began = performance.now();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return { result, spent: { cpu: (user + system) / 1e6, wall: (performance.now() - began) / 1000 } };
}
