// `yunei platform`: the operator's commands. They work on the data folder, also while the platform runs.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { initialisePlatform, openAdmin, type Admin } from "../../api/admin.ts";
import { silentLog, type Env } from "../../core/env.ts";
import { partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { createInstitutionKey } from "../institution-key.ts";
import { defaultProfile, writeProfile } from "../profile.ts";

const env: Env = { rng: systemRng, now: Date.now, log: silentLog };
const print = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};

async function withAdmin<T>(data: string, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = await openAdmin({ data, env });
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

export function addPlatform(program: Command): void {
  const platform = program.command("platform").summary("run and administer the platform / 运行与管理平台");
  platform.command("start")
    .summary("start it; the first start makes its folder, authority and database")
    .option("--data <dir>", "data folder", "platform-data").option("--api-port <port>", "bank-facing API", "8443").option("--enclave-port <port>", "enclaves", "8444")
    .option("--host <name...>", "host names for the server certificate").option("--listen <address>", "address to listen on", "127.0.0.1")
    .action(start);
  platform.command("invite <party>").summary("make a one-time enrolment token for an enclave").option("--data <dir>", "data folder", "platform-data")
    .action((party: string, o: { data: string }) => withAdmin(o.data, async (admin) => print({ party, token: await admin.createEnrolToken(partyId(party)) })));
  platform.command("institution <name>").summary("register an institution; writes its profile with API key and sealing key")
    .requiredOption("--guest <party>", "the party of its own enclave").option("--data <dir>", "data folder", "platform-data")
    .option("--url <url>", "address of the API as the institution sees it", "https://127.0.0.1:8443").option("--profile <file>", "file to write", defaultProfile)
    .action(institution);
  platform.command("parties").summary("list parties and their state").option("--data <dir>", "data folder", "platform-data")
    .action((o: { data: string }) => withAdmin(o.data, async (admin) => print(await admin.listParties())));
  platform.command("suspend <party>").summary("refuse a party from its next request on").option("--data <dir>", "data folder", "platform-data")
    .action((party: string, o: { data: string }) => withAdmin(o.data, async (admin) => {
      await admin.suspendParty(partyId(party));
      print({ party, state: "suspended" });
    }));
  platform.command("resume <party>").summary("admit a suspended party again").option("--data <dir>", "data folder", "platform-data")
    .action((party: string, o: { data: string }) => withAdmin(o.data, async (admin) => {
      await admin.resumeParty(partyId(party));
      print({ party, state: "active" });
    }));
}

async function start(o: { data: string; apiPort: string; enclavePort: string; listen: string; host?: string[] }): Promise<void> {
  await initialisePlatform({ data: o.data, env });
  const hosts = (o.host ?? []).flatMap((name) => ["--host", name]);
  const main = join(import.meta.dirname, "..", "..", "api", "main.ts");
  const args = ["--disable-warning=ExperimentalWarning", main, "--data", o.data, "--api-port", o.apiPort, "--enclave-port", o.enclavePort, "--listen", o.listen, ...hosts];
  const child = spawn(process.execPath, args, { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  process.exitCode = await new Promise<number>((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
}

async function institution(name: string, o: { guest: string; data: string; url: string; profile: string }): Promise<void> {
  const key = createInstitutionKey();
  const { d = "" } = key.privateJwk;
  await withAdmin(o.data, async (admin) => {
    const made = await admin.addInstitution({ name, guest: partyId(o.guest), sealTo: key.publicJwk });
    writeProfile(o.profile, {
      url: o.url, apiKey: made.apiKey, ca: readFileSync(join(o.data, "ca.pem"), "utf8"), guest: o.guest,
      sealKey: { kty: "OKP", crv: "X25519", x: key.publicJwk.x, d },
    });
    print({ institution: made.institution, profile: o.profile });
  });
}
