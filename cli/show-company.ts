// What a company reads: its consents, uses and objections as lines of text.
import type { ConsentView } from "../api/contract/consents.ts";
import type { ObjectionView } from "../api/contract/subject.ts";
import type { CompanyUse } from "./company-uses.ts";
import { padded } from "../report/format.ts";
import type { Language } from "./terminal.ts";

const words: Readonly<Record<string, { readonly en: string; readonly zh: string }>> = {
  active: { en: "active", zh: "有效" }, pending: { en: "not yet", zh: "未生效" }, expired: { en: "ended", zh: "已到期" }, withdrawn: { en: "withdrawn", zh: "已撤回" },
  lodged: { en: "lodged", zh: "已提交" }, refused: { en: "not accepted", zh: "不予受理" }, accepted: { en: "accepted", zh: "已受理" }, examining: { en: "examined", zh: "核查中" },
  corrected: { en: "corrected", zh: "已更正" }, rejected: { en: "rejected", zh: "不予更正" }, unconfirmed: { en: "not established", zh: "无法确认" },
};

export function consentLines(consents: readonly ConsentView[], language: Language): string[] {
  if (consents.length === 0) return [language === "zh" ? "没有授权" : "no consents"];
  return consents.map((c) => {
    const use = c.use.kind === "single" ? (language === "zh" ? "单次" : "single use") : `${language === "zh" ? "多次" : "repeated"}${c.use.atMost === undefined ? "" : ` ≤ ${c.use.atMost}`}`;
    return `${c.id}  ${padded(words[c.state]?.[language] ?? c.state, 9)}  ${c.grantee.party} (${c.grantee.uscc})  ${c.purpose}  ${c.kinds.join("+")}  ${c.notBefore.slice(0, 10)} … ${c.notAfter.slice(0, 10)}  ${use}  ${c.source}\n    ${c.items.join(" ")}`;
  });
}

export function objectionLines(objections: readonly Omit<ObjectionView, "steps" | "notified">[], language: Language): string[] {
  if (objections.length === 0) return [language === "zh" ? "没有异议" : "no objections"];
  return objections.map((o) => {
    const late = o.overdue ? (language === "zh" ? "  已逾期" : "  overdue") : "";
    const due = o.endedAt === null ? `${language === "zh" ? "办结期限" : "due"} ${o.dueAt.slice(0, 10)}` : `${language === "zh" ? "办结" : "ended"} ${o.endedAt.slice(0, 10)}`;
    return `${o.id}  ${padded(words[o.state]?.[language] ?? o.state, 14)}  ${o.kind}  ${o.party}  ${o.item ?? o.target}  ${o.ground}  ${due}${late}${o.reason === null ? "" : `  ${o.reason}`}`;
  });
}

export function objectionDetail(o: ObjectionView, language: Language): string[] {
  const told = o.notified.length === 0 ? [] : [`  ${language === "zh" ? "已通知使用机构" : "institutions told"}: ${o.notified.join(" ")}`];
  return [...objectionLines([o], language), ...told, ...o.steps.map((s) => `  ${s.at.slice(0, 19)}Z  ${padded(s.type, 9)}  ${s.actor}${s.reason === null ? "" : `  ${s.reason}`}`)];
}

export function useLines(uses: readonly CompanyUse[], language: Language): string[] {
  if (uses.length === 0) return [language === "zh" ? "没有使用记录" : "no uses"];
  return uses.map((u) => {
    const receipt = u.file ?? (language === "zh" ? "回执尚未写入日志" : "receipt not in the log yet");
    return `${u.at ?? "-"}  ${padded(u.party, 16)}  ${u.job}  ${u.kind ?? "-"}  ${u.purpose ?? "-"}  ${u.grantee}  ${u.items.join(" ")}  ${receipt}`;
  });
}
