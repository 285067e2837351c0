// The platform as a process: arguments in, one JSON line on stdout when it listens, logs on stderr, stops on SIGTERM.
import { parseArgs } from "node:util";
import type { Env } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { weighExternalMemory } from "../core/heap.ts";
import { stderrLog } from "../core/log.ts";
import { systemRng } from "../core/rng.ts";
import type { CompilePlan } from "./platform.ts";
import { startPlatform } from "./server.ts";

function readArguments(args: readonly string[]) {
  const port = (text: string | undefined): number | undefined => {
    if (text === undefined) return undefined;
    if (!/^[0-9]{1,5}$/.test(text) || Number(text) > 65_535) throw new AppError("PLATFORM_ARGUMENTS");
    return Number(text);
  };
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        data: { type: "string" },
        "api-port": { type: "string" },
        "enclave-port": { type: "string" },
        database: { type: "string" },
        listen: { type: "string" },
        host: { type: "string", multiple: true },
        "log-level": { type: "string" },
      },
    });
    if (values.data === undefined) throw new AppError("PLATFORM_ARGUMENTS");
    return {
      data: values.data,
      apiPort: port(values["api-port"]),
      enclavePort: port(values["enclave-port"]),
      // A URL with a password is better given in the environment: arguments can be seen by every user of the machine.
      database: values.database ?? process.env["YUNEI_DATABASE"],
      listen: values.listen,
      hosts: values.host,
      logLevel: values["log-level"] ?? "info",
    };
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError("PLATFORM_ARGUMENTS", {}, { cause });
  }
}

/** Runs until SIGTERM or SIGINT. Exit status 1, and one line on stderr, if it cannot start. */
export async function runPlatformProcess(args: readonly string[], compilePlan: CompilePlan): Promise<void> {
  weighExternalMemory();
  try {
    const { logLevel, ...options } = readArguments(args);
    const log = stderrLog(logLevel);
    const env: Env = { rng: systemRng, now: Date.now, log };
    const running = await startPlatform({ ...options, env, compilePlan });
    let isStopping = false;
    const stop = (): void => {
      if (isStopping) return;
      isStopping = true;
      log.info("platform.stopping");
      running.stop().then(
        () => process.exit(0),
        () => process.exit(1),
      );
    };
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);
    process.stdout.write(
      `${JSON.stringify({ event: "ready", apiPort: running.apiPort, enclavePort: running.enclavePort, pid: process.pid })}\n`,
    );
    log.info("platform.ready", { apiPort: running.apiPort, enclavePort: running.enclavePort });
  } catch (error) {
    const code = error instanceof AppError ? error.code : "PLATFORM_INTERNAL";
    const system = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
    process.stderr.write(`${JSON.stringify({ event: "platform.failed", code, reason: system })}\n`);
    process.exitCode = 1;
  }
}
