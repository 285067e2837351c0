// A million companies scored with the masked scorecard: `yunei score` as a bank runs it, from the start of the command to the file of scores. Platform
// and enclaves are processes of their own on this machine, over mutual TLS; their data are loaded and a model is trained before it begins.
import { spawn } from "node:child_process";
import { createReadStream, createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { initialisePlatform, openAdmin } from "../api/admin.ts";
import { jointReportSchema } from "../report/schema.ts";
import { fileParty, partyFolder, setUpParty } from "../cli/sandbox/parties.ts";
import { openSealed } from "../cli/institution-key.ts";
import { admitProfile, createProfile, openProfile } from "../cli/profile.ts";
import { bubblewrapWorks, startEnclave, startPlatform, type Started } from "../cli/processes.ts";
import { silentLog } from "../core/env.ts";
import { systemRng } from "../core/rng.ts";
import { writeBatchData, type BatchFiles } from "./batch-data.ts";
import type { Figure } from "./figures.ts";
import { watchTree, type Watch } from "./run-process.ts";

const shape = { companies: 1_000_000, history: 20_000, guestColumns: 10, hostColumns: 10, hosts: ["tax", "power"] } as const;
const bars = { wallSeconds: 60, memoryMb: 1536 } as const;
const workers = 2;

export async function batchBench(note: (text: string) => void): Promise<Figure[]> {
  const work = mkdtempSync(join(tmpdir(), "yunei-bench-"));
  const running: Started<unknown>[] = [];
  const watch = watchTree(process.pid);
  try {
    const files = writeBatchData(join(work, "data"), shape);
    const { profile, model } = await trained(work, files, running);
    const figures: Figure[] = [];
    for (const format of ["csv", "ndjson"] as const) {
      const file = format === "csv" ? files.batch : await asNdjson(files.batch, join(work, "data", "batch.ndjson"));
      figures.push(...(await scored({ work, profile, model, file, format, watch })));
    }
    note(`${shape.companies.toLocaleString("en-US")} companies with opaque ids that both of 2 providers hold, ${shape.guestColumns} columns of the bank and ${shape.hostColumns} of each provider; no consents`);
    note("an enclave's largest memory is that of its whole life, the training before the batch included; the figure of the CSV run is the one to read, as the second batch comes on top of the first");
    return figures;
  } finally {
    watch.stop();
    await Promise.all(running.map((p) => p.stop()));
    rmSync(work, { recursive: true, force: true });
  }
}

/** Starts everything, and trains a scorecard on the bank's history. */
async function trained(work: string, files: BatchFiles, running: Started<unknown>[]): Promise<{ profile: string; model: string }> {
  const env = { rng: systemRng, now: Date.now, log: silentLog };
  const data = join(work, "platform");
  await initialisePlatform({ data, env });
  const platform = await startPlatform(data, join(work, "logs", "platform.log"), { api: 0, enclave: 0 });
  running.push(platform);
  const apiUrl = `https://127.0.0.1:${platform.ready.apiPort}`;
  const profile = join(work, "yunei-bank.json");
  const sealTo = createProfile(profile);
  const bank = fileParty("bank", files.guest, files.id, { label: "y", idKind: "opaque" });
  const parties = [bank, ...Object.entries(files.hosts).map(([name, file]) => fileParty(name, file, files.id, { idKind: "opaque" }))];
  const admin = await openAdmin({ data, env });
  try {
    for (const party of parties) {
      await setUpParty(party, {
        folder: partyFolder(work, party.name), apiUrl, enclaveUrl: `https://127.0.0.1:${platform.ready.enclavePort}`, token: await admin.createEnrolToken(party.name), guest: bank.name, sealTo: sealTo.x,
        hosts: shape.hosts.length, kinds: ["scorecard", "score"], workers, peerTimeoutSeconds: 600,
      });
    }
    const { institution, apiKey } = await admin.addInstitution({ name: "bank", guest: bank.name, sealTo });
    writeFileSync(join(work, "admission.json"), JSON.stringify({ institution, guest: "bank", url: apiUrl, apiKey, ca: readFileSync(join(data, "ca.pem"), "utf8") }), { mode: 0o600 });
  } finally {
    await admin.close();
  }
  admitProfile(profile, join(work, "admission.json"));
  const bubblewrap = bubblewrapWorks();
  for (const party of parties) running.push(await startEnclave(party.name, partyFolder(work, party.name), party.dataFolder, join(work, "logs", `${party.name}.log`), bubblewrap));
  const { api, key, guest } = openProfile(profile);
  try {
    while ((await api.datasets()).datasets.length < parties.length) await new Promise((resolve) => setTimeout(resolve, 50));
    const job = await api.submit({ kind: "scorecard", guest, hosts: parties.slice(1).map((p) => p.name), purpose: "model-development", params: { scorecard: { fit: { refinementRounds: 0 } } } });
    for await (const event of api.events(job.id)) if (event.type === "state" && event.failure !== null) throw new Error(`the training failed: ${event.failure.code}`);
    return { profile, model: jointReportSchema.parse(JSON.parse(await openSealed(await api.result(job.id, "report"), key))).model.id };
  } finally {
    await api[Symbol.asyncDispose]();
  }
}

type Run = { readonly work: string; readonly profile: string; readonly model: string; readonly file: string; readonly format: "csv" | "ndjson"; readonly watch: Watch };

async function scored({ work, profile, model, file, format, watch }: Run): Promise<Figure[]> {
  const out = join(work, `out-${format}`);
  const before = watch.cpuSeconds();
  const began = performance.now();
  const child = spawn(process.execPath, [join(import.meta.dirname, "..", "cli", "main.ts"), "score", "--model", model, "--file", file, "--dir", partyFolder(work, "bank"), "--profile", profile, "--out", out, "--format", format], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const [status] = (await once(child, "close")) as [number | null];
  const wallSeconds = (performance.now() - began) / 1000;
  if (status !== 0) throw new Error(`the scoring ended with status ${status}: ${said.trim().split("\n").at(-1) ?? ""}`);
  const rows = await lines(join(out, `scores.${format}`)) - (format === "csv" ? 1 : 0);
  if (rows !== shape.companies) throw new Error(`${rows} scores`);
  const after = watch.cpuSeconds();
  const peaks = watch.peakMb();
  const names = Object.keys(after).filter((name) => name !== "bench").sort();
  const cpu = new Map(names.map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)]));
  const cpuSeconds = [...cpu.values()].reduce((sum, s) => sum + s, 0);
  const of = `${shape.companies.toLocaleString("en-US")} companies from ${format.toUpperCase()}`;
  return [
    { name: `${of}: from the start of the command to the file of scores`, value: wallSeconds, unit: "s", cpuSeconds, bar: { atMost: bars.wallSeconds } },
    { name: `${of}: largest process`, value: Math.round(Math.max(...names.map((name) => peaks[name] ?? 0))), unit: "MB", ...(format === "csv" ? { bar: { atMost: bars.memoryMb } } : {}) },
    { name: `${of}: companies a second of CPU, all processes`, value: shape.companies / cpuSeconds, unit: "/s" },
    ...[...cpu].map(([name, value]): Figure => ({ name: `${of}: CPU of ${name}`, value, unit: "s" })),
    ...names.map((name): Figure => ({ name: `${of}: memory of ${name}`, value: Math.round(peaks[name] ?? 0), unit: "MB" })),
  ];
}

async function lines(path: string): Promise<number> {
  let count = 0;
  for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) for (const byte of piece) if (byte === 10) count += 1;
  return count;
}

async function asNdjson(csv: string, path: string): Promise<string> {
  const to = createWriteStream(path);
  let names: readonly string[] | undefined;
  for await (const line of createInterface({ input: createReadStream(csv) })) {
    const fields = line.split(",");
    if (names === undefined) names = fields;
    else {
      const row = Object.fromEntries(names.flatMap((name, i) => (fields[i] === "" ? [] : [[name, i === 0 || fields[i]?.startsWith("L") ? fields[i] : Number(fields[i])]])));
      if (!to.write(`${JSON.stringify(row)}\n`)) await once(to, "drain");
    }
  }
  to.end();
  await once(to, "finish");
  return path;
}
