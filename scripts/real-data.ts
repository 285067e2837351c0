// Runs the main job on the real loans in ../shared/data and fails when a figure misses its bar. Used by CI.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jointReportSchema } from "../report/schema.ts";

type Case = { name: string; id: string; label: string; guest: string; hosts: Record<string, string>; split?: string; aucAtLeast: number; gainAtLeast: number; secondsAtMost: number };

const data = join(import.meta.dirname, "..", "..", "shared", "data");
const cases: readonly Case[] = [
  {
    name: "sba_2003_2006", id: "ent_id", label: "y", guest: "bank.csv", hosts: { registry: "registry.csv", tax_social: "tax_social.csv" }, split: "train_test.csv",
    aucAtLeast: 0.664, gainAtLeast: 0.018, secondsAtMost: 40,
  },
  {
    name: "polish_5year", id: "ent_id", label: "y", guest: "bank.csv", hosts: { tax: "tax.csv", registry: "registry.csv", invoice_utility: "invoice_utility.csv" },
    split: "train_test.csv", aucAtLeast: 0.92, gainAtLeast: 0, secondsAtMost: 60,
  },
  {
    name: "fate_default_credit", id: "id", label: "y", guest: "default_credit_hetero_guest.csv", hosts: { host: "default_credit_hetero_host.csv" },
    aucAtLeast: 0.75, gainAtLeast: 0, secondsAtMost: 60,
  },
];

let failed = 0;
for (const c of cases) {
  const folder = join(data, c.name);
  if (!existsSync(folder)) {
    process.stderr.write(`${c.name}: no data beside the repository\n`);
    failed++;
    continue;
  }
  const out = mkdtempSync(join(tmpdir(), "yunei-real-"));
  const hosts = Object.entries(c.hosts).flatMap(([name, file]) => ["--host", `${name}=${join(folder, file)}`]);
  const split = c.split === undefined ? [] : ["--split", join(folder, c.split)];
  const args = ["sandbox", "--guest", join(folder, c.guest), "--id", c.id, "--label", c.label, ...hosts, ...split, "--out", out];
  const began = performance.now();
  const run = spawnSync(process.execPath, [join(import.meta.dirname, "..", "cli", "main.ts"), ...args], { stdio: ["ignore", "ignore", "inherit"] });
  const seconds = (performance.now() - began) / 1000;
  if (run.status === 0) {
    const report = jointReportSchema.parse(JSON.parse(readFileSync(join(out, "report.json"), "utf8")));
    const joint = report.metrics.test.auc;
    const alone = report.guestOnly.test.auc;
    const fits = joint >= c.aucAtLeast && joint - alone >= c.gainAtLeast && report.leakage.insidePlan;
    if (!fits) failed++;
    // Time is printed with its bar, not judged: CI machines are shared.
    process.stdout.write(`${c.name}: test AUC ${joint.toFixed(4)} (bar ${c.aucAtLeast}), guest alone ${alone.toFixed(4)}, gain ${(joint - alone).toFixed(4)} (bar ${c.gainAtLeast}), `
      + `KS ${report.metrics.test.ks.toFixed(4)}, ${seconds.toFixed(1)} s (bar ${c.secondsAtMost} s): ${fits ? "ok" : "MISSED"}\n`);
  } else failed++;
  rmSync(out, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;
