// `yunei model`: files of whole models out, the bank's own models in. Run by the bank on the machine of its own enclave.
import { resolve } from "node:path";
import type { Command } from "commander";
import { modelId } from "../../api/contract/endpoint.ts";
import { monitoringEndpoints } from "../../api/contract/monitoring.ts";
import { stageChallenger } from "../../enclave/challenger.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { existingFile, explained, languageOption } from "../arguments.ts";
import { copyExport, exportable, requestExport } from "../export.ts";
import { asOperator } from "../operated.ts";
import { languageOf, printJson, printLines, Progress, remark } from "../terminal.ts";
import { common, purposeOption, run, type Common } from "./job.ts";

export function addModel(program: Command): void {
  const model = program.command("model").description("whole models as files, and the bank's own models / 模型文件的导出与引入");
  common(model.command("export").description("write a whole model as ONNX and XGBoost JSON, a scorecard as ONNX and PMML; every owner must allow it / 导出完整模型")
    .requiredOption("--model <id>", "model id, from the report or `yunei enclave status`")
    .requiredOption("--dir <folder>", "the bank's own enclave folder on this machine").addOption(purposeOption("model-development"))
    .option("--out <dir>", "folder to write to", "out/model"))
    .action(exportModel);
  common(model.command("stability").argument("<model>", "its id").description("how far each month's companies are from training, per party and column / 模型稳定性"))
    .action((id: string, o: Common) => stability(id, o));
  model.command("add-challenger").description("put the bank's own ONNX model into its enclave; prints its digest, for the parameter `challenger` of a training job / 放入本行模型作对照")
    .requiredOption("--dir <folder>", "the bank's own enclave folder on this machine")
    .requiredOption("--file <onnx>", "its inputs are the bank's own columns, its output a probability of bad")
    .option("--json", "print JSON on stdout").addOption(languageOption())
    .action(addChallenger);
}

async function exportModel(o: Common & { model: string; dir: string; purpose: string; out: string }): Promise<void> {
  const folder = resolve(o.dir);
  const out = resolve(o.out);
  readConfig(folder);
  const asked = exportable(folder, o.model);
  await run(o, ({ api, key, guest, language, json }) => asOperator(folder, { word: "model-export", objects: { model: o.model } }, async () => {
    const progress = new Progress(language, guest);
    remark(language, { en: `All owners must approve: ${asked.hosts.join(", ")}`, zh: `须经各数据方批准：${asked.hosts.join("、")}` });
    const summary = await requestExport(api, key, { ...asked, guest, model: o.model, purpose: o.purpose, say: (event) => progress.job(event) });
    const names = copyExport(folder, summary, out);
    if (json) printJson(summary);
    else printLines([`${out}: ${names.join(" ")}`]);
  }));
}

async function stability(id: string, o: Common): Promise<void> {
  if (!modelId.safeParse(id).success) throw explained("CLI_ARGUMENT", "a model's id looks like model_0123456789abcdef");
  await run(o, async ({ api, json, language }) => {
    const view = await api.call(monitoringEndpoints.modelStability, { params: { model: id } });
    if (json) return printJson(view);
    const lines = view.rows.map(({ month, party, feature, index, level }) => `${month}  ${party}  ${feature}  ${index === null ? "-" : index.toFixed(2)}  ${level}`);
    printLines(lines.length === 0 ? [language === "zh" ? "尚无报送" : "nothing was told yet"] : lines.sort());
  });
}

async function addChallenger(o: { dir: string; file: string; json?: boolean; lang?: string }): Promise<void> {
  const folder = resolve(o.dir);
  readConfig(folder);
  const file = existingFile(o.file);
  const challenger = await asOperator(folder, { word: "add-challenger" }, () => stageChallenger(enclavePaths(folder).models, file));
  remark(languageOf(o.lang), {
    en: "Name it in a training job: --params with \"challenger\": this digest", zh: "在训练任务的 --params 中以 \"challenger\" 给出该摘要",
  });
  if (o.json === true) printJson({ challenger });
  else printLines([challenger]);
}
