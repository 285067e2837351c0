// `yunei profile`: the institution's own key and its access to a platform, in one file on the institution's machine.
import type { Command } from "commander";
import { languageOption } from "../arguments.ts";
import { admitProfile, createProfile, defaultProfile } from "../profile.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";

type Options = { profile: string; json?: boolean; lang?: string };

export function addProfile(program: Command): void {
  const profile = program.command("profile").description("the institution's key and its access to a platform / 机构的密钥与平台接入配置");
  profile.command("create")
    .description("make the key to which results are sealed; prints its public half, for the platform's operator / 生成结果密封密钥")
    .option("--profile <file>", "file to write", defaultProfile).option("--json", "print JSON").addOption(languageOption()).action(create);
  profile.command("admit <file>").description("add what the platform's operator sent back (API key, address, CA) / 写入平台返回的接入信息")
    .option("--profile <file>", "the institution's profile", defaultProfile).option("--json", "print JSON").addOption(languageOption())
    .action(admit);
}

function create(o: Options): void {
  const { x } = createProfile(o.profile);
  if (o.json === true) printJson({ profile: o.profile, sealTo: x });
  else {
    remark(languageOf(o.lang), { en: `written: ${o.profile}. Keep it secret; send the operator this public key:`, zh: `已写入 ${o.profile}，请妥善保管；请将以下公钥交给平台运营方：` });
    printLines([x]);
  }
}

function admit(file: string, o: Options): void {
  const { institution, guest, url } = admitProfile(o.profile, file);
  if (o.json === true) printJson({ profile: o.profile, institution, guest, url });
  else printLines([`${institution}  ${guest}  ${url}`]);
}
