// `yunei enclave publish-tags`: makes the tags that a guest with a much smaller set may keep, ahead of its first job.
import { resolve } from "node:path";
import type { Command } from "commander";
import type { PartyId } from "../../core/brand.ts";
import { silentLog } from "../../core/env.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { loadOwn, memoryKeyOf } from "../../enclave/data/own.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { makeAhead, openTags } from "../../enclave/tags/shelves.ts";
import { CurvePool } from "../../federation/psi/curve-pool.ts";
import { languageOption, partyName } from "../arguments.ts";
import { asOperator } from "../operated.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";

type TagsOptions = { dir: string; guest: PartyId; json?: boolean; lang?: string };

export function addPublishTags(enclave: Command): void {
  enclave.command("publish-tags")
    .description("make the tags that a bank with far fewer companies may keep; can run beside the enclave / 为企业数少得多的银行预先生成标签")
    .requiredOption("--dir <folder>", "folder of this enclave").requiredOption("--guest <party>", "the bank's party name", partyName)
    .option("--json", "print JSON").addOption(languageOption()).action(publish);
}

async function publish(o: TagsOptions): Promise<void> {
  const folder = resolve(o.dir);
  const config = readConfig(folder);
  const paths = enclavePaths(folder);
  const box = SecretBox.open(paths.box, systemRng);
  const dataset = await loadOwn(config, memoryKeyOf(paths.box), silentLog);
  using db = new StateDatabase(paths.state);
  await using curve = new CurvePool({ workers: config.workers });
  const { made } = openTags({ db, box, rng: systemRng, folder: paths.tags });
  const isNew = await asOperator(folder, { word: "publish-tags", objects: { party: o.guest, snapshot: dataset.snapshotDigest } },
    () => makeAhead({ made, curve, self: config.party, guest: o.guest, dataset, progress: percentLines() }));
  if (o.json === true) printJson({ guest: o.guest, companies: dataset.rows, snapshotDigest: dataset.snapshotDigest, new: isNew });
  else printLines([`${o.guest}  ${dataset.rows}  ${dataset.snapshotDigest}`]);
  if (config.reusableTags !== true) {
    const { config: file } = paths;
    remark(languageOf(o.lang), {
      en: `They are used once "reusableTags": true stands in ${file} and the enclave was started again.`,
      zh: `在 ${file} 中设置 "reusableTags": true 并重新启动节点后，这些标签才会被使用。`,
    });
  }
}

/** One line on stderr for each percent, rewritten on a terminal, and for each ten elsewhere. */
function percentLines(): (done: number, total: number) => void {
  const isTerminal = process.stderr.isTTY;
  const step = isTerminal ? 1 : 10;
  let said = 0;
  return (done, total) => {
    const percent = Math.floor((100 * done) / total / step) * step;
    if (percent === said) return;
    said = percent;
    process.stderr.write(isTerminal ? `\r\u001b[K  ${percent}%${percent === 100 ? "\n" : ""}` : `  ${percent}%\n`);
  };
}
