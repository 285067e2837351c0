// The same jobs over a network of 20 ms and 100 Mbit/s between every process and the platform, beside loopback.
import { realFiles } from "./cases.ts";
import type { Figure } from "./figures.ts";
import { repeated } from "./job.bench.ts";
import { NotMeasured, orNothing } from "./not-measured.ts";
import { cpuOf, phasesOf, runJob, type JobOptions } from "./sandbox.ts";

const network = "20ms/100mbit";
const kinds: readonly JobOptions[] = [
  { model: "scorecard" }, { model: "crossboost" }, { model: "gbdt", acceptLeakage: true, params: { trees: 50, depth: 3, bins: 32 } },
];

export async function networkBench(runs: number, note: (text: string) => void): Promise<Figure[]> {
  const files = realFiles("fate_default_credit");
  const figures: Figure[] = [];
  for (const kind of kinds) {
    const found = await orNothing(() => repeated(runs, async () => {
      // First: without the option there is nothing to compare.
      const far = await runJob(files, { ...kind, network });
      const near = await runJob(files, kind);
      const of = `${kind.model} on fate_default_credit`;
      const nearPhases = new Map(phasesOf(near.report).map((p) => [p.name, p]));
      return [
        {
          name: `${of}: whole run at 20 ms and 100 Mbit/s`, value: far.watched.wallSeconds, unit: "s", cpuSeconds: cpuOf(far),
          baseline: { name: "loopback", value: near.watched.wallSeconds, source: "measured" },
        },
        ...phasesOf(far.report).flatMap((phase): Figure[] => [
          {
            name: `${of}: phase ${phase.name}`, value: phase.wallSeconds, unit: "s",
            baseline: { name: "loopback", value: nearPhases.get(phase.name)?.wallSeconds ?? 0, source: "measured" },
          },
          { name: `${of}: rounds of phase ${phase.name}`, value: phase.rounds, unit: "" },
        ]),
      ];
    }), note);
    figures.push(...(found ?? []));
  }
  if (figures.length === 0) throw new NotMeasured("no job could run over a limited network");
  return figures;
}
