// Runs one command and watches the processes that it starts: CPU seconds and largest resident set of each, as the system tells
// them in /proc (Linux; elsewhere both lists stay empty and only the wall time is known).
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";

export type Watched = {
  readonly status: number; readonly wallSeconds: number;
  /** By process name: an enclave is named by its folder. */
  readonly cpuSeconds: Readonly<Record<string, number>>;
  readonly peakMb: Readonly<Record<string, number>>;
  readonly stderr: string;
};

const lookEveryMs = 100;
/** Clock ticks per second of /proc/PID/stat: fixed at 100 by Linux for user space. */
const ticks = 100;

type Seen = { cpuSeconds: number; peakMb: number };

/** Runs `program` with `args` to its end. */
export async function runWatched(program: string, args: readonly string[]): Promise<Watched> {
  const began = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  const seen = new Map<string, Seen>();
  const errors: Buffer[] = [];
  child.stderr.on("data", (part: Buffer) => errors.push(part));
  const timer = setInterval(() => look(child.pid ?? 0, seen), lookEveryMs);
  const status = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
  clearInterval(timer);
  return {
    status, wallSeconds: (performance.now() - began) / 1000, stderr: Buffer.concat(errors).toString("utf8"),
    cpuSeconds: mapValues(seen, (s) => s.cpuSeconds), peakMb: mapValues(seen, (s) => s.peakMb),
  };
}

function mapValues(seen: ReadonlyMap<string, Seen>, of: (s: Seen) => number): Record<string, number> {
  return Object.fromEntries([...seen].map(([name, s]) => [name, of(s)]));
}

/** Takes the figures of `root` and of all that descend from it. Figures only grow, so the last look before an end counts. */
function look(root: number, seen: Map<string, Seen>): void {
  const parents = new Map<number, number>();
  for (const name of numbers("/proc")) {
    const fields = statOf(name);
    if (fields !== undefined) parents.set(name, Number(fields[1]));
  }
  const inTree = (pid: number): boolean => {
    for (let at: number | undefined = pid, steps = 0; at !== undefined && steps < 20; at = parents.get(at), steps++) if (at === root) return true;
    return false;
  };
  for (const pid of parents.keys()) {
    const name = inTree(pid) ? nameOf(pid) : undefined;
    const fields = statOf(pid);
    if (name === undefined || fields === undefined) continue;
    const peak = /VmHWM:\s+(\d+) kB/.exec(textOf(`/proc/${pid}/status`))?.[1];
    const before = seen.get(name) ?? { cpuSeconds: 0, peakMb: 0 };
    seen.set(name, {
      cpuSeconds: Math.max(before.cpuSeconds, (Number(fields[11]) + Number(fields[12])) / ticks),
      peakMb: Math.max(before.peakMb, Number(peak ?? 0) / 1024),
    });
  }
}

/** Fields of /proc/PID/stat from the third on (state, parent, ..): the second holds a name with any characters. */
function statOf(pid: number): string[] | undefined {
  const text = textOf(`/proc/${pid}/stat`);
  return text === "" ? undefined : text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function nameOf(pid: number): string | undefined {
  const args = textOf(`/proc/${pid}/cmdline`).split("\0").filter((a) => a !== "");
  if (!/node/.test(basename(args[0] ?? ""))) return undefined;
  // Flags name files too.
  const entry = args.findIndex((a) => !a.startsWith("-") && a.endsWith(".ts"));
  const file = args[entry] ?? "";
  if (file.endsWith("enclave/main.ts")) return basename(args[entry + 1] ?? "enclave");
  return file.endsWith("api/main.ts") ? "platform" : "command";
}

function numbers(folder: string): number[] {
  try {
    return readdirSync(folder).filter((name) => /^\d+$/.test(name)).map(Number);
  } catch {
    return [];
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
