// Checks of what stands on the command line. A wrong option is named in a sentence on stderr; the error itself is CLI_ARGUMENT.
import { existsSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import type { JobId, PartyId } from "../core/brand.ts";
import { AppError, type Code } from "../core/errors.ts";
import { jobIdSchema, partyIdSchema } from "../core/names.ts";

/** What is wrong, for the screen of the person who typed it. It may name files and options, so it goes to no log and no peer. */
export class Explanation extends Error {}

/** An error whose explanation is printed above its code. */
export function explained(code: Code, sentence: string): AppError {
  return new AppError(code, {}, { cause: new Explanation(sentence) });
}

/** An option's parser: whole numbers from `least` to `most`, written with digits only. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[0-9]{1,15}$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** Ports that a listener may be given; 0 means any free one. */
export const port = wholeNumber(0, 65_535);

export type NetworkLimits = { readonly latencyMs: number; readonly mbitPerSecond: number };

/** "20ms/100mbit": time there and back, and rate in each direction. */
export function networkLimits(text: string): NetworkLimits {
  const found = /^(\d{1,5}(?:\.\d+)?)ms\/(\d{1,6}(?:\.\d+)?)mbit$/.exec(text);
  const [latencyMs, mbitPerSecond] = [Number(found?.[1]), Number(found?.[2])];
  if (!(latencyMs <= 10_000 && mbitPerSecond >= 0.01 && mbitPerSecond <= 100_000)) throw new InvalidArgumentError("It looks like 20ms/100mbit.");
  return { latencyMs, mbitPerSecond };
}

export function partyName(text: string): PartyId {
  const parsed = partyIdSchema.safeParse(text);
  if (!parsed.success) throw new InvalidArgumentError("A party's name starts with a-z and has at most 32 characters of a-z, 0-9, _ and -.");
  return parsed.data;
}

/** Providers of one job, as the schema of a request has it. */
export const mostHosts = 16;

/** For options that take several names: `--host tax utilities`, `--host tax --host utilities`. */
export function partyNames(text: string, before: readonly PartyId[] | undefined): readonly PartyId[] {
  const all = [...(before ?? []), partyName(text)];
  if (all.length > mostHosts) throw new InvalidArgumentError(`At most ${mostHosts} providers.`);
  return all;
}

export function jobName(text: string): JobId {
  const parsed = jobIdSchema.safeParse(text);
  if (!parsed.success) throw new InvalidArgumentError("A job's id looks like job_0123456789abcdef01234567.");
  return parsed.data;
}

export function timeText(text: string): string {
  if (!z.iso.datetime().safeParse(text).success) throw new InvalidArgumentError("It looks like 2026-01-31T00:00:00Z.");
  return text;
}

export function httpsUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "https:" || url.username !== "" || url.search !== "" || url.pathname !== "/") {
    throw new InvalidArgumentError("It looks like https://platform.example:8443.");
  }
  return url.origin;
}

export function languageOption(): Option {
  return new Option("--lang <language>", "language of the output / 输出语言").choices(["en", "zh"]);
}

/** The absolute path of a file that must be there. Throws CLI_FILE. */
export function existingFile(path: string): string {
  const absolute = resolve(path);
  if (!existsSync(absolute) || !statSync(absolute).isFile()) throw explained("CLI_FILE", `not a file: ${path}`);
  return absolute;
}

/** The absolute path of a folder that must be there. Throws CLI_FILE. */
export function existingFolder(path: string): string {
  const absolute = resolve(path);
  if (!existsSync(absolute) || !statSync(absolute).isDirectory()) throw explained("CLI_FILE", `not a folder: ${path}`);
  return absolute;
}

/** Reads a JSON file. Throws CLI_FILE or CLI_JSON. */
export function readJson(path: string): unknown {
  return parseJson(readFileSync(existingFile(path), "utf8"), path);
}

/** Throws CLI_JSON naming where it comes from, never its content. */
export function parseJson(text: string, from: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw explained("CLI_JSON", `not JSON: ${from}`);
  }
}

/** Paths and rules of what a schema refused, one a line. */
export function problemsOf(error: z.ZodError): string {
  return error.issues.map((issue) => `  ${issue.path.map(String).join(".") || "(whole)"}: ${issue.message}`).join("\n");
}

/** An option's parser: a SHA-256 in hex. */
export function digestText(text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new InvalidArgumentError("It is a SHA-256 digest: 64 characters of 0-9 and a-f.");
  return text;
}
