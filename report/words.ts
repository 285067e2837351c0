// Names of phases, reasons, layers and the like in both languages. A slug that is not here is shown as it is.
import type { Bilingual } from "../core/message.ts";

type Words = Readonly<Record<string, Bilingual>>;

const models: Words = {
  scorecard: { zh: "联合评分卡", en: "Joint scorecard" },
  crossboost: { zh: "联合非线性模型（交叉单元提升）", en: "Joint nonlinear model (boosting on cross-party cells)" },
  gbdt: { zh: "联合梯度提升树（有声明的泄露）", en: "Joint boosted trees (declared leakage)" },
};

const phases: Words = {
  load: { zh: "载入", en: "Load" },
  align: { zh: "对齐", en: "Align" },
  seeds: { zh: "种子协商", en: "Seeds" },
  binning: { zh: "分箱", en: "Binning" },
  moments: { zh: "矩统计", en: "Moments" },
  fit: { zh: "拟合", en: "Fit" },
  totals: { zh: "总分开启", en: "Totals" },
  own: { zh: "自有树", en: "Own trees" },
  cells: { zh: "交叉单元", en: "Cross cells" },
  boost: { zh: "表上提升", en: "Boosting on tables" },
  hint: { zh: "提示", en: "Hint" },
  trees: { zh: "生长树", en: "Trees" },
  lookup: { zh: "不经意查表", en: "Oblivious lookups" },
  evaluate: { zh: "评估", en: "Evaluate" },
  score: { zh: "评分", en: "Score" },
  export: { zh: "导出", en: "Export" },
};

const reasons: Words = {
  selected: { zh: "入选", en: "selected" },
  "iv-low": { zh: "IV 过低", en: "IV too low" },
  "iv-high": { zh: "IV 异常高", en: "IV suspiciously high" },
  "label-budget": { zh: "超出标签查询预算", en: "beyond the budget of label queries" },
  "guest-column-budget": { zh: "超出银行列数上限", en: "beyond the limit of bank columns" },
  missing: { zh: "缺失率过高", en: "too many missing" },
  "one-class": { zh: "只有一类结果", en: "one outcome only" },
  floors: { zh: "低于最小样本数", en: "below the floors" },
  "single-bin": { zh: "仅一个分箱", en: "one bin only" },
  constant: { zh: "取值不变", en: "constant" },
  collinear: { zh: "与其他特征共线", en: "collinear" },
  correlation: { zh: "与入选特征高度相关", en: "correlated with a selected one" },
  vif: { zh: "VIF 过高", en: "VIF too high" },
  sign: { zh: "权重方向不符", en: "weight of the wrong sign" },
  stepwise: { zh: "逐步回归剔除", en: "dropped by stepwise" },
};

const layers: Words = {
  "node-permission-model": { zh: "Node 权限模型", en: "Node permission model" },
  bubblewrap: { zh: "bubblewrap 沙箱", en: "bubblewrap sandbox" },
  "data-engine-locked": { zh: "数据引擎锁定", en: "data engine locked down" },
  "outgoing-only": { zh: "仅主动外连", en: "outgoing connections only" },
  "state-sealed-at-rest": { zh: "本地状态加密存储", en: "state sealed at rest" },
  "telemetry-off": { zh: "遥测关闭", en: "telemetry off" },
  "mutual-tls": { zh: "双向 TLS 1.3", en: "mutual TLS 1.3" },
};

const binKinds: Words = {
  range: { zh: "区间", en: "range" },
  category: { zh: "类别", en: "category" },
  missing: { zh: "缺失", en: "missing" },
  special: { zh: "特殊值", en: "special" },
  merged: { zh: "合并分箱", en: "merged bin" },
};

const trends: Words = {
  ascending: { zh: "递增", en: "ascending" },
  descending: { zh: "递减", en: "descending" },
  none: { zh: "无约束", en: "none" },
};

const purposes: Words = {
  "loan-approval": { zh: "贷款审批", en: "loan approval" },
  "credit-line-review": { zh: "额度复审", en: "credit line review" },
  "post-loan-monitoring": { zh: "贷后监测", en: "post-loan monitoring" },
  "model-development": { zh: "模型开发", en: "model development" },
  "credit-evaluation": { zh: "信用评价", en: "credit evaluation" },
  "customer-screening": { zh: "客户筛选", en: "customer screening" },
  "guarantee-review": { zh: "融资担保审查", en: "guarantee review" },
  "policy-matching": { zh: "政策匹配", en: "policy matching" },
};

const digests: Words = {
  plan: { zh: "任务计划", en: "plan" },
  model: { zh: "模型", en: "model" },
  "row-order": { zh: "行序承诺", en: "row order" },
  ledger: { zh: "台账", en: "ledger" },
  challenger: { zh: "挑战者模型", en: "challenger" },
};

const stops: Words = {
  trees: { zh: "达到树数", en: "all trees grown" },
  "early-stopping": { zh: "验证提前停止", en: "stopped by the validation part" },
  "no-gain": { zh: "无可用增益", en: "no gain left" },
  "too-few-rows": { zh: "节点样本不足", en: "too few rows for a node" },
};

const books = { models, stops, phases, reasons, layers, binKinds, trends, purposes, digests } as const;

/** The words for a slug; a slug without an entry stands for itself, with spaces for its separators. */
export function wordsFor(book: keyof typeof books, slug: string): Bilingual {
  const found = books[book];
  const key = slug.replaceAll("_", "-");
  const plain = key.replaceAll("-", " ");
  return (Object.hasOwn(found, key) ? found[key] : undefined) ?? { zh: plain, en: plain };
}

/** What a stability index says, by the usual bands (Siddiqi, Credit Risk Scorecards). */
export function stabilityWords(value: number): Bilingual & { readonly level: "good" | "watch" | "bad" } {
  if (value < 0.1) return { level: "good", zh: "稳定", en: "stable" };
  if (value <= 0.25) return { level: "watch", zh: "需关注", en: "worth a look" };
  return { level: "bad", zh: "已偏移", en: "shifted" };
}
