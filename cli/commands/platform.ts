// `yunei platform`: the operator's commands. They work on the data folder, also while the platform runs.
import { spawn } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import { initialisePlatform, openAdmin, type Admin } from "../../api/admin.ts";
import type { PartyId } from "../../core/brand.ts";
import { silentLog, type Env } from "../../core/env.ts";
import { systemRng } from "../../core/rng.ts";
import { writeDurably } from "../../core/files.ts";
import { httpsUrl, languageOption, partyName, port, wholeNumber } from "../arguments.ts";
import { addTestIssuer } from "./test-issuer.ts";
import { refuseExisting, type Admission } from "../profile.ts";
import { partyLines } from "../show.ts";
import { addInstitutions } from "./platform-institutions.ts";
import { addPeople } from "./platform-people.ts";
import { addSource } from "./platform-sources.ts";
import { exitWith } from "../stop.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";

const env: Env = { rng: systemRng, now: Date.now, log: silentLog };
const hourMs = 3_600_000;

type Common = { data: string; json?: boolean; lang?: string };

/** "postgresql://…"; without it the data folder's own SQLite file. In the environment, since arguments can be seen by all users. */
function database(): string | undefined {
  return process.env["YUNEI_DATABASE"];
}

async function withAdmin<T>(data: string, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = await openAdmin({ data, env, database: database() });
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

function common(command: Command): Command {
  return command.option("--data <dir>", "data folder", "platform-data").option("--json", "print JSON").addOption(languageOption());
}

export function addPlatform(program: Command): void {
  const platform = program.command("platform").description("run and administer the platform / 运行与管理平台");
  platform.command("start")
    .description("start it; the first start makes its folder, authority and database / 启动平台")
    .option("--data <dir>", "data folder", "platform-data").option("--api-port <port>", "bank-facing API", port, 8443)
    .option("--enclave-port <port>", "enclaves", port, 8444)
    .option("--host <name...>", "host names and addresses for the server certificate")
    .option("--listen <address>", "address to listen on", "127.0.0.1")
    .action(start);
  common(platform.command("invite").argument("<party>", "name of the party", partyName)
    .description("make a one-time enrolment token for an enclave and print it / 生成一次性注册令牌"))
    .option("--hours <number>", "how long it is valid", wholeNumber(1, 24 * 30), 24)
    .option("--data-provider", "it provides data and is neither an institution nor a local-platform node (those are assessed where the settings want it)").action(invite);
  common(platform.command("institution <name>")
    .description("admit an institution without assessment, for demos; writes its admission, with the API key, to a file / 免评估登记机构（演示用）并写出接入文件"))
    .requiredOption("--guest <party>", "the party of its own enclave", partyName)
    .requiredOption("--seal-to <key>", "public key that `yunei profile create` printed at the institution", sealKey)
    .option("--url <url>", "address of the API as the institution sees it", httpsUrl, "https://127.0.0.1:8443")
    .option("--two-person", "its submissions need a second person")
    .option("--out <file>", "file to write", "admission.json")
    .action(institution);
  addSource(platform);
  addPeople(platform);
  addInstitutions(platform);
  addTestIssuer(platform);
  common(platform.command("parties").description("list parties and their state / 列出参与方")).action(parties);
  common(platform.command("suspend").argument("<party>", "name of the party", partyName)
    .description("refuse a party from its next request on / 停用参与方"))
    .action((party: PartyId, o: Common) => setState(o, party, "suspended"));
  common(platform.command("resume").argument("<party>", "name of the party", partyName)
    .description("admit a suspended party again / 恢复参与方"))
    .action((party: PartyId, o: Common) => setState(o, party, "active"));
}

function sealKey(x: string): string {
  try {
    createPublicKey({ key: { kty: "OKP", crv: "X25519", x }, format: "jwk" });
  } catch {
    throw new InvalidArgumentError("It is the 43 characters that `yunei profile create` prints.");
  }
  return x;
}

async function start(o: { data: string; apiPort: number; enclavePort: number; listen: string; host?: string[] }): Promise<void> {
  await initialisePlatform({ data: o.data, env, database: database() });
  const hosts = (o.host ?? []).flatMap((name) => ["--host", name]);
  const main = join(import.meta.dirname, "..", "..", "api", "main.ts");
  const ports = ["--api-port", String(o.apiPort), "--enclave-port", String(o.enclavePort)];
  const args = ["--disable-warning=ExperimentalWarning", main, "--data", o.data, ...ports, "--listen", o.listen, ...hosts];
  process.exitCode = await exitWith(spawn(process.execPath, args, { stdio: "inherit" }));
}

function invite(party: PartyId, o: Common & { hours: number; dataProvider?: boolean }): Promise<void> {
  return withAdmin(o.data, async (admin) => {
    const token = await admin.createEnrolToken(party, { lifeMs: o.hours * hourMs, isProvider: o.dataProvider === true });
    if (o.json === true) printJson({ party, token });
    else printLines([token]);
  });
}

function parties(o: Common): Promise<void> {
  return withAdmin(o.data, async (admin) => {
    const all = await admin.listParties();
    if (o.json === true) printJson(all);
    else printLines(partyLines(all, languageOf(o.lang)));
  });
}

function setState(o: Common, party: PartyId, state: "suspended" | "active"): Promise<void> {
  return withAdmin(o.data, async (admin) => {
    await (state === "active" ? admin.resumeParty(party) : admin.suspendParty(party));
    if (o.json === true) printJson({ party, state });
    else printLines([`${party}  ${state}`]);
  });
}

async function institution(name: string, o: Common & { guest: PartyId; sealTo: string; url: string; out: string; twoPerson?: boolean }): Promise<void> {
  refuseExisting(o.out);
  await withAdmin(o.data, async (admin) => {
    const made = await admin.addInstitution({ name, guest: o.guest, twoPerson: o.twoPerson, sealTo: { kty: "OKP", crv: "X25519", x: o.sealTo } });
    const admission: Admission = {
      institution: made.institution, guest: o.guest, url: o.url, apiKey: made.apiKey, ca: readFileSync(join(o.data, "ca.pem"), "utf8"),
    };
    writeDurably(o.out, `${JSON.stringify(admission, undefined, 2)}\n`);
    if (o.json === true) printJson({ institution: made.institution, admission: o.out });
    else {
      remark(languageOf(o.lang), { en: `written: ${o.out}. It holds the API key: hand it over on a safe way.`, zh: `已写入 ${o.out}，其中含 API 密钥，请安全移交。` });
      printLines([made.institution]);
    }
  });
}
