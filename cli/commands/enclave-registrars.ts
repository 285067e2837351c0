// `yunei enclave registrars`: whose word on consents counts at this enclave, the lists of withdrawals that it keeps, and which of two lists that
// contradict each other counts once that is cleared.
import { resolve } from "node:path";
import type { Command } from "commander";
import type { PartyId } from "../../core/brand.ts";
import { silentLog } from "../../core/env.ts";
import { isAppError } from "../../core/errors.ts";
import { readRevocationList } from "../../consent/revocation.ts";
import { Trust, type Registrar } from "../../consent/trust.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { keptLists, settleLists } from "../../enclave/consents/lists.ts";
import { keptCertificates, registrarsOf, registrarsSchema } from "../../enclave/consents/trust.ts";
import { loadIdentity } from "../../enclave/keys/identity.ts";
import { readPolicy } from "../../enclave/policy.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { explained, languageOption, partyName } from "../arguments.ts";
import { asOperator } from "../operated.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";

type Options = { dir: string; json?: boolean; lang?: string };
type ListState = "current" | "over" | "contradicted" | "not-believed";
export type RegistrarsView = {
  readonly registrars: readonly { readonly name: string; readonly key: string; readonly from: string; readonly to: string }[];
  readonly lists: readonly { readonly registrar: string; readonly sequence: number; readonly digest: string; readonly state: ListState; readonly issuedAt: string | null; readonly nextUpdate: string | null; readonly withdrawn: number | null }[];
};

const words: Readonly<Record<ListState, { readonly en: string; readonly zh: string }>> = {
  current: { en: "counts", zh: "有效" }, over: { en: "over", zh: "已过期" }, contradicted: { en: "contradicted by another of its number: nothing is used", zh: "与同编号的另一份清单矛盾，停止使用" },
  "not-believed": { en: "of a registrar that the policy does not believe", zh: "策略不信任该登记方" },
};

export function addEnclaveRegistrars(enclave: Command): void {
  const registrars = enclave.command("registrars").description("whose word on companies' consents counts here, and their lists of withdrawals / 所信任的授权登记方及其撤回清单");
  const common = (command: Command): Command => command.requiredOption("--dir <folder>", "folder of this enclave").option("--json", "print JSON").addOption(languageOption());
  common(registrars.command("list").description("registrars that the policy believes, with the fingerprints of their keys, and the lists that are kept / 列出登记方与清单")).action(list);
  common(registrars.command("settle").argument("<registrar>", "name of the registrar", partyName)
    .description("after two lists of one number: keep the one that its registrar and the supervisor say is right; counts at the next start / 清单矛盾查清后，保留其中一份，下次启动生效"))
    .requiredOption("--keep <digest>", "digest of that list, as `list` shows it").action(settle);
}

function list(o: Options): void {
  const folder = resolve(o.dir);
  const paths = enclavePaths(folder);
  const { party } = readConfig(folder);
  const { ca } = loadIdentity(paths.keys, party);
  using db = new StateDatabase(paths.state);
  const policy = readPolicy(paths.policy)?.registrars ?? registrarsSchema.parse({ platform: false });
  const view = viewOf(db, registrarsOf(policy, keptCertificates(db), { ca, log: silentLog }), Date.now());
  if (o.json === true) {
    printJson(view);
    return;
  }
  const language = languageOf(o.lang);
  printLines([
    ...view.registrars.map((r) => `${r.name}  ${r.key}  ${r.from} - ${r.to}`),
    ...view.lists.map((l) => `${l.registrar}  ${l.sequence}  ${l.digest}  ${l.issuedAt ?? ""} - ${l.nextUpdate ?? ""}  ${l.withdrawn ?? ""}  ${words[l.state][language]}`),
  ]);
  if (view.registrars.length === 0) remark(language, { en: "Nobody is believed: every consent is refused.", zh: "未信任任何登记方：所有授权都将被拒绝。" });
}

function viewOf(db: StateDatabase, believed: readonly Registrar[], now: number): RegistrarsView {
  const trust = new Trust(believed);
  const kept = keptLists(db);
  const iso = (ms: number): string => new Date(ms).toISOString();
  return {
    registrars: believed.map(({ name, kid, from, to }) => ({ name, key: kid, from: iso(from), to: iso(to) })),
    lists: kept.map(({ registrar, sequence, digest, jws }) => {
      const isContradicted = kept.filter((other) => other.registrar === registrar).length > 1;
      try {
        const { issuedAt, nextUpdate, entries } = readRevocationList(jws, trust);
        const state = isContradicted ? "contradicted" : now < nextUpdate ? "current" : "over";
        return { registrar, sequence, digest, state, issuedAt: iso(issuedAt), nextUpdate: iso(nextUpdate), withdrawn: entries.size };
      } catch (error) {
        if (!isAppError(error)) throw error;
        return { registrar, sequence, digest, state: "not-believed", issuedAt: null, nextUpdate: null, withdrawn: null };
      }
    }),
  };
}

async function settle(registrar: PartyId, o: Options & { keep: string }): Promise<void> {
  const folder = resolve(o.dir);
  readConfig(folder);
  using db = new StateDatabase(enclavePaths(folder).state);
  const known = keptLists(db).filter((kept) => kept.registrar === registrar);
  if (known.length < 2 || !known.some((kept) => kept.digest === o.keep)) throw explained("CLI_ARGUMENT", "no two lists of this registrar, or none with this digest: see `yunei enclave registrars list`");
  await asOperator(folder, { word: "registrars-settle", objects: { party: registrar } }, () => settleLists(db, registrar, o.keep));
  if (o.json === true) printJson({ registrar, kept: o.keep });
  else remark(languageOf(o.lang), { en: "Kept. It counts once the enclave was started again.", zh: "已保留，重新启动节点后生效。" });
}
