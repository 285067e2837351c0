// A bank's enclave folder with a desk for outcomes, without network or jobs; and loans as its own books have them.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { AppError } from "../../../core/errors.ts";
import { systemRng } from "../../../core/rng.ts";
import { enclavePaths, type EnclaveConfig } from "../../../enclave/config.ts";
import { memoryKeyOf } from "../../../enclave/data/own.ts";
import { SecretBox } from "../../../enclave/keys/box.ts";
import { OutcomeDesk } from "../../../enclave/outcomes/desk.ts";
import { GivenScores } from "../../../enclave/outcomes/scores.ts";
import { StateDatabase } from "../../../enclave/store/database.ts";
import type { OutcomeRecord } from "../../../models/outcomes/record.ts";
import { bank, temporaryFolder } from "../../support/enclave.ts";
import { keptLog } from "../../support/platform.ts";

/** The clock of the tests. */
export const today = Date.parse("2026-03-15T00:00:00Z");

export class Bank implements Disposable {
  readonly #root = temporaryFolder();
  readonly folder = join(this.#root.path, "enclave");
  readonly root = this.#root.path;
  readonly db: StateDatabase;
  readonly desk: OutcomeDesk;
  readonly scores: GivenScores;

  constructor(dataset: object = {}) {
    const paths = enclavePaths(this.folder);
    mkdirSync(paths.keys, { recursive: true });
    const config = {
      version: 1, party: bank, platform: "https://127.0.0.1:1", dataFolder: this.root, workers: 1, peerTimeoutSeconds: 60,
      dataset: { name: "loans", idColumn: "ent_id", idKind: "opaque", missingTokens: [""], labelColumn: "y", features: { file: "bank.csv" }, columns: {}, ...dataset },
    } as EnclaveConfig;
    writeFileSync(paths.config, JSON.stringify(config));
    this.db = new StateDatabase(paths.state);
    const box = SecretBox.open(paths.box, systemRng);
    const memoryKey = memoryKeyOf(paths.box);
    this.desk = new OutcomeDesk({ folder: this.folder, config, db: this.db, box, memoryKey, env: { rng: systemRng, now: () => today, log: keptLog([]) } });
    this.scores = new GivenScores({ db: this.db, box, memoryKey });
  }
  /** A file of rows: CSV with the columns of the first row, or NDJSON by its name. */
  file(name: string, rows: readonly object[]): string {
    const path = join(this.root, name);
    const names = [...new Set(rows.flatMap((r) => Object.keys(r)))];
    const cell = (value: unknown): string => (typeof value === "string" || typeof value === "number" ? String(value) : "");
    writeFileSync(path, name.endsWith(".ndjson") ? rows.map((r) => JSON.stringify(r)).join("\n") : [names.join(","), ...rows.map((r) => names.map((n) => cell((r as Record<string, unknown>)[n])).join(","))].join("\n"));
    return path;
  }
  [Symbol.dispose](): void {
    this.db[Symbol.dispose]();
    this.#root[Symbol.dispose]();
  }
}

/** The same rows as the bank has them: with its own numbers and companies. withScore: as the program knows it from elsewhere. */
export function bankRows(records: readonly OutcomeRecord[], withScore = true): object[] {
  return records.map(({ loan, score, model, ...rest }) => ({ loan: numberOf(loan), company: companyOf(loan), ...rest, ...(withScore && { model, score }) }));
}
export const numberOf = (loan: string): string => `L-${loan.slice(0, 12)}`;
export const companyOf = (loan: string): string => `C${loan.slice(0, 10)}`;

export function counted(counts: { rows: number; taken: number; repeated: number; corrected: number; refused: object }): void {
  const refused = Object.values(counts.refused).reduce((a: number, b) => a + Number(b), 0);
  assert.equal(counts.rows, counts.taken + counts.repeated + counts.corrected + refused, "every row is counted once");
}

/** That it fails with this code. */
export async function assertFails(work: () => Promise<unknown>, code: string): Promise<void> {
  const found = await work().then(() => "nothing", (error: unknown) => (error instanceof AppError ? error.code : String(error)));
  assert.equal(found, code);
}
