// The security self-assessment that an institution or a local-platform node answers before it is connected: a closed list with a
// version. Each question cites the clause that asks for it. A changed list is a new version; stored answers keep theirs.
import { z } from "zod";
import { clause, type ClauseKey } from "../../catalogue/clauses.ts";
import { hex64 } from "./endpoint.ts";

export const memberKinds = ["bank", "insurer", "guarantor", "credit-service", "node"] as const;
export const memberKindSchema = z.enum(memberKinds);
export type MemberKind = z.output<typeof memberKindSchema>;

type QuestionSpec = {
  /** Must be answered "yes" with evidence: who cannot is not connected. */
  readonly mandatory: boolean;
  /** Whom it is asked: institutions, nodes or both. */
  readonly asked: "all" | "institutions" | "nodes";
  readonly clauses: readonly [ClauseKey, ...ClauseKey[]];
  readonly zh: string;
  readonly en: string;
};

export const questionnaireVersion = 1;

const table = {
  "security-management": {
    mandatory: true, asked: "all", clauses: ["P21-10-internal", "P24-11-management"],
    zh: "是否建立覆盖信用信息获取、使用、存储、销毁全过程的信息安全管理制度，并明确责任部门和责任人？",
    en: "Is there a system of information-security rules for obtaining, using, storing and destroying credit information, with a department and a person in charge?",
  },
  "purpose-limit": {
    mandatory: true, asked: "all", clauses: ["P21-10-purpose"],
    zh: "是否以制度和技术措施确保获取的信息仅用于为企业提供融资支持？",
    en: "Do rules and technical measures ensure that information obtained is used for supporting the financing of companies only?",
  },
  "no-unlawful-release": {
    mandatory: true, asked: "all", clauses: ["P21-10-unlawful", "P24-11-release"],
    zh: "是否禁止并能够发现、追责非法获取、传播、泄露、出售信息的行为？",
    en: "Is unlawfully obtaining, spreading, leaking or selling information forbidden, and can it be found and its author named?",
  },
  "access-control": {
    mandatory: true, asked: "all", clauses: ["P19-3-3-log", "P24-11-protection"],
    zh: "是否按岗位最小授权，一人一账号，不相容岗位分离，离岗即撤销权限？",
    en: "Are rights given per post and at the minimum, one account per person, incompatible posts apart, and withdrawn when somebody leaves?",
  },
  "system-log": {
    mandatory: true, asked: "all", clauses: ["P19-3-3-log"],
    zh: "是否建立系统日志，完整记录数据访问、操作，并防篡改保存？",
    en: "Do system logs record every access and operation, kept so that a change of them shows?",
  },
  confidentiality: {
    mandatory: true, asked: "all", clauses: ["P19-3-2-confidentiality"],
    zh: "是否签订信息保密协议，明确信息保密义务和责任？",
    en: "Is there a confidentiality agreement that names the duties and who answers for them?",
  },
  "secure-transfer": {
    mandatory: true, asked: "all", clauses: ["P19-3-2-protection", "P24-11-protection"],
    zh: "数据传输与存储是否加密，密钥是否由本单位专人管理？",
    en: "Are data encrypted in transfer and storage, under keys that named people of this organisation manage?",
  },
  "incident-response": {
    mandatory: true, asked: "all", clauses: ["P21-10-assessment", "P22-4-accident"],
    zh: "是否建立信息安全风险监测、预警、处置和事故报告机制，并定期演练？",
    en: "Are security risks monitored, warned of and dealt with, accidents reported, and is this rehearsed?",
  },
  "subject-authorisation": {
    mandatory: true, asked: "institutions", clauses: ["P21-note-3", "P21-9-release"],
    zh: "查询、核验和评分前是否取得信息主体授权并告知风险，授权材料是否可查？",
    en: "Is the subject's authorisation obtained, with the risks told, before queries, checks and scoring, and can the record be shown?",
  },
  "third-parties": {
    mandatory: true, asked: "institutions", clauses: ["P22-4-minimum"],
    zh: "是否不与第三方机构合作处理信息，或合作时依据“最小、必要”原则进行脱敏？",
    en: "Do no third parties process information, or only what is de-sensitised by the principle of the minimum and the necessary?",
  },
  "node-standards": {
    mandatory: true, asked: "nodes", clauses: ["P22-4-nodes", "P24-11-management"],
    zh: "是否按照相关标准和程序对接上级平台与下级平台，并完成接入前安全评估？",
    en: "Does the node connect to the platforms above and below by the standards and procedures, after a security assessment?",
  },
  "node-supervision": {
    mandatory: true, asked: "nodes", clauses: ["P22-4-removal"],
    zh: "对本节点下接入的机构，是否建立督促整改、暂停和取消接入的机制？",
    en: "Are there means to have the institutions under this node put things right, and to suspend and disconnect them?",
  },
  "node-grading": {
    mandatory: true, asked: "nodes", clauses: ["P21-9-grading"],
    zh: "是否建立信息分级分类管理和使用制度？",
    en: "Is information managed and used by class and grade?",
  },
  "level-protection": {
    mandatory: false, asked: "all", clauses: ["P19-3-2-protection"],
    zh: "接入系统是否通过网络安全等级保护测评？请提供等级与测评结论的摘要。",
    en: "Has the connected system passed an assessment of graded protection of network security? Give digests of grade and finding.",
  },
  "penetration-test": {
    mandatory: false, asked: "all", clauses: ["P21-10-assessment"],
    zh: "近一年是否由第三方进行过渗透测试并整改？",
    en: "Has a third party tested the system's resistance within a year, and was what it found put right?",
  },
  training: {
    mandatory: false, asked: "all", clauses: ["P21-10-internal"],
    zh: "相关人员是否每年接受信息安全与保密培训？",
    en: "Are the people concerned trained in information security and confidentiality every year?",
  },
} as const satisfies Record<string, QuestionSpec>;

export type QuestionId = keyof typeof table;
export const questionIds = Object.keys(table) as readonly QuestionId[];
export const questionIdSchema = z.enum(questionIds as [QuestionId, ...QuestionId[]]);

/** A question as it is shown, with the wording of its clauses. */
export type Question = {
  id: QuestionId; mandatory: boolean; asked: QuestionSpec["asked"]; zh: string; en: string;
  clauses: { id: string; article: string; zh: string; en: string }[];
};

export function questions(): Question[] {
  return questionIds.map((id) => {
    const { clauses, ...rest }: QuestionSpec = table[id];
    return { id, ...rest, clauses: clauses.map((key) => { const { article, text, en } = clause(key); return { id: key, article, zh: text, en }; }) };
  });
}

/** Whether a question is asked of members of this kind. */
export function isAsked(id: QuestionId, kind: MemberKind): boolean {
  const { asked } = table[id];
  return asked === "all" || (asked === "nodes") === (kind === "node");
}

export function isMandatory(id: QuestionId): boolean {
  return table[id].mandatory;
}

const answerSchema = z.strictObject({
  question: z.string().max(64), answer: z.enum(["yes", "no", "not-applicable"]),
  /** SHA-256 of each document that shows it; the documents stay with the applicant. */
  evidence: z.array(hex64).max(8),
});
export const assessmentSchema = z.strictObject({ questionnaire: z.number().int().min(1).max(1000), answers: z.array(answerSchema).max(64) });
export type Assessment = z.output<typeof assessmentSchema>;
