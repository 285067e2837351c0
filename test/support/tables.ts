// Small tables of a bank and two hosts, just above the floors, in which both hosts know something about the label.
import { seededDraw } from "./draw.ts";

export type Tables = Readonly<Record<"bank" | "tax" | "power", string>>;
export type TableOptions = { readonly seed?: number; readonly rows?: number; readonly id?: (i: number) => string };

/** CSV texts with the id column `ent_id` and the bank's label `y`. Hosts lack some of the companies and hold others. */
export function smallTables(options: TableOptions = {}): Tables {
  const { seed = 7, rows = 3000, id = (i: number) => `C${String(100_000 + i * 7)}` } = options;
  const draw = seededDraw(seed);
  const bank = ["ent_id,y,amount,term"];
  const tax = ["ent_id,turnover,arrears,sector"];
  const power = ["ent_id,usage,late_bills"];
  for (let i = 0; i < rows + 400; i++) {
    const [size, stress, care] = [draw.normal(), draw.normal(), draw.normal()];
    const amount = 50 * Math.exp(0.6 * size + 0.4 * draw.normal());
    const bad = draw.uniform() < 1 / (1 + Math.exp(1.6 - 0.9 * stress - 0.7 * care + 0.4 * size)) ? 1 : 0;
    if (i < rows) bank.push([id(i), bad, amount.toFixed(3), 6 + 6 * draw.int(6)].join(","));
    if (draw.uniform() < 0.9) {
      const turnover = draw.uniform() < 0.05 ? "" : (900 * Math.exp(size - 0.5 * stress + 0.3 * draw.normal())).toFixed(2);
      tax.push([id(i), turnover, Math.max(0, Math.round(3 * stress + 2 * draw.normal())), ["trade", "food", "metal", "rent"][draw.int(4)]].join(","));
    }
    if (draw.uniform() < 0.85) power.push([id(i), (300 * Math.exp(0.7 * size - 0.6 * care + 0.2 * draw.normal())).toFixed(1), Math.max(0, Math.round(2 * care + draw.normal()))].join(","));
  }
  return { bank: text(bank), tax: text(tax), power: text(power) };
}

function text(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}
