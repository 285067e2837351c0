// Tables in which every raw column and every id holds values that occur nowhere else, so that they can be looked for.
import { seededDraw, type Draw } from "./draw.ts";
import type { Marker } from "./markers.ts";
import type { Tables } from "./tables.ts";

const letters = "ABCDEFGHJKLMNPQRTUWXY0123456789";

export type Marked = { readonly tables: Tables; readonly batch: string; readonly batchRows: number; readonly markers: readonly Marker[] };

/** A bank, two hosts with companies that the bank does not know, and a batch of further companies to score. */
export function markedTables(seed = 11, rows = 3000): Marked {
  const draw = seededDraw(seed);
  const markers: Marker[] = [];
  const csv: Record<keyof Tables | "batch", string[]> = {
    bank: ["ent_id,y,amount,branch"], tax: ["ent_id,turnover,units,sector,founded"], power: ["ent_id,usage,meter"], batch: ["ent_id,amount,branch"],
  };
  const levels = (): string[] => Array.from({ length: 4 }, () => word(draw, 14));
  const [branches, sectors] = [levels(), levels()];
  for (const value of branches) markers.push({ name: "bank.branch", owners: ["bank"], value });
  for (const value of sectors) markers.push({ name: "tax.sector", owners: ["tax"], value });
  const value = (owner: keyof Tables, column: string, x: number, decimals: number): string => {
    const text = x.toFixed(decimals);
    const isShort = decimals === 0 && markers.length % 100 === 0;
    markers.push({ name: `${owner}.${column}`, owners: [owner], value: Number(text), ...(isShort ? { isShort } : {}) });
    return text;
  };
  // Fifteen digits: eight of them come about by chance in a megabyte of hex digests. Those also looked for as 32-bit
  // integers must fit in one, and have ten.
  const count = (owner: keyof Tables, column: string): string =>
    value(owner, column, Math.floor(markers.length % 100 === 0 ? 1e9 + 1e9 * draw.uniform() : 1e14 + 8e14 * draw.uniform()), 0);
  let batchRows = 0;
  for (let i = 0; i < rows + 600; i++) {
    const id = word(draw, 16);
    const owners: (keyof Tables)[] = [];
    const [size, stress, care] = [draw.normal(), draw.normal(), draw.normal()];
    const amount = (): string => value("bank", "amount", 50_000 * Math.exp(0.4 * size) + draw.uniform(), 5);
    const branch = branches[draw.int(4)] ?? "";
    if (i < rows) {
      const bad = draw.uniform() < 1 / (1 + Math.exp(1.6 - 0.9 * stress - 0.7 * care + 0.4 * size)) ? 1 : 0;
      csv.bank.push([id, bad, amount(), branch].join(","));
      owners.push("bank");
    } else if (i % 2 === 0) {
      csv.batch.push([id, amount(), branch].join(","));
      owners.push("bank");
      batchRows++;
    }
    if (draw.uniform() < 0.9) {
      const founded = new Date(Date.UTC(1870, 0, 1) + Math.floor(24 * i + 20 * draw.uniform()) * 3_600_000).toISOString().slice(0, 10);
      csv.tax.push([
        id, value("tax", "turnover", 900_000 * Math.exp(0.5 * size - 0.5 * stress) + draw.uniform(), 4), count("tax", "units"),
        sectors[draw.int(4)] ?? "", founded,
      ].join(","));
      if (i % 50 === 0) markers.push({ name: "tax.founded", owners: ["tax"], value: founded });
      owners.push("tax");
    }
    if (draw.uniform() < 0.85) {
      csv.power.push([id, value("power", "usage", 30_000 * Math.exp(0.5 * size - 0.6 * care) + draw.uniform(), 6), count("power", "meter")].join(","));
      owners.push("power");
    }
    markers.push({ name: "id", owners, value: id });
  }
  const text = (lines: readonly string[]): string => `${lines.join("\n")}\n`;
  return { tables: { bank: text(csv.bank), tax: text(csv.tax), power: text(csv.power) }, batch: text(csv.batch), batchRows, markers };
}

function word(draw: Draw, length: number): string {
  return Array.from({ length }, () => letters[draw.int(letters.length)]).join("");
}
