// Single operations of the encrypted-sums kernel beside a plain histogram, as CPU of all threads.
import { systemRng } from "../core/rng.ts";
import { createKernels } from "../kernels/kernels.ts";
import { polyBytes, SumsWasm } from "../kernels/wasm.ts";
import { histogram } from "./baselines/plain-histogram.ts";
import type { Figure } from "./figures.ts";
import { KernelPair, randomFeatures, randomGradients } from "./kernel-pair.ts";
import { timed, typical, type Spent } from "./measure.ts";

const shape = { rows: 30_000, features: 23, bins: 32 } as const;
const wide = { rows: 100_000, features: 300, bins: 20 } as const;
const answerOverPlain = 5;
const ofShape = "30,000 x 23 x 32";

const ms = (name: string, spent: Spent, more: Partial<Figure> = {}): Figure =>
  ({ name, value: spent.cpuSeconds * 1000, unit: "ms", ...more });

export async function kernelBench(): Promise<Figure[]> {
  const features = randomFeatures(shape);
  const { g, h } = randomGradients(shape.rows);
  const figures: Figure[] = [];
  {
    await using pair = await KernelPair.open(features);
    const often = { times: 41, warm: 20 };
    const one = await typical(() => pair.ask([g]), often);
    const asked = await pair.ask([g]);
    const answer = await typical(() => pair.answer(asked), { times: 81, warm: 40 });
    const plain = await typical(() => void histogram(features, shape.rows, g), { times: 81, warm: 40 });
    const plainBoth = await typical(() => void histogram(features, shape.rows, g, h), { times: 81, warm: 40 });
    const both = await pair.ask([g, h]);
    const answerBoth = await typical(() => pair.answer(both), often);
    const [answers = new Uint8Array(0)] = await pair.answer(asked);
    const open = await typical(() => pair.sums(asked, answers), { times: 21, warm: 10 });
    const [sums] = await pair.sums(asked, answers);
    const wrong = histogram(features, shape.rows, g).flatMap((s) => [...s]).filter((x, i) => sums?.[i] !== BigInt(x)).length;
    const against = (spent: Spent, name: string) => ({ name, value: spent.cpuSeconds * 1000, source: "measured" as const });
    figures.push(
      { name: `answer over a plain histogram, ${ofShape}, one value`, value: answer.cpuSeconds / plain.cpuSeconds, unit: "", bar: { atMost: answerOverPlain } },
      { name: `wrong sums of ${pair.cells}`, value: wrong, unit: "", bar: { atMost: 0 } },
      ms("answer to one query", answer, { baseline: against(plain, "plain histogram of one value") }),
      ms("answers to g and h in one batch", answerBoth, { baseline: against(plainBoth, "plain histogram of two values") }),
      ms("query of 30,000 rows", one), ms(`opening of ${pair.cells} sums`, open),
      ms("hint at the host, once a job", pair.hint), ms("hint at the querier, once a job", pair.keep),
    );
  }
  return [...figures, ...(await wideFigures()), ...(await transforms())];
}

async function wideFigures(): Promise<Figure[]> {
  const features = randomFeatures(wide);
  await using kernels = createKernels();
  await using host = await kernels.host({ crsSeed: systemRng(32), columns: { kind: "bins", rows: wide.rows, features }, rng: systemRng });
  const hint = await timed(async () => {
    for await (const chunk of host.hint(150)) if (chunk.bytes.length === 0) throw new Error("an empty chunk");
  });
  const codes = features.map((f) => Int8Array.from(f.binOf, (b) => 5 * b - 50));
  const gram = await typical(() => kernels.gram(codes), { times: 3, warm: 1 });
  return [
    { name: "hint, 100,000 x 300 x 20", value: hint.spent.cpuSeconds, unit: "s", wallSeconds: hint.spent.wallSeconds },
    ms("products of 300 columns, 100,000 rows", gram),
  ];
}

/** Of one polynomial. */
async function transforms(): Promise<Figure[]> {
  const wasm = new SumsWasm();
  const [poly, factor] = [wasm.allocate(polyBytes), wasm.allocate(polyBytes)];
  const [acc, masks] = [wasm.allocate(2 * polyBytes), wasm.allocate(512)];
  const rounds = 500;
  const micro = async (name: string, work: () => void): Promise<Figure> => {
    const { cpuSeconds } = await typical(() => {
      for (let i = 0; i < rounds; i++) work();
    }, { times: 9, warm: 5 });
    return { name, value: (cpuSeconds / rounds) * 1e6, unit: "us" };
  };
  return [
    await micro("transform", () => wasm.fn.forward(poly)), await micro("inverse transform", () => wasm.fn.inverse(poly)),
    await micro("transform and product of a 0/1 column", () => wasm.fn.multiplyBitsInto(acc, masks, poly, factor)),
  ];
}
