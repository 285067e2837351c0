// Starts the platform and the enclaves as separate processes, each with as much confinement as this machine gives.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { AppError } from "../core/errors.ts";

const root = join(import.meta.dirname, "..");
/** What an enclave reads of this repository: its program, and no other file that may lie beside it. */
const programParts = ["core", "kernels", "models", "federation", "report", "enclave", "catalogue", "quality", "consent", "receipts", "audit", "public-credit", "indicators", "evaluation", "monitoring", "budgets", "serving", "api/contract.ts", "api/contract", "node_modules", "package.json"].map((part) => join(root, part));
/** What it reads of the system: libraries, the CA list and how names of hosts are resolved. */
const systemParts = ["/usr", "/lib", "/lib64", "/bin", "/etc/ssl", "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"];
const readyTimeoutMs = 120_000;
const stopTimeoutMs = 10_000;

export type Started<T> = { readonly name: string; readonly process: ChildProcess; readonly ready: T; readonly stop: () => Promise<void> };

/** Whether bubblewrap works here (containers often forbid user namespaces). */
export function bubblewrapWorks(): boolean {
  const probe = spawnSync("bwrap", ["--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"], { stdio: "ignore" });
  return probe.status === 0;
}

/** The command of an enclave: Node's permission model always, bubblewrap around it where it works. */
export function enclaveCommand(folder: string, dataFolder: string, options: { readonly bubblewrap: boolean }): { file: string; args: string[]; env: NodeJS.ProcessEnv } {
  const node = process.execPath;
  const program = [
    "--permission", ...programParts.map((part) => `--allow-fs-read=${part}`), `--allow-fs-read=${folder}`, `--allow-fs-read=${folder}/*`,
    `--allow-fs-read=${dataFolder}`, `--allow-fs-read=${dataFolder}/*`, `--allow-fs-write=${folder}/*`,
    "--allow-addons", "--allow-worker", "--allow-net", "--disable-warning=SecurityWarning", "--disable-warning=ExperimentalWarning",
    join(root, "enclave", "main.ts"), folder,
  ];
  const env = { PATH: "/usr/bin:/bin", ORT_DISABLE_TELEMETRY: "1", HOME: folder, LANG: process.env["LANG"] ?? "C.UTF-8" };
  if (!options.bubblewrap) return { file: node, args: program, env };
  const readOnly = [...systemParts, ...programParts, node, dataFolder].flatMap((path) => ["--ro-bind-try", path, path]);
  const wrap = [
    "--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--die-with-parent", "--new-session",
    "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", ...readOnly, "--bind", folder, folder, "--setenv", "YUNEI_BUBBLEWRAP", "1",
  ];
  return { file: "bwrap", args: [...wrap, node, ...program], env };
}

export const platformReady = z.object({ event: z.literal("ready"), apiPort: z.number(), enclavePort: z.number() });
const enclaveReady = z.object({ event: z.literal("ready"), rows: z.number() });

export function startPlatform(data: string, logFile: string, ports: { api: number; enclave: number }): Promise<Started<z.output<typeof platformReady>>> {
  const args = ["--disable-warning=ExperimentalWarning", join(root, "api", "main.ts"), "--data", data, "--api-port", String(ports.api), "--enclave-port", String(ports.enclave)];
  return startProcess("platform", { file: process.execPath, args, env: process.env }, logFile, platformReady);
}

export function startEnclave(name: string, folder: string, dataFolder: string, logFile: string, bubblewrap: boolean): Promise<Started<z.output<typeof enclaveReady>>> {
  return startProcess(name, enclaveCommand(folder, dataFolder, { bubblewrap }), logFile, enclaveReady);
}

export async function startProcess<T>(name: string, command: { file: string; args: string[]; env: NodeJS.ProcessEnv }, logFile: string, schema: z.ZodType<T>): Promise<Started<T>> {
  mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 });
  const errors = openSync(logFile, "a", 0o600);
  const child = spawn(command.file, command.args, { stdio: ["ignore", "pipe", errors], env: command.env });
  closeSync(errors);
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    const hard = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
    await ended;
    clearTimeout(hard);
  };
  try {
    const ready = await firstLine(child, name, schema);
    return { name, process: child, ready, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The line of JSON by which a process says that it is ready, or its error code. */
function firstLine<T>(child: ChildProcess, name: string, schema: z.ZodType<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const { stdout } = child;
    if (stdout === null) throw new AppError("CLI_PROCESS");
    const timer = setTimeout(() => reject(new AppError("CLI_PROCESS")), readyTimeoutMs);
    child.once("error", (cause) => {
      clearTimeout(timer);
      reject(new AppError("CLI_PROCESS", {}, { cause }));
    });
    child.once("exit", () => {
      // A timer that runs on would keep the command alive.
      clearTimeout(timer);
      reject(new AppError("CLI_PROCESS", {}, { cause: new Error(`${name} stopped; see its log`) }));
    });
    createInterface({ input: stdout }).on("line", (line) => {
      clearTimeout(timer);
      const value: unknown = JSON.parse(line);
      const ready = schema.safeParse(value);
      if (ready.success) resolve(ready.data);
      else reject(processError(value));
    });
  });
}

const failedLine = z.object({ event: z.literal("failed"), code: z.string(), facts: z.record(z.string(), z.union([z.number(), z.boolean()])) });

function processError(value: unknown): AppError {
  const failed = failedLine.safeParse(value);
  return failed.success ? new AppError(failed.data.code as AppError["code"], failed.data.facts) : new AppError("CLI_PROCESS");
}
