// Every real table, against figures that this file computes itself with nothing but split(): the tables have no quotes.
import { assert } from "chai";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "mocha";
import { needsRealData, realData } from "../../support/real-data.ts";
import { silentLog } from "../../../core/env.ts";
import { parseDefinition } from "../../../enclave/data/definition.ts";
import type { LoadedDataset } from "../../../enclave/data/load.ts";
import { loadDataset } from "../../../enclave/data/load.ts";

type Expected = { folder: string; files: readonly string[]; idColumn: string; rows: number; bank: string; label: string; badShare: number };
const sets: readonly Expected[] = [
  { folder: "sba_2003_2006", files: ["bank.csv", "registry.csv", "tax_social.csv"], idColumn: "ent_id", rows: 15_222, bank: "bank.csv", label: "y", badShare: 0.26 },
  { folder: "polish_5year", files: ["bank.csv", "tax.csv", "registry.csv", "invoice_utility.csv"], idColumn: "ent_id", rows: 5_910, bank: "bank.csv", label: "y", badShare: 0.069 },
  { folder: "fate_default_credit", files: ["default_credit_hetero_guest.csv", "default_credit_hetero_host.csv"], idColumn: "id", rows: 30_000, bank: "default_credit_hetero_guest.csv", label: "y", badShare: 0.221 },
];
const missing = new Set(["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"]);

for (const { folder, files, idColumn, rows, bank, label, badShare } of sets) {
  describe(`the real tables of ${folder}`, () => {
    before(function () {
      needsRealData(this);
    });

    for (const file of files) {
      it(`loads ${file} as it stands`, async () => {
        const [header = "", ...lines] = readFileSync(join(realData, folder, file), "utf8").replaceAll("\r\n", "\n").trimEnd().split("\n");
        const names = header.split(",");
        const cells = lines.map((line) => line.split(","));
        const labelled = file === bank ? { labelColumn: label } : {};
        const data: LoadedDataset = await loadDataset(parseDefinition({ name: folder, idColumn, idKind: "opaque", features: file, ...labelled }), { directory: join(realData, folder), log: silentLog });
        assert.equal(data.rows, rows);
        assert.equal(lines.length, rows);
        assert.deepEqual([...data.ids], cells.map((c) => c[names.indexOf(idColumn)] as unknown));
        assert.isEmpty(data.skipped);
        assert.deepEqual(data.features.map((f) => f.name), names.filter((n) => n !== idColumn && n !== (file === bank ? label : undefined)));
        for (const feature of data.features) {
          const texts = cells.map((c) => c[names.indexOf(feature.name)] ?? "");
          const isNumeric = texts.every((t) => missing.has(t) || Number.isFinite(Number(t)));
          assert.equal(feature.kind, isNumeric ? "numeric" : "categorical", feature.name);
          if (feature.kind === "numeric") assert.deepEqual(feature.values, Float64Array.from(texts, (t) => (missing.has(t) ? Number.NaN : Number(t) + 0)), feature.name);
          else assert.deepEqual(Array.from(feature.codes, (c) => (c < 0 ? null : feature.levels[c] ?? null)), texts.map((t) => (missing.has(t) ? null : t)), feature.name);
        }
        if (file !== bank) return;
        assert.deepEqual([...(data.label ?? [])], cells.map((c) => Number(c[names.indexOf(label)])));
        assert.closeTo((data.label ?? new Uint8Array()).reduce((a, b) => a + b, 0) / rows, badShare, 0.0006);
      });
    }
  });
}
