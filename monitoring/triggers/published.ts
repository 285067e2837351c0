// Triggers to begin with, over the published indicators: what every lender of small companies wants to be told. A bank takes them, changes
// them or writes its own; score drops name a model, so that they are the bank's to write.
import type { TriggerInput } from "./schema.ts";

const listing = (id: string, indicator: string, severity: TriggerInput["severity"], zh: string, en: string): TriggerInput => ({
  // Two snapshots without it before a listing counts as gone: a list that was delivered short once is no change.
  kind: "new-listing", id, indicator, severity, text: { zh, en }, coolDownDays: 7, settle: 2,
});
const arrears = (id: string, indicator: string, severity: TriggerInput["severity"], zh: string, en: string): TriggerInput => ({
  kind: "arrears-begun", id, indicator, severity, text: { zh, en }, coolDownDays: 30, settle: 2,
});

export const publishedTriggers: readonly TriggerInput[] = [
  listing("dishonest-debtor", "jd_dishonest_debtor_24m", "critical", "新增失信被执行人信息", "Newly listed as a dishonest judgment debtor"),
  listing("ended-enforcement", "jd_ended_enforcements_24m", "major", "新增终结本次执行案件", "A further enforcement ended without result"),
  listing("defendant", "jd_defendant_24m", "minor", "新增被告案件", "A further judgment as defendant"),
  listing("abnormal-operations", "rg_abnormal_now", "major", "新列入经营异常名录", "Newly listed for abnormal operations"),
  listing("penalty", "ad_penalties_24m", "minor", "新增行政处罚", "A further administrative penalty"),
  listing("abnormal-taxpayer", "tax_abnormal_taxpayer", "critical", "被认定为非正常纳税户", "Declared an abnormal taxpayer"),
  arrears("tax-arrears", "tax_arrears_open", "major", "开始欠税", "Tax arrears have begun"),
  arrears("social-insurance-arrears", "si_arrears_open", "major", "开始欠缴社会保险费", "Arrears of social insurance have begun"),
  arrears("electricity-arrears", "ut_electricity_arrears", "minor", "开始拖欠电费", "Arrears of electricity have begun"),
  {
    // A mean over a year: it falls to three quarters when a quarter of a year is without consumption.
    kind: "activity-collapse", id: "electricity-collapse", indicator: "ut_kwh_12m", severity: "major", text: { zh: "用电量大幅下降", en: "Use of electricity has collapsed" },
    months: 12, known: 6, share: 0.75, recover: 0.9, coolDownDays: 60, confirm: 2,
  },
  {
    kind: "activity-collapse", id: "staff-collapse", indicator: "si_insured_12m", severity: "major", text: { zh: "参保人数大幅减少", en: "The number of insured employees has collapsed" },
    months: 12, known: 6, share: 0.75, recover: 0.9, coolDownDays: 60, confirm: 2,
  },
  {
    kind: "indicator-drift", id: "late-filings", indicator: "tax_late_share_12m", severity: "minor", text: { zh: "逾期申报明显增多", en: "Late filings have clearly increased" },
    months: 12, known: 6, way: "worse", floor: 0.1, coolDownDays: 60, confirm: 2,
  },
  {
    kind: "data-gone", id: "tax-filings-gone", indicator: "tax_revenue_12m", severity: "info", text: { zh: "不再有申报收入数据", en: "Data on declared revenue are no longer there" },
    coolDownDays: 90, confirm: 3,
  },
];
