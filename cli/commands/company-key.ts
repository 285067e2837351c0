// `yunei company key`: the company's own key, for consents that nobody but the company can sign.
import type { Command } from "commander";
import { consentEndpoints as c } from "../../api/contract/consents.ts";
import { subjectEndpoints as s } from "../../api/contract/subject.ts";
import { readAccess } from "../company.ts";
import { registerOwnKey } from "../company-key.ts";
import { refuseExisting } from "../profile.ts";
import { printJson, printLines } from "../terminal.ts";
import type { CompanyCommands } from "./company-public.ts";

export function addCompanyKey<O extends { file: string }>(company: Command, { common, run }: CompanyCommands<O>): void {
  const key = company.command("key").description("the company's own key, for consents that it signs itself / 企业自有签名密钥");
  common(key.command("register").description("make one and have the registrar vouch for it; it stays on this machine / 生成并登记")).requiredOption("--out <file>", "file to write (0600)")
    .action((o: O & { out: string }) => run(o, async ({ api, json }) => {
      refuseExisting(o.out);
      const { kid, notAfter } = await registerOwnKey(api, readAccess(o.file), o.out);
      if (json) printJson({ out: o.out, kid, notAfter });
      else printLines([`${kid}  ${notAfter}  ${o.out}`]);
    }));
  common(key.command("list").description("registered keys / 列出")).action((o: O) => run(o, async ({ api, json, language }) => {
    const items = (await api.call(s.exportSubject)).keys;
    if (json) printJson({ items });
    else printLines(items.length === 0 ? [language === "zh" ? "没有登记的密钥" : "no keys"] : items.map((k) => `${k.kid}  ${k.createdAt.slice(0, 10)} … ${k.notAfter.slice(0, 10)}  ${k.withdrawnAt === null ? "" : language === "zh" ? "已撤销" : "withdrawn"}`));
  }));
  common(key.command("withdraw <kid>").description("withdraw one, with all consents that it signed / 撤销密钥及其签署的全部授权"))
    .action((kid: string, o: O) => run(o, async ({ api, json }) => {
      const ended = await api.call(c.withdrawKey, { params: { kid } });
      if (json) printJson(ended);
      else printLines([`${ended.kid}  ${ended.withdrawnAt}`]);
    }));
}
