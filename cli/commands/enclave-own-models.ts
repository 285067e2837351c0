// `yunei enclave own-models`: models that the bank brings itself, for services that protect it or the data in another way than a scorecard.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { importLinear, importOnnx, listOwn } from "../../enclave/own-models/store.ts";
import { ownModelId } from "../../federation/serve/own-model.ts";
import { existingFile, languageOption } from "../arguments.ts";
import { asOperator } from "../operated.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";

type Options = { dir: string; file: string; json?: boolean; lang?: string };

export function addOwnModels(enclave: Command): void {
  const models = enclave.command("own-models").description("the bank's own models in its enclave, sealed at rest / 机构自有模型（加密存放）");
  const common = (name: string, description: string): Command => models.command(name).description(description)
    .requiredOption("--dir <folder>", "folder of the bank's enclave").option("--json", "print JSON").addOption(languageOption());
  common("import-linear", "a linear model, for the protection encrypted-model: providers apply weights that they cannot read / 引入线性模型（加密模型评分）")
    .requiredOption("--file <json>", "features with provider, centre, scale, missing and weight; intercept, unit, scaling").action((o: Options) => add(o, "linear"));
  common("import-onnx", "an ONNX model, for the protection whole-model: it is sent to one provider's enclave / 引入 ONNX 模型（发送至一个数据方节点运行）")
    .requiredOption("--file <onnx>", "linear, trees or a small net over rows; its output is a probability of bad").action((o: Options) => add(o, "onnx"));
  common("list", "what is there / 查看").action((o: Options) => {
    const found = listOwn({ folder: enclavePaths(resolve(o.dir)).models });
    if (o.json === true) printJson(found);
    else printLines(found.map(({ id, kind }) => `${id}  ${kind}`));
  });
}

async function add(o: Options, kind: "linear" | "onnx"): Promise<void> {
  const folder = resolve(o.dir);
  const { party: self } = readConfig(folder);
  const file = existingFile(o.file);
  const paths = enclavePaths(folder);
  const store = { folder: paths.models, box: SecretBox.open(paths.box, systemRng) };
  const digest = await asOperator(folder, { word: `import-${kind}` }, () => (
    kind === "onnx" ? importOnnx(store, file) : importLinear(store, { text: readFileSync(file, "utf8"), self, rng: systemRng })));
  remark(languageOf(o.lang), { en: "Start a service by it: yunei service start --own-model", zh: "以此启动服务：yunei service start --own-model" });
  if (o.json === true) printJson({ id: ownModelId(digest), digest, kind });
  else printLines([ownModelId(digest)]);
}
