// `yunei platform init`, `supervisors`, `operators`: the platform's own people. Their keys are made on its machine, in the data folder's
// database, and each is written once to a file of its own (0600); nothing secret is printed.
import { join } from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import { initialisePlatform, openAdmin, type Admin } from "../../api/admin.ts";
import { credentialIdSchema, holderSchema } from "../../api/contract/institutions.ts";
import { writeSettings } from "../../api/settings.ts";
import { silentLog, type Env } from "../../core/env.ts";
import { writeDurably } from "../../core/files.ts";
import { systemRng } from "../../core/rng.ts";
import { languageOption } from "../arguments.ts";
import { refuseExisting } from "../profile.ts";
import { credentialLines } from "../show-institutions.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";

type Common = { data: string; json?: boolean; lang?: string };
type PlatformRole = "supervisor" | "platform-operator";
const env: Env = { rng: systemRng, now: Date.now, log: silentLog };

export function holderName(text: string): string {
  const holder = holderSchema.safeParse(text);
  if (!holder.success) throw new InvalidArgumentError("A staff number or a function: at most 64 letters, digits, spaces, '.', _, @ and -.");
  return holder.data;
}

function holders(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), holderName(text)];
}

function common(command: Command): Command {
  return command.option("--data <dir>", "data folder", "platform-data").option("--json", "print JSON").addOption(languageOption());
}

export function addPeople(platform: Command): void {
  common(platform.command("init").description("make folder, authority and database, and the keys of the first supervisors and operators / 初始化平台及首批监管、运营人员密钥"))
    .option("--supervisor <holder...>", "staff number or function; two are needed to admit anybody", holders)
    .option("--operator <holder...>", "who runs onboarding", holders)
    .option("--keys <folder>", "where the key files are written", "platform-keys")
    .option("--require-assessment", "institutions come in by assessment and two supervisors only").action(init);
  for (const [name, role, zh] of [["supervisors", "supervisor", "监管人员"], ["operators", "platform-operator", "运营人员"]] as const) {
    const people = platform.command(name).description(`${name} of the platform, on its own machine / ${zh}`);
    common(people.command("add").argument("<holder>", "staff number or function", holderName).description(`make a key and write it to a file / 新增${zh}密钥`))
      .requiredOption("--out <file>", "key file to write").action((holder: string, o: Common & { out: string }) => add(role, holder, o));
    common(people.command("list").description(`list them and their keys / 列出${zh}`)).action((o: Common) => withAdmin(o, async (admin) => {
      const found = (await admin.listPeople()).filter((person) => person.role === role);
      if (o.json === true) printJson({ items: found });
      else printLines(credentialLines(found, languageOf(o.lang)));
    }));
    common(people.command("revoke").argument("<key>", "id of the key", credentialId).description("revoke one's key at once / 立即吊销"))
      .action((credential: string, o: Common) => withAdmin(o, async (admin) => {
        await admin.revokePerson({ credential });
        if (o.json === true) printJson({ id: credential });
        else printLines([credential]);
      }));
  }
}

export function credentialId(text: string): string {
  if (!credentialIdSchema.safeParse(text).success) throw new InvalidArgumentError("The id of a key looks like cred_0123456789abcdef01234567.");
  return text;
}

async function withAdmin(o: Common, work: (admin: Admin) => Promise<void>): Promise<void> {
  const admin = await openAdmin({ data: o.data, env, database: process.env["YUNEI_DATABASE"] });
  try {
    await work(admin);
  } finally {
    await admin.close();
  }
}

type InitOptions = Common & { supervisor?: readonly string[]; operator?: readonly string[]; keys: string; requireAssessment?: boolean };

async function init(o: InitOptions): Promise<void> {
  const wanted = [...(o.supervisor ?? []).map((holder) => ["supervisor", holder] as const), ...(o.operator ?? []).map((holder) => ["platform-operator", holder] as const)];
  const files = wanted.map(([role, holder]) => join(o.keys, `${role}-${holder.replaceAll(" ", "-")}.key`));
  for (const file of files) refuseExisting(file);
  const { caFingerprint } = await initialisePlatform({ data: o.data, env, database: process.env["YUNEI_DATABASE"] });
  if (o.requireAssessment === true) writeSettings(o.data, { requireAssessment: true });
  await withAdmin(o, async (admin) => {
    for (const [i, [role, holder]] of wanted.entries()) {
      const { key } = await admin.addPerson({ role, holder });
      writeDurably(files[i] ?? "", `${key}\n`);
    }
  });
  if (o.json === true) printJson({ data: o.data, caFingerprint, keys: files });
  else {
    printLines([o.data, ...files]);
    if (files.length > 0) remark(languageOf(o.lang), { en: "Each file holds one person's key: hand it over on a safe way and delete it here.", zh: "每个文件含一人的密钥，请安全移交并在本机删除。" });
  }
}

function add(role: PlatformRole, holder: string, o: Common & { out: string }): Promise<void> {
  refuseExisting(o.out);
  return withAdmin(o, async (admin) => {
    const { id, key, expiresAt } = await admin.addPerson({ role, holder });
    writeDurably(o.out, `${key}\n`);
    if (o.json === true) printJson({ id, role, holder, expiresAt, file: o.out });
    else printLines([`${id}  ${o.out}`]);
  });
}
