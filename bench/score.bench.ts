// Scoring throughput: a batch of new companies through alignment, the model's own protocol and receipts, in the processes of a sandbox
// whose model was just trained. Only the scoring is measured: wall from its first step, CPU that the processes used since then.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { modelKinds, modelRequest } from "../cli/model-request.ts";
import { fileParty } from "../cli/sandbox/parties.ts";
import { runSandbox } from "../cli/sandbox/run.ts";
import { isAppError } from "../core/errors.ts";
import { withGenerated, type Files } from "./cases.ts";
import type { Figure } from "./figures.ts";
import { repeated } from "./job.bench.ts";
import { watchTree } from "./run-process.ts";

type Kind = (typeof modelKinds)[number];
const shape = { rows: 20_000, guestColumns: 10, hostColumns: 20 } as const;
const threads = 2;
/** Few, so that training is short: the batch is what counts. */
const treeParams = JSON.stringify({ trees: 20, depth: 3 });
const split = { kind: "stratified", testShare: 0.3, seed: 42 } as const;
/** How runSandbox announces the batch. */
const scoringStep = "scoring new applications";

export async function scoreBench(runs: number, note: (text: string) => void): Promise<Figure[]> {
  return withGenerated(shape, async (files) => {
    const figures: Figure[] = [];
    for (const kind of modelKinds) {
      try {
        figures.push(...(await repeated(runs, () => scored(kind, files))));
      } catch (error) {
        if (!isAppError(error)) throw error;
        note(`scoring with ${kind} could not be measured: ${error.code}`);
      }
    }
    return figures;
  });
}

async function scored(kind: Kind, files: Files): Promise<Figure[]> {
  const out = mkdtempSync(join(tmpdir(), "yunei-bench-out-"));
  const watch = watchTree(process.pid);
  let before: Readonly<Record<string, number>> = {};
  let began = 0;
  try {
    await runSandbox({
      guest: fileParty("bank", files.guest, files.id, { label: "y", idKind: "opaque" }),
      hosts: Object.entries(files.hosts).map(([name, file]) => fileParty(name, file, files.id, { idKind: "opaque" })),
      model: modelRequest({ model: kind, split, ...(kind === "gbdt" ? { params: treeParams, acceptLeakage: true } : {}) }),
      out, keep: false, workers: threads, batch: files.guest,
      say: (event) => {
        if (event.kind !== "step" || event.en !== scoringStep) return;
        before = watch.cpuSeconds();
        began = performance.now();
      },
    });
    if (began === 0) throw new Error("the sandbox did not announce the batch");
    const wallSeconds = (performance.now() - began) / 1000;
    // The command runs within the bench itself.
    const spent = Object.entries(watch.cpuSeconds()).filter(([name]) => name !== "command" && name !== "bench").map(([name, s]) => s - (before[name] ?? 0));
    const cpuSeconds = spent.reduce((sum, s) => sum + s, 0);
    const of = `${kind}, batch of ${shape.rows.toLocaleString("en-US")} companies`;
    return [
      { name: of, value: wallSeconds, unit: "s", cpuSeconds },
      { name: `${of}: companies a second of wall`, value: shape.rows / wallSeconds, unit: "/s" },
      ...(cpuSeconds > 0 ? [{ name: `${of}: companies a second of CPU, all parties and the platform`, value: shape.rows / cpuSeconds, unit: "/s" }] : []),
    ];
  } finally {
    watch.stop();
    rmSync(out, { recursive: true, force: true });
  }
}
