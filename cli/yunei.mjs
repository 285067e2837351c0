#!/usr/bin/env node
// Starts the command line under the pinned Node that `npm ci` installed, whatever Node runs this file.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const names = [`node-${process.platform}-${process.arch}`, `node-bin-${process.platform}-${process.arch}`];
const node = names.map((name) => join(root, "node_modules", name, "bin", "node")).find((path) => existsSync(path));
if (node === undefined) {
  process.stderr.write("yunei: dependencies are missing. Run `make setup` first. / 缺少依赖，请先执行 make setup。\n");
  process.exit(1);
}
const result = spawnSync(node, [join(root, "cli", "main.ts"), ...process.argv.slice(2)], { stdio: "inherit" });
if (result.error) throw result.error;
if (result.signal) process.kill(process.pid, result.signal);
process.exit(result.status ?? 1);
