// Reads the real data sets of `../shared/data` into the tables of models/: plain CSV without quoted commas, blank = missing.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Feature, FeatureTable } from "../../models/features.ts";
import { realData } from "./real-data.ts";

export type Csv = { readonly header: readonly string[]; readonly rows: readonly (readonly string[])[] };
export type Job = {
  readonly label: Uint8Array;
  readonly trainRows: number;
  readonly guest: { readonly name: string; readonly table: FeatureTable };
  readonly hosts: readonly { readonly name: string; readonly table: FeatureTable }[];
};

export function readCsv(path: string): Csv {
  const [head = "", ...lines] = readFileSync(resolve(realData, path), "utf8").split(/\r?\n/).filter((line) => line !== "");
  return { header: head.split(","), rows: lines.map((line) => line.split(",")) };
}

/** The columns of a file in the order of `ids`; an id that the file lacks is missing. Numeric when every value is a number,
 *  unless named in `categorical`. */
export function tableOf(
  csv: Csv, ids: readonly string[], idColumn: string, drop: readonly string[], categorical: readonly string[],
): FeatureTable {
  const at = csv.header.indexOf(idColumn);
  const byId = new Map(csv.rows.map((row) => [row[at] ?? "", row]));
  const features = csv.header.flatMap((name, column): Feature[] => {
    if (name === idColumn || drop.includes(name)) return [];
    const values = ids.map((id) => byId.get(id)?.[column] ?? "");
    const numeric = !categorical.includes(name) && values.every((v) => v === "" || Number.isFinite(Number(v)));
    if (numeric) {
      return [{ kind: "numeric", name, values: Float64Array.from(values, (v) => (v === "" ? Number.NaN : Number(v))), special: [] }];
    }
    const levels = [...new Set(values.filter((v) => v !== ""))].sort();
    const codeOf = new Map(levels.map((level, i) => [level, i]));
    return [{ kind: "categorical", name, levels, codes: Int32Array.from(values, (v) => codeOf.get(v) ?? -1) }];
  });
  return { rows: ids.length, features };
}

export type DataSet = {
  readonly guest: readonly [name: string, file: string];
  readonly hosts: readonly (readonly [name: string, file: string])[];
  readonly id: string;
  readonly label: string;
  readonly split?: string;
  readonly categorical?: readonly string[];
};

export const dataSets = {
  sba: {
    guest: ["bank", "sba_2003_2006/bank.csv"],
    hosts: [["registry", "sba_2003_2006/registry.csv"], ["tax_social", "sba_2003_2006/tax_social.csv"]],
    id: "ent_id", label: "y", split: "sba_2003_2006/train_test.csv", categorical: ["NAICS2", "UrbanRural", "NewExist", "Franchise"],
  },
  polish: {
    guest: ["bank", "polish_5year/bank.csv"],
    hosts: [
      ["tax", "polish_5year/tax.csv"], ["registry", "polish_5year/registry.csv"],
      ["invoice_utility", "polish_5year/invoice_utility.csv"],
    ],
    id: "ent_id", label: "y", split: "polish_5year/train_test.csv",
  },
  fate: {
    guest: ["guest", "fate_default_credit/default_credit_hetero_guest.csv"],
    hosts: [["host", "fate_default_credit/default_credit_hetero_host.csv"]],
    id: "id", label: "y",
  },
} as const satisfies Record<string, DataSet>;

/** A data set with its training rows first. Without a split file: 70 % of each class, drawn with a seed. */
export function loadJob(set: DataSet, seed = 1): Job {
  const bank = readCsv(set.guest[1]);
  const idAt = bank.header.indexOf(set.id);
  const labelAt = bank.header.indexOf(set.label);
  const labelOf = new Map(bank.rows.map((row) => [row[idAt] ?? "", Number(row[labelAt])]));
  const train = set.split ? splitFile(set.split) : seededSplit(labelOf, seed);
  const all = [...labelOf.keys()].sort((a, b) => mix(a, seed) - mix(b, seed));
  const ids = [...all.filter((id) => train.has(id)), ...all.filter((id) => !train.has(id))];
  const table = (file: string): FeatureTable => tableOf(readCsv(file), ids, set.id, [set.label], set.categorical ?? []);
  return {
    label: Uint8Array.from(ids, (id) => labelOf.get(id) ?? 0),
    trainRows: train.size,
    guest: { name: set.guest[0], table: table(set.guest[1]) },
    hosts: set.hosts.map(([name, file]) => ({ name, table: table(file) })),
  };
}

function splitFile(path: string): Set<string> {
  return new Set(readCsv(path).rows.flatMap(([id = "", part]) => (part === "train" ? [id] : [])));
}

function seededSplit(labelOf: ReadonlyMap<string, number>, seed: number): Set<string> {
  const train = new Set<string>();
  for (const label of [0, 1]) {
    const ids = [...labelOf].filter(([, y]) => y === label).map(([id]) => id).sort((a, b) => mix(a, seed + 77) - mix(b, seed + 77));
    for (const id of ids.slice(0, Math.round(ids.length * 0.7))) train.add(id);
  }
  return train;
}

/** A 32-bit hash of an id, for orders and splits that look random and repeat. */
function mix(id: string, seed: number): number {
  let h = 2_166_136_261 ^ Math.imul(seed, 2_654_435_761);
  for (const c of id) h = Math.imul(h ^ (c.codePointAt(0) ?? 0), 16_777_619);
  h = Math.imul(h ^ (h >>> 15), 2_246_822_519);
  h = Math.imul(h ^ (h >>> 13), 3_266_489_917);
  return (h ^ (h >>> 16)) >>> 0;
}
