// Real processes under test: wait for what they say or do, kill them, look at what they leave behind.
import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { assert } from "chai";

/** Polls until `look` gives something other than undefined or false. The limit is a guard against hanging, not a timing. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined | false> | T | undefined | false, limitMs = 60_000): Promise<T> {
  const until = Date.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > until) assert.fail(`waited in vain: ${what}`);
    await delay(15);
  }
}

/** kill -9, and waits until the process is gone. */
export async function killHard(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGKILL");
  await gone;
}

/** All processes below this one: pid, arguments and environment as any user of the machine may see them. */
export function descendants(pid: number): { pid: number; parent: number; args: string; name: string }[] {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      return [{ pid: Number(name), parent, args: readFileSync(`/proc/${name}/cmdline`, "latin1"), name: stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")")) }];
    } catch {
      return []; // gone in the meantime
    }
  });
  const below = (parent: number): typeof all => all.filter((p) => p.parent === parent).flatMap((p) => [p, ...below(p.pid)]);
  return below(pid);
}

/** TCP ports on which a process listens (Linux). */
export function listeningPorts(pid: number): number[] {
  const sockets = new Set(readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1]];
    } catch {
      return []; // closed in the meantime
    }
  }));
  const listen = "0A";
  return ["tcp", "tcp6"].flatMap((table) => readFileSync(`/proc/${pid}/net/${table}`, "utf8").trim().split("\n").slice(1).flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    return fields[3] === listen && sockets.has(fields[9]) ? [Number.parseInt(fields[1]?.split(":")[1] ?? "", 16)] : [];
  }));
}

/** Every file and folder below a folder, with its mode. */
export function walk(folder: string): { path: string; isFolder: boolean; mode: number; bytes: number }[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    let info;
    try {
      info = statSync(path);
    } catch {
      return []; // removed in the meantime
    }
    const own = { path, isFolder: info.isDirectory(), mode: info.mode & 0o777, bytes: info.size };
    return info.isDirectory() ? [own, ...walk(path)] : [own];
  });
}
