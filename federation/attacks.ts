// What the attacks of test/attacks recover at the shipped settings, as every plan and report states it beside the statement
// of what passes. The figures are those of the tests' own runs; the tests fail when an attack gets better than stated.
import type { Bilingual } from "../core/message.ts";

export type MeasuredAttack = { readonly name: Bilingual; readonly result: Bilingual };

/** For a scorecard job inside its budgets. */
export const scorecardAttacks: readonly MeasuredAttack[] = [
  {
    name: { en: "guest rebuilds a host's bins of single companies from all sums of a job", zh: "发起方由一次任务的全部求和结果还原单个企业的分箱" },
    result: {
      en: "34.5 % of bins right against 33.6 % by the bin sizes alone (2,000 companies, 21 queries, 11 bins); at most 2 points above them at the budget's limit; with 398 queries about 400 companies, which the budget refuses, 100 %",
      zh: "正确率 34.5%，仅凭分箱大小猜测为 33.6%（2,000 家企业、21 次查询、11 个分箱）；在额度上限内至多高出 2 个百分点；若对 400 家企业做 398 次查询（额度不允许）则为 100%",
    },
  },
  {
    name: { en: "host guesses the guest's bad loans from the merged bins' weight of evidence", zh: "数据方由合并分箱的证据权重猜测发起方的坏样本" },
    result: {
      en: "precision among its first guesses 0.583 to 0.599 (2,000 companies, 90 label statistics; the model alone gives nearly as much); with 300 companies and 32 unmerged bins, which the floors refuse, 0.911 to 1.000",
      zh: "首批猜测的精确率由 0.583 升至 0.599（2,000 家企业、90 项标签统计，模型本身几乎同样准确）；若为 300 家企业、32 个未合并分箱（下限不允许）则由 0.911 升至 1.000",
    },
  },
  {
    name: { en: "host reads another host's column from their cross sums", zh: "数据方由交叉求和读取另一数据方的列" },
    result: { en: "no better than a coin; with the masks off, the whole column", zh: "与抛硬币无异；关闭掩码时可还原整列" },
  },
  {
    name: { en: "guest deviates and sends a query with powers of two", zh: "发起方偏离协议，以二的幂作为查询" },
    result: {
      en: "31 companies in every feature of the host per query: not prevented; an audit that re-runs the query from its committed seed shows it, and the seed is kept for that",
      zh: "每次查询可读取 31 家企业的全部特征：协议不能阻止；审计可用已承诺并留存的种子重放查询予以揭示",
    },
  },
];

/** For boosted trees: what the bitmaps say by themselves needs no attack. `bitsPerRow`: of each host, at most. */
export function gbdtAttacks({ bitsPerRow, liftFloors }: { readonly bitsPerRow: readonly number[]; readonly liftFloors: boolean }): readonly MeasuredAttack[] {
  const bits = bitsPerRow.map((b) => b.toFixed(1)).join(", ");
  const disclosed: MeasuredAttack = {
    name: { en: "guest keeps the split bitmaps: what it knows of every company of the job", zh: "发起方留存切分位图：由此得知任务中每家企业的信息" },
    result: {
      en: `at most ${bits} bits per company and host, in the order of the hosts, training and test part: the hosts' binned tables themselves, as far as the caps let them out`,
      zh: `每家企业每个数据方至多 ${bits} 比特（按数据方顺序，训练与测试）：即在上限范围内数据方分箱表本身`,
    },
  };
  // test/attacks/trees.test.ts and trees-lattice.test.ts; the public sets: bench/attacks.bench.ts.
  const small: MeasuredAttack = {
    name: { en: "guest reads the rows of a small node by lattice reduction", zh: "发起方用格归约还原小节点内的企业" },
    result: {
      en: "every row of a bin in a node of 16 to 24 companies from one pair of exact sums; none of 12 such nodes with the noise of a plan inside the floors, which also refuses nodes below 500",
      zh: "16 至 24 家企业的节点，一对精确求和即可全部还原；加上下限规定的噪声后，12 个此类节点无一被还原，且下限拒绝 500 家以下的节点",
    },
  };
  if (!liftFloors) return [disclosed, {
    name: { en: "guest rebuilds a host's bins of single companies from all sums of a job, without and with the bitmaps", zh: "发起方由一次任务的全部求和还原单个企业的分箱（不用与使用位图）" },
    result: {
      en: "sums alone: 0.6 to 1.0 points more bins right than by the largest bin alone, 2.4 in the worst column (7,500, 10,655 and 21,000 companies, 176 to 292 queries, noise as shipped); exact sums of every tree: 23 to 32 points. "
        + "With the bitmaps 45 % of the bins of the widest columns, against 90 % and 100 % without caps and noise (base rates 22 % and 19 %)",
      zh: "仅用求和：比按最大分箱猜测多 0.6 至 1.0 个百分点，最差的列多 2.4 个（7,500、10,655、21,000 家企业，176 至 292 次查询，默认噪声）；若每棵树均为精确求和则多 23 至 32 个。"
        + "连同位图：最宽各列的 45%，若无上限与噪声则为 90% 与 100%（基准 22% 与 19%）",
    },
  }, small];
  return [disclosed, {
    name: { en: "floors are lifted", zh: "已解除下限" },
    result: {
      en: "sums without noise over small nodes: sums alone 45 % and 48 % of the bins of the widest columns (base rates 22 % and 16 %), with the bitmaps 90 % and 100 %; nodes of two dozen companies wholly. For experiments on one machine only",
      zh: "小节点上的无噪声求和：仅用求和即可还原最宽各列的 45% 与 48%（基准 22% 与 16%），连同位图为 90% 与 100%；二十余家企业的节点可全部还原。仅供单机实验",
    },
  }];
}

/** For boosting on cross-party cells, at its shipped settings (test/attacks/crossboost-tables.test.ts). */
export const crossboostAttacks: readonly MeasuredAttack[] = [
  {
    name: { en: "guest rebuilds a host's bins of single companies from all tables of the job", zh: "发起方由任务全部表格还原单个企业的分箱" },
    result: {
      en: "no more bins right than the plain counts of the same cells tell, within 0.2 points (4,137, 10,655 and 21,000 companies; linear and maximum-entropy attacks on all sums, noise as shipped)",
      zh: "与同一单元的普通计数相比不多于 0.2 个百分点（4,137、10,655、21,000 家企业；对全部求和的线性与最大熵攻击，噪声为默认设置）",
    },
  },
  {
    name: { en: "host learns labels, trees or weights", zh: "数据方获知标签、树或权重" },
    result: { en: "nothing: it sees ciphertexts, uniform bytes and the number of queries", zh: "无：只见密文、均匀字节与查询次数" },
  },
];

/** For the bank's own linear model under its key (test/attacks/own-models.test.ts). */
export const encryptedModelAttacks: readonly MeasuredAttack[] = [
  {
    name: { en: "bank seals weights that are made to read codes, not to score", zh: "机构加密的权重用于读取编码而非评分" },
    result: {
      en: "two codes of a company exactly by each model with weights of 12 bits; nothing checks the weights, and an answer holds at most 28 bits (30 with dishonest texts, 34 where sixteen providers answer): models per company and the number of weights are bounded by the provider's policy",
      zh: "12 位权重的模型每个可准确读取一家企业的两个编码；权重无从检查，每次应答至多 28 位（密文不诚实时 30 位，十六个数据方时 34 位）：数据方策略限制每家企业的模型数与权重数",
    },
  },
  {
    name: { en: "provider reads the weights, or the score", zh: "数据方读取权重或评分" },
    result: { en: "nothing: it holds ciphertexts (BFV, 128 bit); it knows which features with which transforms the model has", zh: "无：只持有密文（BFV，128 位）；但知道模型用到的特征及其变换" },
  },
];

/** For online scores by joint trees (test/attacks/joint-trees.test.ts). questions: about one company, by the plan. */
export function jointTreesAttacks(questions: number): readonly MeasuredAttack[] {
  return [
    {
      name: { en: "bank seals tables that are made to read a company's bins, not to score", zh: "机构密封的查找表用于读取企业分箱而非评分" },
      result: {
        en: `12 cuts of a company exactly by each question, of all providers together or of one alone (the others' tables hold zeros); an answer holds at most 13 bits where one provider answers and 17 where sixteen do, whatever the texts are: with the ${questions} questions per company of this plan at most ${17 * questions} bits of it. Nobody can check the tables: the number of questions per company is bounded by the provider's policy`,
        zh: `每次询问可准确读取一家企业的 12 个切分（全部数据方合计，或仅某一方：其余各方的表为零）；无论密文如何构造，一个数据方应答时至多 13 位，十六个时至多 17 位：按本计划每家企业 ${questions} 次询问，至多 ${17 * questions} 位。查找表无从检查：数据方策略限制每家企业的询问次数`,
      },
    },
    {
      name: { en: "provider reads tables, score, or another provider's choices", zh: "数据方读取查找表、评分或其他数据方的选择" },
      result: {
        en: "nothing: it holds ciphertexts (BFV, 128 bit). The bank together with the last provider of a table reads the choices of the others in it",
        zh: "无：只持有密文（BFV，128 位）。机构若与某表的最后一个数据方串通，可读取其他数据方在该表中的选择",
      },
    },
  ];
}

/** For the bank's whole model at one provider (test/attacks/own-models.test.ts). */
export const wholeModelAttacks: readonly MeasuredAttack[] = [
  {
    name: { en: "bank sends a model that is made to read data, not to score", zh: "机构发送的模型用于读取数据而非评分" },
    result: {
      en: "8 bits of a chosen column of each company that is asked about, by each model and each set of the bank's own columns; models and sets per company are bounded by the provider's policy",
      zh: "每个模型、每组机构自有字段可读取所询企业任一列的 8 位；数据方策略限制每家企业的模型数与字段组数",
    },
  },
  {
    name: { en: "provider keeps the bank's model", zh: "数据方留存机构的模型" },
    result: { en: "all of it: the model runs there. The plan says so; the operator of that enclave can read its memory", zh: "全部：模型在该处运行，计划已说明；该节点的运行方可读取其内存" },
  },
];
