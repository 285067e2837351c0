// Scores under the bank's encrypted weights: the provider's work for whole blocks of companies (CPU of this process), and single requests end to end
// through a service of real processes.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ownModelRequest } from "../cli/own-model.ts";
import { ServiceClient } from "../cli/service-client.ts";
import { partyId } from "../core/names.ts";
import { systemRng } from "../core/rng.ts";
import { WeightApplier } from "../kernels/linear/applier.ts";
import { ModelOwner } from "../kernels/linear/owner.ts";
import { linearDegree, maxCode, maxWeight } from "../kernels/linear/params.ts";
import { LinearEngine } from "../kernels/linear/seal.ts";
import { seededDraw } from "../test/support/draw.ts";
import { eventually } from "../test/support/process.ts";
import { Topology } from "../test/support/topology.ts";
import { median, type Figure } from "./figures.ts";

const indicators = 64;
const blocks = 4;
const requests = 500;
const companies = 600;

export async function encryptedModelBench(): Promise<Figure[]> {
  return [...await kernel(), ...await service()];
}

async function kernel(): Promise<Figure[]> {
  using engine = await LinearEngine.load();
  using owner = ModelOwner.create(engine);
  const draw = seededDraw(5);
  const signed = (most: number): number => draw.int(2 * most + 1) - most;
  const weights = Int32Array.from({ length: indicators }, () => signed(maxWeight));
  const began = performance.now();
  const sealed = owner.seal(weights);
  const sealSeconds = (performance.now() - began) / 1000;
  using applier = new WeightApplier(engine, sealed, systemRng);
  const columns = weights.reduce<Int16Array[]>((all) => [...all, Int16Array.from({ length: linearDegree * blocks }, () => signed(maxCode))], []);
  applier.apply(columns, 0, linearDegree);
  const before = process.cpuUsage();
  const answers = Array.from({ length: blocks }, (_, i) => applier.apply(columns, i * linearDegree, linearDegree));
  const spent = process.cpuUsage(before);
  const cpuSeconds = (spent.user + spent.system) / 1e6;
  const opened = performance.now();
  for (const [i, answer] of answers.entries()) {
    const scores = owner.open(answer, linearDegree);
    const row = 17 + i;
    const right = columns.reduce((sum, column, j) => sum + (weights[j] ?? 0) * (column[i * linearDegree + row] ?? 0), 0);
    if (scores[row] !== right) throw new Error("a wrong score");
  }
  const openSeconds = (performance.now() - opened) / 1000 / blocks;
  const name = `${indicators} indicators`;
  return [
    { name: `${name}: companies per CPU-second at the provider`, value: (blocks * linearDegree) / cpuSeconds, unit: "companies/s", cpuSeconds, bar: { atLeast: 80_000 } },
    { name: `${name}: the bank seals the weights of a batch model, once`, value: sealSeconds, unit: "s" },
    { name: `${name}: the bank opens 8,192 companies`, value: openSeconds, unit: "s" },
  ];
}

/** All indicators at one provider, one at another, none at the bank. */
async function service(): Promise<Figure[]> {
  const names = Array.from({ length: indicators }, (_, i) => `x${i}`);
  const draw = seededDraw(6);
  const ids = Array.from({ length: companies }, (_, i) => `C${100_000 + i}`);
  const csv = (columns: readonly string[]): string => [`ent_id,${columns.join(",")}`, ...ids.map((id) => [id, ...columns.map(() => draw.normal().toFixed(3))].join(","))].join("\n");
  await using topology = await Topology.start({ tables: { bank: [`ent_id,y,amount`, ...ids.map((id, i) => `${id},${i % 2},${i}`)].join("\n"), tax: csv(names), power: csv(["usage", "bills"]) } });
  for (const name of ["bank", "tax", "power"] as const) {
    topology.setPolicy(name, (policy) => {
      Object.assign(policy.allow[0] ?? {}, { kinds: ["serve"], purposes: ["loan-approval"], service: { maxPerCompanyPerDay: 1000 }, encryptedModel: {} });
      return policy;
    });
  }
  const file = join(topology.work, "model.json");
  const feature = (name: string, provider: string) => ({ name, provider, centre: 0, scale: 0.02, missing: 0, weight: draw.int(2 * maxWeight) - maxWeight });
  writeFileSync(file, JSON.stringify({ version: 1, intercept: 0, unit: 1e-6, features: [...names.map((n) => feature(n, "tax")), feature("usage", "power")] }));
  const { id: ownModel } = JSON.parse(topology.cli(["enclave", "own-models", "import-linear", "--dir", topology.folder("bank"), "--file", file, "--json"])) as { id: string };
  const { hosts, params } = ownModelRequest(topology.folder("bank"), { ownModel });
  const { id } = await topology.api.submit({ kind: "serve", guest: partyId("bank"), hosts: [...hosts], purpose: "loan-approval", params: { ...params, timeoutMs: 5000, perCompanyPerDay: 1000 } });
  await topology.until(id, "running");
  const client = await ServiceClient.open(topology.api, { service: id, ca: readFileSync(join(topology.platformFolder, "ca.pem"), "utf8"), now: Date.now() });
  const ask = async (i: number) => client.ask({ company: ids[i % companies] ?? "" });
  await eventually("all are there", async () => (await ask(0).catch(() => undefined))?.status === "scored");
  for (let i = 0; i < 20; i++) await ask(i);
  const times: number[] = [];
  for (let i = 0; i < requests; i++) {
    const began = performance.now();
    const answer = await ask(20 + i);
    times.push(performance.now() - began);
    if (answer.status !== "scored") throw new Error(answer.code);
  }
  const sorted = times.sort((a, b) => a - b);
  const name = `one company, ${indicators} + 1 indicators at two providers, end to end`;
  return [
    { name: `${name}: p50`, value: median(times), unit: "ms", bar: { atMost: 50 } },
    { name: `${name}: p99`, value: sorted[Math.floor(0.99 * sorted.length)] ?? Number.NaN, unit: "ms" },
  ];
}
