// Online scores by joint trees: what each side works on one question (CPU of this process), and single requests end to end through a service of real processes.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ServiceClient } from "../cli/service-client.ts";
import { partyId } from "../core/names.ts";
import { systemRng } from "../core/rng.ts";
import { tablePrimeBits } from "../kernels/linear/params.ts";
import { LinearEngine } from "../kernels/linear/seal.ts";
import { TableSelector } from "../kernels/linear/selector.ts";
import { TableOwner } from "../kernels/linear/tables.ts";
import { sigmoid } from "../models/linear/logistic.ts";
import { seededDraw } from "../test/support/draw.ts";
import { forestOf, plantModel } from "../test/support/forest.ts";
import { eventually } from "../test/support/process.ts";
import { Topology } from "../test/support/topology.ts";
import { median, type Figure } from "./figures.ts";

const trees = 200;
const depth = 4;
const columnsOfTax = 20;
const companies = 200;
const requests = 100;

export async function jointTreesBench(): Promise<Figure[]> {
  return [...await kernel(), ...await service()];
}

async function kernel(): Promise<Figure[]> {
  using engine = await LinearEngine.load(tablePrimeBits);
  const keys = TableOwner.create(engine);
  using owner = new TableOwner(engine, keys);
  using selector = new TableSelector(engine, keys.publicKey, systemRng);
  const draw = seededDraw(3);
  const entries = Int32Array.from({ length: trees * (2 ** depth - 1) }, () => draw.int(20) - 10);
  const picks = Array.from({ length: trees }, (_, t) => t * (2 ** depth - 1) + draw.int(2 ** depth - 1));
  const right = picks.reduce((sum, p) => sum + (entries[p] ?? 0), 0);
  const times = { seal: [] as number[], select: [] as number[], open: [] as number[] };
  const timed = <T>(of: number[], work: () => T): T => {
    const before = process.cpuUsage();
    const made = work();
    const { user, system } = process.cpuUsage(before);
    of.push((user + system) / 1000);
    return made;
  };
  for (let i = 0; i < 40; i++) {
    const text = timed(times.seal, () => owner.seal(entries));
    const answer = timed(times.select, () => selector.select(text, picks, { mask: [0n, 0n], providers: 1 }));
    if (timed(times.open, () => owner.open([answer])) !== right) throw new Error("a wrong total");
  }
  return [
    { name: "one question: the bank seals the tables of one provider", value: median(times.seal), unit: "ms" },
    { name: "one question: a provider picks from them", value: median(times.select), unit: "ms" },
    { name: "one question: the bank opens the total", value: median(times.open), unit: "ms" },
  ];
}

async function service(): Promise<Figure[]> {
  const draw = seededDraw(8);
  const ids = Array.from({ length: companies }, (_, i) => `C${100_000 + i}`);
  const tables = new Map<string, Map<string, number[]>>();
  const csv = (party: string, columns: readonly string[], head: readonly string[] = []): string => {
    const rows = new Map(ids.map((id) => [id, columns.map(() => Number(draw.normal().toFixed(3)))]));
    tables.set(party, rows);
    return [`ent_id,${[...head, ...columns].join(",")}`, ...[...rows].map(([id, values], i) => [id, ...head.map(() => i % 2), ...values].join(","))].join("\n");
  };
  const names = { bank: ["amount", "term"], power: ["usage", "bills"], tax: Array.from({ length: columnsOfTax }, (_, i) => `x${i}`) };
  await using topology = await Topology.start({ tables: { bank: csv("bank", names.bank, ["y"]), tax: csv("tax", names.tax), power: csv("power", names.power) } });
  for (const name of ["bank", "tax", "power"] as const) {
    topology.setPolicy(name, (policy) => {
      Object.assign(policy.allow[0] ?? {}, { kinds: ["serve"], purposes: ["loan-approval"], service: { maxPerCompanyPerDay: 1000 }, jointTrees: { maxQuestionsPerCompany: 1000 } });
      return policy;
    });
  }
  const columns = Object.entries(names).flatMap(([party, all]) => all.map((name) => ({ party, name, edge: draw.normal() / 2 })));
  const forest = forestOf({
    model: "model_0123456789abcdef", base: -1, columns,
    trees: Array.from({ length: trees }, () => ({ features: Array.from({ length: depth }, () => draw.int(columns.length)), leaves: Array.from({ length: 2 ** depth }, () => draw.normal() / 40) })),
  });
  plantModel(topology, forest);
  const { id } = await topology.api.submit({
    kind: "serve", guest: partyId("bank"), hosts: ["power", "tax"].map(partyId), purpose: "loan-approval", model: forest.model,
    params: { protection: "joint-trees", timeoutMs: 5000, perCompanyPerDay: 1000, questionsPerCompany: 1000 },
  });
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
    const company = ids[(20 + i) % companies] ?? "";
    const right = forest.odds((party, name) => tables.get(party)?.get(company)?.[names[party as keyof typeof names].indexOf(name)] ?? Number.NaN);
    if (answer.status !== "scored" || Math.abs(answer.probability - sigmoid(right)) > 0.02) throw new Error("a wrong score");
  }
  const sorted = times.sort((a, b) => a - b);
  const name = `one company, ${trees} trees of depth ${depth}, two providers, end to end`;
  return [
    { name: `${name}: p50`, value: median(times), unit: "ms", bar: { atMost: 100 } },
    { name: `${name}: p99`, value: sorted[Math.floor(0.99 * sorted.length)] ?? Number.NaN, unit: "ms" },
  ];
}
