#!/usr/bin/env node
// Starts the command line under the pinned Node that `npm ci` installed, whatever Node runs this file. Signals are handed
// on, so that stopping this process stops what it started.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const names = [`node-${process.platform}-${process.arch}`, `node-bin-${process.platform}-${process.arch}`];
const node = names.map((name) => join(root, "node_modules", name, "bin", "node")).find((path) => existsSync(path));
if (node === undefined) {
  process.stderr.write("yunei: dependencies are missing. Run `make setup` first. / 缺少依赖，请先执行 make setup。\n");
  process.exit(1);
}
const child = spawn(node, [join(root, "cli", "main.ts"), ...process.argv.slice(2)], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.once("error", (error) => {
  process.stderr.write(`yunei: ${error.message}\n`);
  process.exit(1);
});
child.once("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
