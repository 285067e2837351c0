// A standing service under load: real processes, mutual TLS, four providers; the load is a process of its own. Rates of the issue for a minute
// each, then more than two cores can do.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Figure } from "./figures.ts";
import { repeated } from "./job.bench.ts";
import { quantile, type LoadOrder, type LoadResult } from "./serving-result.ts";
import { ServingWorld } from "./serving-world.ts";

const ms = 1000;
/** Requests a second, seconds, and connections that are there before. */
const steady = { rate: 100, seconds: 60, connections: 128 } as const;
const sustained = { rate: 300, seconds: 60, connections: 600 } as const;
const tooMuch = { rate: 1200, seconds: 10, connections: 600 } as const;
/** Before what is measured: programs are compiled, connections made. What it was like stands beside the figures. */
const warmUp = { rate: 100, seconds: 10, connections: 128 } as const;
const bars = { p50: 15, p99: 60, flatMb: 64, boundedMs: 5_000 } as const;
const params = { setsPerCompany: 2, fallback: "missing-bin", timeoutMs: 1000, perCompanyPerDay: 1000 } as const;
const sampleMs = 500;

type Run = { readonly result: LoadResult; readonly cpuSeconds: ReadonlyMap<string, number>; readonly memory: ReadonlyMap<string, Memory> };
/** MB in the first and in the last quarter of a run, the least of each: what a collector has not yet thrown away does not count. */
type Memory = { readonly first: number; readonly last: number; readonly most: number };

export async function servingBench(runs: number): Promise<Figure[]> {
  return repeated(runs, async () => [...await plain(), ...await withConsents()]);
}

async function plain(): Promise<Figure[]> {
  await using world = await ServingWorld.start();
  const service = (await world.service(params)).view.id;
  const first = await load(world, service, warmUp);
  const at100 = await load(world, service, steady);
  const at300 = await load(world, service, sustained);
  const over = await load(world, service, tooMuch);
  return [
    ...cold(`${steady.rate} a second`, first), ...barred(`${steady.rate} a second`, at100), ...costs(`${steady.rate} a second`, at100),
    ...bounded(`${sustained.rate} a second`, at300), ...flat(`${sustained.rate} a second`, at300), ...costs(`${sustained.rate} a second`, at300),
    ...bounded(`${tooMuch.rate} a second`, over),
  ];
}

async function withConsents(): Promise<Figure[]> {
  await using world = await ServingWorld.start({ consents: true });
  const service = (await world.service(params)).view.id;
  const first = await load(world, service, warmUp);
  const run = await load(world, service, steady);
  return [...cold(`${steady.rate} a second, with consents`, first), ...barred(`${steady.rate} a second, with consents`, run), ...costs(`${steady.rate} a second, with consents`, run)];
}

/** One run of the load, with CPU and memory of every process while it lasted. */
async function load(world: ServingWorld, service: string, how: Pick<LoadOrder, "rate" | "seconds" | "connections">): Promise<Run> {
  const order: LoadOrder = { ...how, url: world.url, apiKey: world.apiKey, ca: world.ca, service, companies: world.companyNames };
  const child = spawn(process.execPath, [join(import.meta.dirname, "serving-load.ts")], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stdin.write(`${JSON.stringify(order)}\n`);
    if ((await lines.next()).value !== "ready") throw new Error("the load did not start");
    const pids = [...world.pids];
    const cpu = new Map(pids.map(([name, pid]) => [name, cpuOf(pid)]));
    const samples = new Map(pids.map(([name]): [string, number[]] => [name, []]));
    const timer = setInterval(() => {
      for (const [name, pid] of pids) samples.get(name)?.push(memoryOf(pid));
    }, sampleMs);
    child.stdin.write("go\n");
    const { value } = await lines.next();
    clearInterval(timer);
    const result = JSON.parse(String(value)) as LoadResult;
    return {
      result, cpuSeconds: new Map(pids.map(([name, pid]) => [name, cpuOf(pid) - (cpu.get(name) ?? 0)])),
      memory: new Map([...samples].map(([name, all]) => [name, memoryFigures(all)])),
    };
  } finally {
    child.stdin.end();
    child.kill();
  }
}

function cold(of: string, { result: { latencies } }: Run): Figure[] {
  return [{ name: `${of}, the first ${warmUp.seconds} seconds after the start: 99 of 100 answers within`, value: quantile(latencies, 0.99), unit: "ms" }];
}

function barred(of: string, { result }: Run): Figure[] {
  const { sent, latencies, statuses, partial } = result;
  return [
    { name: `${of}: half of the answers within`, value: quantile(latencies, 0.5), unit: "ms", bar: { atMost: bars.p50 } },
    { name: `${of}: 99 of 100 answers within`, value: quantile(latencies, 0.99), unit: "ms", bar: { atMost: bars.p99 } },
    { name: `${of}: the slowest answer`, value: quantile(latencies, 1), unit: "ms" },
    { name: `${of}: of ${sent.toLocaleString("en-US")} requests, without a score`, value: sent - (statuses["scored"] ?? 0), unit: "", bar: { atMost: 0 } },
    { name: `${of}: scored without a provider`, value: partial, unit: "", bar: { atMost: 0 } },
  ];
}

/** Answered or refused with 429 and when to come again; nothing else. */
function bounded(of: string, { result }: Run): Figure[] {
  const { sent, seconds, latencies, refusedLatencies, codes, withoutRetry, mostWaiting } = result;
  const busy = codes["429 SERVICE_BUSY"] ?? 0;
  return [
    { name: `${of}: answers a second`, value: latencies.length / seconds, unit: "/s" },
    { name: `${of}: half of the answers within`, value: quantile(latencies, 0.5), unit: "ms" },
    { name: `${of}: 99 of 100 answers within`, value: quantile(latencies, 0.99), unit: "ms", bar: { atMost: bars.boundedMs } },
    { name: `${of}: of ${sent.toLocaleString("en-US")} requests, refused with 429`, value: busy, unit: "" },
    ...(refusedLatencies.length === 0 ? [] : [{ name: `${of}: 99 of 100 refusals within`, value: quantile(refusedLatencies, 0.99), unit: "ms" }]),
    { name: `${of}: neither answered nor refused with 429 and Retry-After`, value: sent - latencies.length - busy + withoutRetry, unit: "", bar: { atMost: 0 } },
    { name: `${of}: under way at most, at the client`, value: mostWaiting, unit: "" },
  ];
}

function flat(of: string, { memory }: Run): Figure[] {
  const growth = Math.max(...[...memory.values()].map(({ first, last }) => last - first));
  return [{ name: `${of}: growth of memory from the first to the last quarter, the process that grew most`, value: Math.max(0, Math.round(growth)), unit: "MB", bar: { atMost: bars.flatMb } }];
}

function costs(of: string, { result, cpuSeconds, memory }: Run): Figure[] {
  const each = (seconds: number): number => (seconds * ms) / result.sent;
  const names = [...cpuSeconds.keys()].sort();
  return [
    ...names.map((name): Figure => ({ name: `${of}: CPU of ${name}, a request`, value: each(cpuSeconds.get(name) ?? 0), unit: "ms" })),
    { name: `${of}: CPU of the load itself, a request (sealed before)`, value: each(result.cpuSeconds), unit: "ms" },
    { name: `${of}: the load was late by at most`, value: result.latestMs, unit: "ms" },
    ...names.map((name): Figure => ({ name: `${of}: memory of ${name}, at most`, value: Math.round(memory.get(name)?.most ?? 0), unit: "MB" })),
  ];
}

function memoryFigures(samples: readonly number[]): Memory {
  const quarter = Math.max(1, samples.length >> 2);
  return { first: Math.min(...samples.slice(0, quarter)), last: Math.min(...samples.slice(-quarter)), most: Math.max(...samples) };
}

/** Clock ticks per second of /proc/PID/stat: fixed at 100 by Linux for user space. */
const ticks = 100;

function cpuOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticks;
}

function memoryOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
}
