// What each check of a bundle means, in the words of a company, a bank or a court, in both languages.
import { describeError, type Code } from "../core/errors.ts";
import type { BundleReport } from "./bundle.ts";

export type CheckName =
  "format" | "issuer" | "receipt" | "checkpoint" | "inclusion" | "witnesses" | "time" | "chain" | "use" | "consent" | "revocation";
export type CheckStatus = "ok" | "failed" | "not-present";
type Words = { readonly en: string; readonly zh: string };

const words: Readonly<Record<CheckName, Readonly<Record<CheckStatus, Words>>>> = {
  format: {
    ok: { en: "The file is a receipt bundle of a known version.", zh: "文件是已知版本的回执包。" },
    failed: { en: "The file is not a receipt bundle.", zh: "文件不是有效的回执包。" },
    "not-present": { en: "There is no bundle.", zh: "没有回执包。" },
  },
  issuer: {
    ok: { en: "The issuer's certificate comes from a trusted authority and was valid when the receipt was made.", zh: "签发方证书由受信机构签发，且在回执生成时有效。" },
    failed: { en: "The issuer's certificate is not to be trusted.", zh: "签发方证书不可信。" },
    "not-present": { en: "The issuer's certificate is not in the file.", zh: "文件中没有签发方证书。" },
  },
  receipt: {
    ok: { en: "The receipt is signed by the party that it names and is unchanged.", zh: "回执由其所载参与方签名，内容未被改动。" },
    failed: { en: "The receipt is forged, changed or of an unknown version.", zh: "回执系伪造、被改动或版本未知。" },
    "not-present": { en: "The receipt is not in the file.", zh: "文件中没有回执。" },
  },
  checkpoint: {
    ok: { en: "The checkpoint is signed by the transparency log.", zh: "检查点由透明日志签名。" },
    failed: { en: "The checkpoint is not validly signed by the transparency log.", zh: "检查点没有透明日志的有效签名。" },
    "not-present": { en: "The checkpoint is not in the file.", zh: "文件中没有检查点。" },
  },
  inclusion: {
    ok: { en: "The receipt is in the log at the stated place.", zh: "回执已收录于日志的所述位置。" },
    failed: { en: "The file does not show that the receipt is in the log.", zh: "文件未能证明回执已收录于日志。" },
    "not-present": { en: "There is no inclusion proof in the file.", zh: "文件中没有收录证明。" },
  },
  witnesses: {
    ok: { en: "Enough independent witnesses have co-signed the checkpoint.", zh: "足够数量的独立见证方已对检查点作见证签名。" },
    failed: { en: "Not enough valid co-signatures of witnesses.", zh: "有效的见证签名数量不足。" },
    "not-present": { en: "No co-signature of a configured witness is in the file.", zh: "文件中没有已配置见证方的签名。" },
  },
  time: {
    ok: { en: "The time in the receipt is not later than the witnesses' time.", zh: "回执时间不晚于见证时间。" },
    failed: { en: "The receipt claims a time later than that at which witnesses saw it.", zh: "回执所称时间晚于见证方看到它的时间。" },
    "not-present": { en: "No witness bounds the time of the receipt.", zh: "没有见证方限定回执的时间。" },
  },
  chain: {
    ok: { en: "The receipt follows the issuer's previous one without a gap.", zh: "回执与签发方的上一份回执连续无缺。" },
    failed: { en: "The receipt does not follow the previous one in the file.", zh: "回执与文件中的上一份回执不相衔接。" },
    "not-present": { en: "The issuer's previous receipt is not in the file (it need not be).", zh: "文件中没有签发方的上一份回执（非必需）。" },
  },
  use: {
    ok: { en: "The opened use of the company's data is one of those to which the receipt is bound.", zh: "所展示的企业数据使用记录确为该回执所承诺的内容。" },
    failed: { en: "The opened use does not belong to this receipt or to this company.", zh: "所展示的使用记录不属于该回执或该企业。" },
    "not-present": { en: "No use of a single company's data is opened in the file.", zh: "文件未展示任何单个企业的数据使用记录。" },
  },
  consent: {
    ok: { en: "The company's authorisation is genuine and covers this use.", zh: "企业授权真实有效，且涵盖此次使用。" },
    failed: { en: "The authorisation is not valid for this use.", zh: "授权对此次使用无效。" },
    "not-present": { en: "No authorisation is in the file, or it cannot be checked here.", zh: "文件中没有授权，或此处无法核验。" },
  },
  revocation: {
    ok: { en: "The signed revocation list of that time does not name the authorisation.", zh: "当时签名的撤销清单中没有该授权。" },
    failed: { en: "The revocation list is not valid, or the authorisation had been withdrawn.", zh: "撤销清单无效，或该授权当时已被撤回。" },
    "not-present": { en: "No revocation list is in the file, or it cannot be checked here.", zh: "文件中没有撤销清单，或此处无法核验。" },
  },
};

const results: Readonly<Record<BundleReport["result"], Words>> = {
  ok: { en: "Valid: everything that was needed is there and right.", zh: "有效：所需内容齐全且全部通过核验。" },
  failed: { en: "NOT valid: at least one check failed.", zh: "无效：至少一项核验未通过。" },
  incomplete: { en: "Incomplete: nothing is wrong, but something needed is not in the file.", zh: "不完整：未发现错误，但缺少必要内容。" },
};

/** The sentence of a check; for a failure followed by what its code says. */
export function checkTexts(name: CheckName, status: CheckStatus, code: Code | undefined): Words {
  const { en, zh } = words[name][status];
  const more = code === undefined ? undefined : describeError(code);
  return more === undefined ? { en, zh } : { en: `${en} ${more.en}`, zh: `${zh}${more.zh}` };
}

/** A report as lines for a terminal, in one language. */
export function reportLines(report: BundleReport, language: "en" | "zh"): string[] {
  const marks = { ok: "✓", failed: "✗", "not-present": "–" } as const;
  return [results[report.result][language], ...report.checks.map((check) => `  ${marks[check.status]} ${check[language]}${check.code === undefined ? "" : ` [${check.code}]`}`)];
}

/** Exit status of a command that verifies: 0 valid, 1 not valid, 2 incomplete. */
export function exitStatus(report: BundleReport): 0 | 1 | 2 {
  return report.result === "ok" ? 0 : report.result === "failed" ? 1 : 2;
}
