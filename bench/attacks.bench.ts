// What a guest gets out of boosted trees at the shipped floors, and with noise and caps taken off: AUC, bits per company in the bitmaps,
// and how many bins the attacks name. In one process, on the plaintext trainer that the federated run equals bit for bit.
import { attackTable, settingsOf, type AttackRow } from "./attack-table.ts";
import type { RealName } from "./cases.ts";
import type { Figure } from "./figures.ts";
import { timed } from "./measure.ts";
import { orNothing } from "./not-measured.ts";

/** polish_5year has fewer companies than boosted trees may be trained on. */
const attacked = ["sba_2003_2006", "fate_default_credit"] as const satisfies readonly RealName[];

export async function attacksBench(note: (text: string) => void): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const name of attacked) {
    const measured = await orNothing(() => timed(() => attackTable(name, settingsOf())), note);
    if (measured === undefined) continue;
    const { result, spent } = measured;
    note(`${name}: four trainings and the attacks on them took ${spent.cpuSeconds.toFixed(0)} CPU-s; attacked columns: ${result[0]?.attacked.join(", ") ?? ""}`);
    for (const row of result) figures.push(...figuresOf(`${name}, ${row.setting}`, row));
  }
  return figures;
}

function figuresOf(of: string, row: AttackRow): Figure[] {
  const percent = (x: number): number => 100 * x;
  const base = { name: "by the largest bin alone", value: percent(row.base), source: "measured" } as const;
  return [
    { name: `${of}: test AUC`, value: row.auc, unit: "AUC" },
    { name: `${of}: queries per training company`, value: row.queriesPerRow, unit: "" },
    { name: `${of}: cuts of hosts whose bits were asked for`, value: row.cuts, unit: "" },
    {
      name: `${of}: bits that the bitmaps say of a company`, value: row.bits, unit: "bit",
      baseline: { name: "all fine bins of the hosts", value: row.entropy, source: "measured" },
    },
    {
      name: `${of}: bits that the hosts' books charge for them`, value: row.charged, unit: "bit",
      baseline: { name: "what they say", value: row.bits, source: "measured" },
    },
    { name: `${of}: bins named from the sums alone`, value: percent(row.sumsOnly), unit: "%", compare: "difference", baseline: base },
    { name: `${of}: the same, column that is easiest to read, above the largest bin`, value: percent(row.worst), unit: "points" },
    { name: `${of}: bins named from sums and bitmaps`, value: percent(row.both), unit: "%", compare: "difference", baseline: base },
  ];
}
