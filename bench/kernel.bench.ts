// Figures of the kernels, as CPU time of the whole process (all threads), medians: a loaded machine does not change them much.
// Run: node bench/kernel.bench.ts
import { fileURLToPath } from "node:url";
import { seededRng, systemRng } from "../core/rng.ts";
import type { PlainColumns, SumsHost } from "../kernels/api.ts";
import { createKernels } from "../kernels/kernels.ts";
import { polyBytes, SumsWasm } from "../kernels/wasm.ts";

type Bins = Extract<PlainColumns, { kind: "bins" }>;

/** CPU milliseconds of `work`: the median of `times` runs after `warm` others. */
async function cpu(work: () => Promise<unknown> | void, times: number, warm: number): Promise<number> {
  const runs: number[] = [];
  for (let i = 0; i < warm + times; i++) {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    if (i >= warm) runs.push((user + system) / 1000);
  }
  return runs.sort((a, b) => a - b)[Math.floor(times / 2)] ?? Number.NaN;
}

function randomBins(rows: number, features: number, bins: number): Bins {
  const rng = seededRng(new Uint8Array(32), `bench/${rows}`);
  const feature = () => ({ bins, binOf: rng(rows).map((x) => Math.floor((x * bins) / 256)) });
  return { kind: "bins", rows, features: Array.from({ length: features }, feature) };
}

/** What a program without privacy does: sums of one value, or of two, for every (feature, bin). */
function histogram(columns: Bins, g: Int32Array, h?: Int32Array): Float64Array[] {
  return columns.features.flatMap(({ binOf, bins }) => {
    const sumsG = new Float64Array(bins);
    const sumsH = new Float64Array(bins);
    if (!h) {
      for (let i = 0; i < binOf.length; i++) {
        const b = binOf[i] ?? 0;
        sumsG[b] = (sumsG[b] ?? 0) + (g[i] ?? 0);
      }
      return [sumsG];
    }
    for (let i = 0; i < binOf.length; i++) {
      const b = binOf[i] ?? 0;
      sumsG[b] = (sumsG[b] ?? 0) + (g[i] ?? 0);
      sumsH[b] = (sumsH[b] ?? 0) + (h[i] ?? 0);
    }
    return [sumsG, sumsH];
  });
}

async function drain(host: SumsHost): Promise<{ firstCell: number; bytes: Uint8Array }[]> {
  const chunks: { firstCell: number; bytes: Uint8Array }[] = [];
  for await (const chunk of host.hint(150)) chunks.push(chunk);
  return chunks;
}

async function transforms(): Promise<Record<string, number>> {
  const wasm = new SumsWasm();
  const [poly, times] = [wasm.allocate(polyBytes), wasm.allocate(polyBytes)] as const;
  const [acc, masks] = [wasm.allocate(2 * polyBytes), wasm.allocate(512)] as const;
  const rounds = 500;
  const micro = async (work: () => void) => ((await cpu(() => {
    for (let i = 0; i < rounds; i++) work();
  }, 9, 5)) * 1000) / rounds;
  return {
    forwardNttMicroseconds: await micro(() => wasm.fn.forward(poly)),
    inverseNttMicroseconds: await micro(() => wasm.fn.inverse(poly)),
    bitColumnNttAndProductMicroseconds: await micro(() => wasm.fn.multiplyBitsInto(acc, masks, poly, times)),
  };
}

/** All figures; milliseconds unless the name says otherwise. `large`: also the 100,000 x 300 cases (about ten CPU seconds). */
export async function kernelBench(options: { readonly large: boolean } = { large: true }): Promise<Record<string, number>> {
  const results: Record<string, number> = await transforms();
  await using kernels = createKernels();
  const crsSeed = systemRng(32);
  const rows = 30_000;
  const columns = randomBins(rows, 23, 32);
  const values = Int32Array.from({ length: rows }, (_, i) => ((i * 7919) % 4001) - 2000);
  {
    await using host = await kernels.host({ crsSeed, columns, rng: systemRng });
    await using querier = await kernels.querier({ crsSeed, rows });
    results.hint30kx23x32 = await cpu(async () => void (await drain(host)), 3, 1);
    const chunks = await drain(host);
    results.query30k = await cpu(() => querier.query(values, { maxCode: 1, rng: systemRng }), 41, 20);
    const { bytes, secret } = await querier.query(values, { maxCode: 1, rng: systemRng });
    results.answer30kx23x32 = await cpu(() => host.answer(bytes, systemRng), 81, 40);
    results.plainHistogramOneValue = await cpu(() => void histogram(columns, values), 81, 40);
    results.plainHistogramTwoValues = await cpu(() => void histogram(columns, values, values), 81, 40);
    results.answerOverPlainOneValue = results.answer30kx23x32 / results.plainHistogramOneValue;
    results.twoAnswersOverPlainTwoValues = (2 * results.answer30kx23x32) / results.plainHistogramTwoValues;
    const { answer } = await host.answer(bytes, systemRng);
    const hint = { cells: host.cells, chunks: () => chunks };
    results.open736Cells = await cpu(() => querier.open(answer, hint, secret), 21, 10);
    const sums = await querier.open(answer, hint, secret);
    const plain = histogram(columns, values).flatMap((s) => [...s]);
    results.wrongSums = plain.filter((x, i) => sums[i] !== BigInt(x)).length;
  }
  if (options.large) {
    const wide = randomBins(100_000, 300, 20);
    await using host = await kernels.host({ crsSeed, columns: wide, rng: systemRng });
    results.hint100kx300x20Seconds = (await cpu(async () => {
      for await (const chunk of host.hint(150)) if (chunk.bytes.length === 0) throw new Error("an empty chunk");
    }, 1, 0)) / 1000;
    const codes = wide.features.map((f) => Int8Array.from(f.binOf, (b) => 5 * b - 50));
    results.gram100kx300 = await cpu(() => kernels.gram(codes), 3, 1);
  }
  return results;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, value] of Object.entries(await kernelBench())) console.log(`${name.padEnd(40)} ${value.toFixed(3)}`);
}
