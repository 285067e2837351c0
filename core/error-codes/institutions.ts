// Error codes of the area "institutions": onboarding, supervision, and submissions that need two persons.
import type { ErrorSpec } from "../errors.ts";

export const institutionErrors = {
  MEMBER_NOT_FOUND: { status: 404, en: "No such institution or node for this caller. List them to see which there are.", zh: "没有可供该调用方访问的此机构或节点，请先列出现有成员。" },
  MEMBER_STATE: { status: 409, en: "The institution or node is not in a state in which this can be done. Show it to see its state and what comes next.", zh: "该机构或节点当前状态不允许此操作。请查看其状态及后续步骤。" },
  MEMBER_OWN: { status: 403, en: "Nobody decides on what they submitted themselves. Another supervisor must decide.", zh: "任何人不得审批自己提交的材料，须由其他监管人员审批。" },
  MEMBER_DECIDED: { status: 409, en: "This holder has already decided on this assessment, with this key or another. The second decision is another person's.", zh: "该持有人已用本密钥或其他密钥对此评估作出决定；第二个决定须由另一人作出。" },
  MEMBER_ASSESSMENT_CHANGED: { status: 409, en: "The assessment is not the one named by the digest: it was replaced after it was read. Read it again, then decide.", zh: "评估材料与所给摘要不符，可能在阅读后被替换。请重新阅读后再作决定。" },
  ASSESSMENT_VERSION: { status: 400, en: "The answers are to another version of the questionnaire. Fetch the present one (`yunei platform institutions questions`).", zh: "答卷与当前问卷版本不符，请获取最新问卷（yunei platform institutions questions）。" },
  ASSESSMENT_QUESTION: { status: 400, en: "A question is unknown, answered twice, or not asked of this kind of member.", zh: "存在未知、重复作答或不适用于该类成员的问题。" },
  ASSESSMENT_MANDATORY: { status: 422, en: "Mandatory questions are not answered; `facts.missing` says how many. Nothing was stored.", zh: "必答项未作答，数量见 facts.missing；未保存任何内容。" },
  ASSESSMENT_NOT_MET: { status: 422, en: "A mandatory condition of information security is not met. Who does not meet it is not connected; put it right and answer again.", zh: "不满足必备的信息安全条件，一律不得接入。请整改后重新作答。" },
  ASSESSMENT_EVIDENCE: { status: 422, en: "A `yes` needs the SHA-256 of at least one document, each named once and none of them empty.", zh: "回答“是”须附至少一份材料的 SHA-256 摘要，不得重复，且材料不得为空。" },
  ASSESSMENT_REQUIRED: { status: 403, en: "This platform admits institutions and nodes after an assessment only (`requireAssessment`). Use `yunei platform institutions apply`; a department that only provides data is invited with `--data-provider`.", zh: "本平台仅接纳通过安全评估的机构与节点（requireAssessment），请使用 yunei platform institutions apply；仅提供数据的单位可用 --data-provider 邀请。" },
  CREDENTIAL_HOLDER: { status: 409, en: "This person already holds an active key in this role. Rotate it, or revoke it first.", zh: "该人员已持有此角色的有效密钥，请轮换或先吊销。" },
  JOB_MEMBER_SUSPENDED: { status: 410, en: "The job ended because an institution or node of it was suspended. Submit it again when it has been let in again.", zh: "参与该任务的机构或节点已被暂停接入，任务终止；恢复接入后请重新提交。" },
  JOB_MEMBER_REMOVED: { status: 410, en: "The job ended because an institution or node of it was removed from the platform.", zh: "参与该任务的机构或节点已被取消接入，任务终止。" },
  JOB_SAME_PERSON: { status: 403, en: "The submission must be approved by another person than the one who submitted it.", zh: "提交须由提交人以外的另一人批准。" },
  JOB_PLAN_DIGEST: { status: 409, en: "The digest is not that of the job's plan. Read the plan and send its digest.", zh: "摘要与任务计划不符。请阅读计划并提交其摘要。" },
} as const satisfies Record<string, ErrorSpec>;
