// Runs `yunei` as a user does: a process of its own, from another folder, by the launcher that npm links.
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { assert } from "chai";
import type { Command } from "commander";
import { buildProgram } from "../../cli/program.ts";

const launcher = join(import.meta.dirname, "..", "..", "cli", "yunei.mjs");

export type Outcome = { readonly status: number | null; readonly out: string; readonly err: string };

/** The help of every command below the program, by its full name ("enclave status"). */
export async function allCommands(): Promise<ReadonlyMap<string, string>> {
  const helps = new Map<string, string>();
  const visit = (group: Command, path: readonly string[]): void => {
    for (const command of group.commands) {
      const name = [...path, command.name()];
      command.configureOutput({ writeOut: (text) => helps.set(name.join(" "), `${helps.get(name.join(" ")) ?? ""}${text}`) }).outputHelp();
      visit(command, name);
    }
  };
  visit(await buildProgram(), []);
  return helps;
}

/** Runs one command to its end. */
export function yunei(args: readonly string[], cwd: string): Promise<Outcome> {
  const child = spawn(process.execPath, [launcher, ...args], { cwd, env: { ...process.env, LANG: "C.UTF-8", LC_ALL: "C.UTF-8" }, stdio: ["ignore", "pipe", "pipe"] });
  const text = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text.out += part;
  });
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    text.err += part;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, ...text }));
  });
}

/** `yunei company login`, with what the person does in the browser: the test issuer is told which company; without a hint the person turns back. */
export function companyLogin(o: { url: string; ca: string; file: string; hint: string | undefined }, cwd: string): Promise<Outcome> {
  const child = spawn(process.execPath, [launcher, "company", "login", "--url", o.url, "--ca", o.ca, "--file", o.file, "--wait", "20", "--json"], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const text = { out: "", err: "" };
  let isVisited = false;
  child.stdout.setEncoding("utf8").on("data", (part: string) => (text.out += part));
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    text.err += part;
    const address = /http:\/\/127\.0\.0\.1:\S+/.exec(text.err)?.[0];
    if (address === undefined || isVisited) return;
    isVisited = true;
    const page = new URL(address);
    const back = page.searchParams.get("redirect_uri") ?? "";
    if (o.hint !== undefined) page.searchParams.set("login_hint", o.hint);
    // A stranger who guesses the port gets nothing in.
    void fetch(`${back}?code=stolen&state=guess`).then(() => (o.hint === undefined ? fetch(`${back}?error=access_denied&state=${page.searchParams.get("state")}`) : fetch(page)));
  });
  return new Promise((resolve) => child.once("close", (status) => resolve({ status, ...text })));
}

/** Runs a command that must succeed; returns its stdout without the last line end. */
export async function succeeds(args: readonly string[], cwd: string): Promise<string> {
  const { status, out, err } = await yunei(args, cwd);
  assert.equal(status, 0, `yunei ${args.join(" ")}\n${err}${args.includes("--json") ? out : ""}`);
  return out.trimEnd();
}

/** Runs a command with --json that must succeed, and parses the one line that it prints. */
export async function json<T>(args: readonly string[], cwd: string): Promise<T> {
  const out = await succeeds([...args, "--json"], cwd);
  assert.notInclude(out, "\n", "--json prints one line");
  return JSON.parse(out) as T;
}

/** Runs a command that must fail with exit status 1 and one of these codes; the same with --json. Returns what it said on stderr. */
export async function fails(args: readonly string[], cwd: string, ...codes: readonly string[]): Promise<string> {
  const { status, out, err } = await yunei(args, cwd);
  assert.equal(status, 1, `yunei ${args.join(" ")}\n${out}\n${err}`);
  assert.match(err, new RegExp(`^(${codes.join("|")})( \\(.*\\))?: .+`, "m"), `yunei ${args.join(" ")}`);
  assert.notMatch(err, /^\s+at .*:\d+:\d+/m, "no stack trace");
  return err;
}

export type Server = { readonly ready: Record<string, unknown>; readonly stop: () => Promise<number | null> };

/** Starts a command that runs until it is stopped; resolves with the line by which it says that it is ready. */
export async function serve(args: readonly string[], cwd: string): Promise<Server> {
  const child = spawn(process.execPath, [launcher, ...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    log = (log + part).slice(-2000);
  });
  const line = await firstLine(child, () => `yunei ${args.join(" ")}\n${log}`);
  const ready = JSON.parse(line) as Record<string, unknown>;
  assert.equal(ready["event"], "ready", `${line}\n${log}`);
  return { ready, stop: () => stop(child) };
}

function firstLine(child: ChildProcess, describe: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null) throw new Error("no stdout");
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("exit", () => reject(new Error(`stopped before it was ready: ${describe()}`)));
  });
}

function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    child.once("exit", (code) => resolve(code));
    child.kill("SIGTERM");
  });
}
