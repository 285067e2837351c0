// Institutions, nodes and role keys as lines of text.
import type { CredentialView, MemberDetail, MemberView } from "../api/contract/institutions.ts";
import type { Question } from "../api/contract/questionnaire.ts";
import { padded } from "../report/format.ts";
import type { Language } from "./terminal.ts";

type Bilingual = { readonly en: string; readonly zh: string };

const states: Readonly<Record<MemberView["state"], Bilingual>> = {
  draft: { en: "draft", zh: "待提交评估" }, applied: { en: "applied", zh: "待审批" }, rejected: { en: "rejected", zh: "已拒绝" },
  approved: { en: "approved", zh: "已批准" }, admitted: { en: "admitted", zh: "已接入" }, suspended: { en: "suspended", zh: "已暂停" }, removed: { en: "removed", zh: "已取消接入" },
};

export function memberLines(members: readonly MemberView[], language: Language): string[] {
  if (members.length === 0) return [language === "zh" ? "没有成员" : "no members"];
  const say = (en: string, zh: string): string => (language === "zh" ? zh : en);
  return members.map((m) => {
    const marks = [
      ...(m.admission === "demo" ? [say("admitted without assessment (demo)", "未经评估接入（演示）")] : []),
      ...(m.open ? [say(`assessment open, ${m.approvals} approval(s)`, `评估待审批，已批准 ${m.approvals} 人`)] : []),
      ...(m.overdue ? [say("REVIEW OVERDUE", "复审逾期")] : []), ...(m.twoPerson ? [say("two-person", "双人提交")] : []), ...(m.reason === null ? [] : [m.reason]),
    ];
    const due = m.reviewDueAt === null ? "" : `  ${say("review", "复审")} ${m.reviewDueAt.slice(0, 10)}`;
    return `${m.id}  ${padded(m.kind, 14)} ${padded(m.party, 20)} ${padded(states[m.state][language], 10)} ${m.name}${due}${marks.length === 0 ? "" : `  [${marks.join("; ")}]`}`;
  });
}

export function memberDetailLines(member: MemberDetail, language: Language): string[] {
  const answers = (member.assessment?.answers ?? []).map((a) => `  ${padded(a.question, 24)} ${padded(a.answer, 14)} ${a.evidence.map((digest) => digest.slice(0, 16)).join(" ")}`);
  const history = member.history.map((e) => `  ${e.at}  ${[e.type, e.what, e.holder, e.evidence?.slice(0, 16)].filter((part) => part != null).join("  ")}`);
  const digest = member.assessmentDigest === null ? [] : [`  ${language === "zh" ? "评估摘要" : "assessment"} sha256 ${member.assessmentDigest}`];
  return [...memberLines([member], language), ...(member.institution === null ? [] : [`  ${member.institution}`]), ...digest, ...answers, ...history];
}

export function credentialLines(keys: readonly CredentialView[], language: Language): string[] {
  if (keys.length === 0) return [language === "zh" ? "没有密钥" : "no keys"];
  return keys.map((k) => `${k.id}  ${padded(k.role, 18)} ${padded(k.holder, 20)} ${padded(k.state, 8)} ${k.expiresAt.slice(0, 10)}  ${k.institution ?? k.party ?? ""}`);
}

export function questionLines(questions: readonly Question[], language: Language): string[] {
  return questions.flatMap((q) => [
    `${q.id}${q.mandatory ? " *" : ""}${q.asked === "all" ? "" : ` (${q.asked})`}`, `  ${q[language]}`,
    ...q.clauses.map((c) => `  ${c.id} ${c.article} ${c[language]}`),
  ]);
}
