// The data that whole jobs run on: the real sets beside the repository, and generated tables of the shapes that others publish.
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NotMeasured } from "./not-measured.ts";
import { writeWideData, type WideShape } from "./wide-data.ts";

export type Files = { readonly id: string; readonly guest: string; readonly hosts: Readonly<Record<string, string>>; readonly split?: string };
export const realNames = ["sba_2003_2006", "polish_5year", "fate_default_credit"] as const;
export type RealName = (typeof realNames)[number];

const data = join(import.meta.dirname, "..", "..", "shared", "data");
const hostFiles: Readonly<Record<RealName, readonly string[]>> = {
  sba_2003_2006: ["registry", "tax_social"], polish_5year: ["tax", "registry", "invoice_utility"], fate_default_credit: [],
};

/** Files of a real set. Throws NotMeasured when they are not beside the repository. */
export function realFiles(name: RealName): Files {
  const folder = join(data, name);
  if (!existsSync(folder)) throw new NotMeasured(`no data beside the repository: ${name}`);
  if (name === "fate_default_credit") {
    return { id: "id", guest: join(folder, "default_credit_hetero_guest.csv"), hosts: { host: join(folder, "default_credit_hetero_host.csv") } };
  }
  const hosts = Object.fromEntries(hostFiles[name].map((host) => [host, join(folder, `${host}.csv`)]));
  return { id: "ent_id", guest: join(folder, "bank.csv"), hosts, split: join(folder, "train_test.csv") };
}

/** `work` on the files with (nearly) all companies in the training part, as rivals train: one of `everyTest` is left to test on. */
export async function withMostRows<T>(files: Files, everyTest: number, work: (files: Files) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "yunei-bench-"));
  try {
    const guest = join(folder, "guest.csv");
    copyFileSync(files.guest, guest);
    const [head = "", ...lines] = readFileSync(guest, "utf8").trimEnd().split("\n");
    const at = head.split(",").indexOf(files.id);
    const parts = lines.map((line, i) => `${line.split(",")[at] ?? ""},${i % everyTest === 0 ? "test" : "train"}`);
    writeFileSync(join(folder, "split.csv"), `${files.id},part\n${parts.join("\n")}\n`);
    return await work({ ...files, guest, split: join(folder, "split.csv") });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const seed = "yunei-bench-1";
/** FATE publishes its times for this shape. */
export const wideShape = { rows: 100_000, guestColumns: 30, hostColumns: 300 } as const;

/** `work` on generated files of `shape`, which are removed afterwards. */
export async function withGenerated<T>(shape: WideShape, work: (files: Files) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "yunei-bench-"));
  try {
    const { guest, host, split } = writeWideData(folder, shape, seed);
    return await work({ id: "ent_id", guest, hosts: { provider: host }, ...(split === undefined ? {} : { split }) });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
