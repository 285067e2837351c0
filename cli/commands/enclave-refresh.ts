// `yunei enclave refresh`: has a running enclave load its data anew, and waits for what it says.
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import { AppError, isAppError } from "../../core/errors.ts";
import { lockFolder } from "../../core/lock.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { RefreshStore, type Refresh } from "../../enclave/refresh/store.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { integer } from "../../report/format.ts";
import { languageOption, wholeNumber } from "../arguments.ts";
import { asOperator } from "../operated.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";

type RefreshOptions = { dir: string; accept?: boolean; wait: number; json?: boolean; lang?: string };

const askEveryMs = 200;
/** How often it is seen whether the enclave still runs. */
const lookEvery = 10;

export function addRefresh(enclave: Command): void {
  enclave.command("refresh")
    .description("have the running enclave load its data files anew, without a restart; running jobs end with the data that they began with / 让运行中的节点重新加载数据文件，无需重启；运行中的任务仍用原数据")
    .requiredOption("--dir <folder>", "folder of this enclave")
    .option("--accept", "also when columns, items or fields are others, or most companies are gone: what is published changes, and services that need the old form end / 列、信息项、核验字段有变或企业数大减时仍接受：将改变已发布内容，并终止依赖原结构的服务")
    .option("--wait <seconds>", "how long to wait for the answer / 等待答复的秒数", wholeNumber(1, 86_400), 1800)
    .option("--json", "print JSON").addOption(languageOption()).action(refresh);
}

async function refresh(o: RefreshOptions): Promise<void> {
  const folder = resolve(o.dir);
  readConfig(folder);
  const paths = enclavePaths(folder);
  requireRunning(paths.lock);
  using db = new StateDatabase(paths.state);
  const store = new RefreshStore(db);
  const ended = await asOperator(folder, { word: "refresh", facts: { accept: o.accept === true } }, async () => {
    const id = store.ask(Date.now(), o.accept === true);
    const answer = await answered(store, id, { lock: paths.lock, until: Date.now() + o.wait * 1000, language: o.lang });
    if (answer.state === "refused") throw new AppError(answer.code ?? "DATA_ENGINE", answer.facts);
    return answer;
  });
  const { state, rows, before, snapshotDigest } = ended;
  if (o.json === true) printJson({ state, rows, before, snapshotDigest });
  else if (languageOf(o.lang) === "zh") printLines([state === "taken" ? `新数据已启用：${integer(rows ?? 0)} 行（此前 ${integer(before ?? 0)} 行）  ${snapshotDigest ?? ""}` : `数据没有变化：${integer(rows ?? 0)} 行  ${snapshotDigest ?? ""}`]);
  else printLines([state === "taken" ? `new data in service: ${integer(rows ?? 0)} rows (before: ${integer(before ?? 0)})  ${snapshotDigest ?? ""}` : `the data are the same: ${integer(rows ?? 0)} rows  ${snapshotDigest ?? ""}`]);
}

/** Throws DATA_REFRESH_LATE, and DATA_REFRESH_STOPPED when the enclave is stopped meanwhile: its next start answers the request. */
async function answered(store: RefreshStore, id: number, { lock, until, language }: { readonly lock: string; readonly until: number; readonly language: string | undefined }): Promise<Refresh> {
  let isSaid = false;
  for (let looks = 1; Date.now() < until; looks++) {
    const found = store.get(id);
    if (found !== undefined && found.state !== "asked") return found;
    if (found?.code === "DATA_REFRESH_HELD" && !isSaid) {
      isSaid = true;
      remark(languageOf(language), { en: "waits until a running job that needs an older version of the data has ended", zh: "等待占用旧版本数据的任务结束" });
    }
    if (looks % lookEvery === 0) requireRunning(lock);
    await delay(askEveryMs);
  }
  throw new AppError("DATA_REFRESH_LATE");
}

/** Who can take the lock is alone. */
function requireRunning(lock: string): void {
  try {
    lockFolder(lock, "ENCLAVE_STATE", 0)[Symbol.dispose]();
  } catch (error) {
    if (isAppError(error)) return;
    throw error;
  }
  throw new AppError("DATA_REFRESH_STOPPED");
}
