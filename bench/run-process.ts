// Watches processes and all that they start: CPU seconds and largest resident set of each, as the system tells them in /proc (Linux;
// elsewhere the lists stay empty and only wall times are known).
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

type Seen = { readonly name: string; cpuSeconds: number; peakMb: number };

export type Watch = {
  /** CPU seconds by process name up to now, of those that have ended too. */
  cpuSeconds(): Record<string, number>;
  peakMb(): Record<string, number>;
  stop(): void;
};

/** Watches `root` and its descendants until it is stopped. */
export function watchTree(root: number): Watch {
  const seen = new Map<number, Seen>();
  const timer = setInterval(() => look(root, seen), lookEveryMs);
  const byName = (value: (s: Seen) => number, join: (a: number, b: number) => number): Record<string, number> => {
    const of: Record<string, number> = {};
    for (const s of seen.values()) of[s.name] = join(of[s.name] ?? 0, value(s));
    return of;
  };
  return {
    cpuSeconds: () => {
      look(root, seen);
      return byName((s) => s.cpuSeconds, (a, b) => a + b);
    },
    peakMb: () => byName((s) => s.peakMb, Math.max),
    stop: () => clearInterval(timer),
  };
}

/** Runs `program` with `args` to its end. */
export async function runWatched(program: string, args: readonly string[]): Promise<Watched> {
  const began = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  const watch = watchTree(child.pid ?? 0);
  const errors: Buffer[] = [];
  child.stderr.on("data", (part: Buffer) => errors.push(part));
  try {
    const status = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve(code ?? 1));
    });
    const wallSeconds = (performance.now() - began) / 1000;
    return { status, wallSeconds, stderr: Buffer.concat(errors).toString("utf8"), cpuSeconds: watch.cpuSeconds(), peakMb: watch.peakMb() };
  } finally {
    watch.stop();
  }
}

/** Takes the figures of `root` and of all that descend from it. Figures only grow, so the last look before an end counts. */
function look(root: number, seen: Map<number, Seen>): void {
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
    const before = seen.get(pid) ?? { cpuSeconds: 0, peakMb: 0 };
    seen.set(pid, {
      name,
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
  if (file.endsWith("bench/main.ts")) return "bench";
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
