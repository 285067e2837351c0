// `yunei enclave operators`: who decides at this enclave where its policy wants four eyes, and their signed decisions.
import type { KeyObject } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import type { JobId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { signDecision } from "../../enclave/operators/decisions.ts";
import { createOperatorKey, openOperatorKey } from "../../enclave/operators/key.ts";
import { operatorNameSchema, readOperators, writeOperators, type Operator } from "../../enclave/operators/list.ts";
import { languageOption } from "../arguments.ts";
import { asOperator } from "../operated.ts";
import { readPassphrase } from "../passphrase.ts";
import { languageOf, printJson, printLines } from "../terminal.ts";

type Common = { dir: string; json?: boolean; lang?: string };
type WithPassphrase = Common & { passphraseFile?: string };

export function operatorName(text: string): string {
  const name = operatorNameSchema.safeParse(text);
  if (!name.success) throw new InvalidArgumentError("An operator's name has at most 32 characters of a-z, 0-9, '.', _ and -.");
  return name.data;
}

/** The options with which a decision is signed. */
export function signingOptions(command: Command): Command {
  return command.option("--as <operator>", "sign as this operator (policy: four-eyes)", operatorName)
    .option("--passphrase-file <file>", "file whose first line is the operator's passphrase; without it, it is asked for");
}

export function addEnclaveOperators(enclave: Command): void {
  const operators = enclave.command("operators").description("people who sign decisions where the policy wants four eyes / 四眼原则下的操作员");
  const common = (command: Command): Command =>
    command.requiredOption("--dir <folder>", "folder of this enclave").option("--json", "print JSON").addOption(languageOption());
  common(operators.command("add").argument("<name>", "staff number or function", operatorName)
    .description("make a signing key under this operator's passphrase / 为操作员生成受口令保护的签名密钥"))
    .option("--passphrase-file <file>", "file whose first line is the passphrase; without it, it is asked for").action(add);
  common(operators.command("list").description("list them / 列出操作员")).action((o: Common) => show(o, readOperators(enclavePaths(resolve(o.dir)).operators)));
  common(operators.command("remove").argument("<name>", "operator", operatorName)
    .description("take one off the list: what this operator signed counts no more / 移除操作员")).action(remove);
}

async function add(name: string, o: WithPassphrase): Promise<void> {
  const folder = resolve(o.dir);
  readConfig(folder);
  const paths = enclavePaths(folder);
  const before = readOperators(paths.operators);
  if (before.some((operator) => operator.name === name)) throw new AppError("OPERATOR_EXISTS", { operators: before.length });
  const passphrase = await readPassphrase(o.passphraseFile, languageOf(o.lang), true);
  await recorded(folder, "operator-add", async () => {
    mkdirSync(paths.operatorKeys, { recursive: true, mode: 0o700 });
    const operator = await createOperatorKey(keyFile(folder, name), name, passphrase, systemRng);
    writeOperators(paths.operators, [...before, operator]);
    show(o, [operator]);
  });
}

async function remove(name: string, o: Common): Promise<void> {
  const folder = resolve(o.dir);
  const paths = enclavePaths(folder);
  const before = readOperators(paths.operators);
  const rest = before.filter((operator) => operator.name !== name);
  if (rest.length === before.length) throw new AppError("OPERATOR_UNKNOWN");
  await recorded(folder, "operator-remove", () => {
    writeOperators(paths.operators, rest);
    rmSync(keyFile(folder, name), { force: true });
    show(o, rest);
  });
}

/** An operator's decision on a plan, signed with the operator's key. Throws OPERATOR_UNKNOWN, OPERATOR_KEY, OPERATOR_PASSPHRASE. */
export async function signAs(
  folder: string, name: string, matter: { readonly job: JobId; readonly planDigest: string; readonly decision: "approve" | "refuse" }, o: { passphraseFile?: string; lang?: string },
): Promise<string> {
  const party: PartyId = readConfig(folder).party;
  const { key } = await signerOf(folder, name, o);
  return signDecision({ ...matter, party, operator: name, at: new Date(Date.now()).toISOString() }, key);
}

/** An operator with the signing key, opened by the passphrase. Throws OPERATOR_UNKNOWN, OPERATOR_KEY, OPERATOR_PASSPHRASE. */
export async function signerOf(folder: string, name: string, o: { passphraseFile?: string; lang?: string }): Promise<{ readonly operator: string; readonly key: KeyObject }> {
  const operator = readOperators(enclavePaths(folder).operators).find((known) => known.name === name);
  if (operator === undefined) throw new AppError("OPERATOR_UNKNOWN");
  return { operator: name, key: await openOperatorKey(keyFile(folder, name), operator, await readPassphrase(o.passphraseFile, languageOf(o.lang))) };
}

function keyFile(folder: string, name: string): string {
  return join(enclavePaths(folder).operatorKeys, `${name}.json`);
}

function recorded(folder: string, word: string, work: () => Promise<void> | void): Promise<void> {
  return asOperator(folder, { word }, work);
}

function show(o: Common, operators: readonly Operator[]): void {
  if (o.json === true) printJson({ operators });
  else printLines(operators.map(({ name, key }) => `${name}  ${key}`));
}
