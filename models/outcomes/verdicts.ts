// What a back-test means, in a word and a sentence per subject. A figure is called bad only if it is large and not chance.
import { chiSquareTail, normalTail } from "../metrics/distributions.ts";
import { independentDifference } from "../metrics/delong.ts";
import type { BackTestReport, BackTestSettings, Verdict } from "./report-schema.ts";

type Figures = Omit<BackTestReport, "verdicts" | "verdict">;
type Word = Verdict["verdict"];

export function verdictsOf(figures: Figures): { readonly verdicts: Verdict[]; readonly verdict: Word } {
  const verdicts = [sampleVerdict(figures), stabilityVerdict(figures), calibrationVerdict(figures), discriminationVerdict(figures), vintageVerdict(figures)];
  const order: readonly Word[] = ["act", "watch", "ok", "too-few"];
  const verdict = order.find((word) => verdicts.some((v) => v.verdict === word)) ?? "too-few";
  return { verdicts, verdict };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const three = (value: number): string => value.toFixed(3);
const pText = (p: number): string => (p < 0.001 ? "< 0.001" : p.toFixed(3));

function sampleVerdict({ population: { loans, good, bad, lost, immature }, settings }: Figures): Verdict {
  const known = good + bad;
  const mature = loans - immature;
  const lostShare = mature > 0 ? lost / mature : 0;
  const verdict: Word = !hasEnough({ good, bad }, settings) ? "too-few" : lostShare > settings.maxLost ? "watch" : "ok";
  return {
    subject: "sample", verdict,
    en: `${known} of ${loans} loans have a known outcome, ${bad} of them bad; ${immature} are too young, and the histories of ${lost} stop early (${percent(lostShare)} of those old enough).${verdict === "watch" ? " That many lost histories may hide bads." : ""}`,
    zh: `${loans} 笔贷款中 ${known} 笔结果已知，其中 ${bad} 笔为坏；${immature} 笔表现期未满，${lost} 笔记录中断（占表现期已满者的 ${percent(lostShare)}）。${verdict === "watch" ? "中断过多，可能隐藏坏账。" : ""}`,
  };
}

function hasEnough({ good, bad }: { readonly good: number; readonly bad: number }, { minEach }: BackTestSettings): boolean {
  return good >= minEach && bad >= minEach;
}

function stabilityVerdict({ stability, settings }: Figures): Verdict {
  const [first] = stability;
  if (first === undefined) return { subject: "stability", verdict: "too-few", en: "No cohort has enough loans for a population stability index.", zh: "没有任何批次的贷款数量足以计算群体稳定性指数。" };
  const significant = stability.filter((m) => m.pValue < settings.alpha);
  const most = (significant.length > 0 ? significant : stability).reduce((a, b) => (b.psi > a.psi ? b : a), significant[0] ?? first);
  const isReal = significant.length > 0;
  const verdict: Word = isReal && most.psi >= settings.psiAct ? "act" : isReal && most.psi >= settings.psiWatch ? "watch" : "ok";
  return {
    subject: "stability", verdict,
    en: `The largest population stability index ${isReal ? "beyond chance " : ""}is ${three(most.psi)} (${most.cohort}, p ${pText(most.pValue)}; watch from ${settings.psiWatch}, act from ${settings.psiAct}).`,
    zh: `${isReal ? "超出随机波动的" : ""}最大群体稳定性指数为 ${three(most.psi)}（${most.cohort}，p ${pText(most.pValue)}；关注线 ${settings.psiWatch}，处置线 ${settings.psiAct}）。`,
  };
}

function calibrationVerdict({ calibration: { line, bands, hosmerLemeshow }, population, settings }: Figures): Verdict {
  if (line === null || !hasEnough(population, settings)) {
    return { subject: "calibration", verdict: "too-few", en: "There are too few goods or bads to judge the probabilities.", zh: "好坏样本不足，无法判断概率是否准确。" };
  }
  const off = bands.filter((b) => b.pValue < settings.alpha).length;
  const isShifted = line.shiftPValue < settings.alpha;
  const isLarge = Math.max(line.ratio, 1 / line.ratio) >= settings.ratioAct;
  const isBent = line.slopePValue < settings.alpha || (hosmerLemeshow !== null && hosmerLemeshow.pValue < settings.alpha);
  const verdict: Word = isShifted && isLarge ? "act" : isShifted || off > 0 || isBent ? "watch" : "ok";
  const { low, high } = line.slopeInterval;
  return {
    subject: "calibration", verdict,
    en: `Bads are ${line.ratio.toFixed(2)} times those expected (p ${pText(line.shiftPValue)}); ${off} of ${bands.length} score bands are off; the calibration slope is ${line.slope.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)}; 1 is right).`,
    zh: `实际坏账为预期的 ${line.ratio.toFixed(2)} 倍（p ${pText(line.shiftPValue)}）；${bands.length} 个分数段中 ${off} 个偏离；校准斜率 ${line.slope.toFixed(2)}（${low.toFixed(2)} 至 ${high.toFixed(2)}，1 为准确）。`,
  };
}

function discriminationVerdict({ discrimination: { development, all }, population, settings }: Figures): Verdict {
  if (all === null || !hasEnough(population, settings)) {
    return { subject: "discrimination", verdict: "too-few", en: "There are too few goods or bads to judge how the score ranks.", zh: "好坏样本不足，无法判断评分的区分能力。" };
  }
  const { difference, standardError } = independentDifference(all, development, settings.level);
  // One-sided: a better ranking is no fault.
  const p = standardError > 0 ? normalTail(-difference / standardError) : 1;
  const isWorse = p < settings.alpha;
  const verdict: Word = isWorse && -difference >= settings.aucDropAct ? "act" : isWorse ? "watch" : "ok";
  const { low, high } = all.aucInterval;
  return {
    subject: "discrimination", verdict,
    en: `AUC is ${three(all.auc)} (${three(low)} to ${three(high)}), against ${three(development.auc)} in development; p of no loss ${pText(p)}. KS is ${three(all.ks)}.`,
    zh: `AUC 为 ${three(all.auc)}（${three(low)} 至 ${three(high)}），建模时为 ${three(development.auc)}；无下降假设的 p 值 ${pText(p)}。KS 为 ${three(all.ks)}。`,
  };
}

/** The newest cohort that has reached the window's month, against all older ones. */
function vintageVerdict({ vintages, definition, settings }: Figures): Verdict {
  const at = settings.months.filter((m) => m <= definition.windowMonths).at(-1);
  const reached = vintages.flatMap(({ cohort, loans, cells }) => cells.flatMap((c) => (c.month === at ? [{ cohort, loans, bads: c.bads }] : [])));
  const newest = reached.at(-1);
  const older = reached.slice(0, -1).reduce((s, v) => ({ loans: s.loans + v.loans, bads: s.bads + v.bads }), { loans: 0, bads: 0 });
  if (at === undefined || newest === undefined || newest.bads + older.bads < settings.minEach || newest.loans < settings.minEach || older.loans < settings.minEach) {
    return { subject: "vintages", verdict: "too-few", en: "Too few cohorts have reached the end of the window to be compared.", zh: "达到表现期的批次不足，无法比较。" };
  }
  const pooled = (newest.bads + older.bads) / (newest.loans + older.loans);
  const rate = newest.bads / newest.loans;
  const before = older.bads / older.loans;
  const variance = pooled * (1 - pooled) * (1 / newest.loans + 1 / older.loans);
  const p = variance > 0 ? chiSquareTail((rate - before) ** 2 / variance, 1) : 1;
  const isWorse = rate > before && p < settings.alpha;
  const verdict: Word = isWorse && rate >= 1.5 * before ? "act" : isWorse ? "watch" : "ok";
  return {
    subject: "vintages", verdict,
    en: `By month ${at} on book ${percent(rate)} of cohort ${newest.cohort} were bad, against ${percent(before)} of the older ones (p ${pText(p)}).`,
    zh: `至账龄 ${at} 个月，${newest.cohort} 批次坏账率 ${percent(rate)}，此前各批次为 ${percent(before)}（p ${pText(p)}）。`,
  };
}
