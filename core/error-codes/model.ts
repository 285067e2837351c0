// Error codes of the area "model". Each says what happened and the way out, in English and Chinese.
import type { ErrorSpec } from "../errors.ts";

export const modelErrors = {
  MODEL_TOO_FEW_ROWS: {
    status: 422,
    en: "There are too few training rows for a statistic. Add companies, or train with fewer parties.",
    zh: "训练样本太少，无法计算统计量。请增加企业数量或减少参与方。",
  },
  MODEL_ONE_CLASS: {
    status: 422,
    en: "The training label has only one class. Check the label column and the split: both goods and bads are needed.",
    zh: "训练标签只有一个类别。请检查标签列与样本划分：好坏样本都需要。",
  },
  MODEL_NO_FEATURE: {
    status: 422,
    en: "No feature passed the floors and the selection. Lower the selection thresholds or bring more features or rows.",
    zh: "没有特征通过下限与筛选。请放宽筛选阈值，或增加特征、样本。",
  },
  MODEL_SHAPE: {
    status: 400,
    en: "Arrays that belong together have different lengths, or an index is out of its range. Rebuild the input from one snapshot.",
    zh: "配套数组长度不一致或索引越界。请用同一份数据快照重新生成输入。",
  },
  MODEL_COUNTS: {
    status: 400,
    en: "Counts contradict each other: negative, not whole, or more events than rows. Do not use them; ask the party to run again.",
    zh: "计数自相矛盾：为负、非整数，或坏样本多于总数。请勿使用，请对方重新计算。",
  },
  MODEL_RANGE: {
    status: 422,
    en: "A sum leaves the range of exact integers (2^53). Use fewer rows or smaller codes.",
    zh: "求和超出精确整数范围（2^53）。请减少行数或缩小编码。",
  },
  MODEL_MANUAL_BINS: {
    status: 422,
    en: "The manual bins are not valid: edges must be finite and increasing, and every bin must pass the floors. Widen the bin named.",
    zh: "手工分箱无效：切点须有限且递增，每一箱须满足下限。请放宽所指分箱。",
  },
  MODEL_TOO_MANY_PARTIES: {
    status: 422,
    en: "The exact split of the gain is defined for at most seventeen parties. Group the smaller providers.",
    zh: "增益的精确分摊最多支持十七个参与方。请将较小的数据方合并。",
  },
  MODEL_TREE_BITS: {
    status: 422,
    en: "A split's bitmap has a wrong length or contradicts the sums or the earlier bitmaps of the same feature. Do not use it; ask the party to run again.",
    zh: "某切分的位图长度有误，或与该特征的汇总、先前位图相矛盾。请勿使用，请对方重新运行。",
  },
  MODEL_TREE_SUMS: {
    status: 422,
    en: "The sums of a feature's bins do not add up to those of the node. Do not use them; ask the party to run again.",
    zh: "某特征各箱之和与节点合计不符。请勿使用，请对方重新运行。",
  },
  MODEL_TREE_FEATURES: {
    status: 422,
    en: "The features or bins are not those of the model to go on from. Use the same features and bins, or train from the start.",
    zh: "特征或分箱与所续训的模型不一致。请使用相同的特征与分箱，或从头训练。",
  },
  MODEL_TREE_STATE: {
    status: 422,
    en: "The saved state is damaged or belongs to another training. Delete it and train from the start.",
    zh: "保存的训练状态已损坏或属于另一次训练。请删除后从头训练。",
  },
  MODEL_TREE_MONOTONE: {
    status: 422,
    en: "A monotone direction names no feature of the job, or one without an order. Name numeric features as party/feature.",
    zh: "单调方向所指特征不存在或没有顺序。请以“参与方/特征”指定数值特征。",
  },
  MODEL_EXPORT_SIZE: {
    status: 422,
    en: "A tree of the model is too large for a file of another tool: special values or categories need many branches. Train with less depth or fewer bins.",
    zh: "模型中的某棵树展开后过大，无法写成其他工具的文件：特殊值或类别需要过多分支。请减小深度或分箱数后重新训练。",
  },
  MODEL_EXPORT_TEXT: {
    status: 422,
    en: "A feature's name or a level holds characters that the file format cannot hold. Rename it at its owner and train again.",
    zh: "特征名或类别值含有该文件格式无法表示的字符。请由数据所有方改名后重新训练。",
  },
  MODEL_EXPORT_CHECK: {
    status: 500,
    en: "The exported file does not score as the model does; it was not kept. This is an error of this program: report it with the model's kind and size.",
    zh: "导出文件的评分与模型不一致，未予保存。这是程序错误，请附模型类型与规模反馈。",
  },
  MODEL_EXPLANATION: {
    status: 422,
    en: "The contributions do not add up to the score: model, bins and score do not belong together. Score the company again with this model.",
    zh: "各项贡献之和与评分不符：模型、分箱与评分不配套。请用该模型重新评分。",
  },
  MODEL_LINEAR: {
    status: 422,
    en: "The file is no linear model of the bank: JSON with features (name, provider, centre, scale, missing, weight of at most 12 bits), intercept and unit, whose largest sum stays below 2^27. See federation/serve/README.md.",
    zh: "该文件不是有效的线性模型：须为 JSON，含特征（名称、数据方、中心、尺度、缺失编码、至多 12 位整数权重）、截距与单位，且最大加权和小于 2^27。见 federation/serve/README.md。",
  },
  MODEL_OWN: {
    status: 404,
    en: "The bank's own model is not in this enclave, or is not the one of the plan. Import it with `yunei enclave own-models import-linear` or `import-onnx`.",
    zh: "本节点没有该自有模型，或与计划不符。请用 yunei enclave own-models import-linear 或 import-onnx 引入。",
  },
  MODEL_ONNX_SHAPE: {
    status: 422,
    en: "A tensor of the ONNX model is larger than a model of a score needs, or its size cannot be known before it runs. Use a linear model, trees or a small net over rows.",
    zh: "ONNX 模型中的张量过大，或其大小无法在运行前确定。请使用线性、树或小型神经网络模型。",
  },
  MODEL_ONNX_TIME: {
    status: 422,
    en: "The ONNX model did not answer in time; it was stopped. Use a smaller one.",
    zh: "ONNX 模型未在限定时间内给出结果，已停止运行；请使用更小的模型。",
  },
  MODEL_ONNX_SIZE: {
    status: 413,
    en: "The ONNX file is larger than allowed (64 MiB for a challenger). Export a smaller model.",
    zh: "ONNX 文件超过大小上限（挑战者模型为 64 MiB）。请导出更小的模型。",
  },
  MODEL_ONNX_OPERATOR: {
    status: 422,
    en: "The ONNX model uses operators that are not allowed here: own or vendor operators, branches, loops, random numbers. Export it with standard operators (ai.onnx, ai.onnx.ml).",
    zh: "ONNX 模型使用了不允许的算子：自定义或厂商算子、分支、循环、随机数。请用标准算子（ai.onnx、ai.onnx.ml）重新导出。",
  },
  MODEL_ONNX_EXTERNAL: {
    status: 422,
    en: "The ONNX model keeps weights in another file. Export it as one file.",
    zh: "ONNX 模型的权重存放在其他文件中。请导出为单个文件。",
  },
  MODEL_ONNX_INPUTS: {
    status: 422,
    en: "The inputs of the ONNX model are not the features of the data: one input [rows, features], or one input per feature under its name. Export it again with these inputs.",
    zh: "ONNX 模型的输入与数据特征不符：须为一个 [行数, 特征数] 的输入，或每个特征一个同名输入。请按此重新导出。",
  },
  MODEL_ONNX_OUTPUT: {
    status: 422,
    en: "The ONNX model has no output with one probability per company between 0 and 1. Export probabilities as a tensor (for scikit-learn: zipmap off).",
    zh: "ONNX 模型没有给出每家企业一个介于 0 与 1 之间的概率输出。请以张量导出概率（scikit-learn 须关闭 zipmap）。",
  },
} as const satisfies Record<string, ErrorSpec>;
