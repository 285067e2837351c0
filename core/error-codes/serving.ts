// Error codes of the registry of served models. Facts are revisions, version numbers, shares and counts.
import type { ErrorSpec } from "../errors.ts";

export const servingErrors = {
  SERVING_COMMAND: { status: 400, en: "A change of served models does not fit its schema: names and persons are short plain words, a reason has 1 to 500 characters, digests are SHA-256 in hex, shares are hundredths of a percent. Correct it; nothing was changed.", zh: "模型变更请求不符合结构：名称与人员须为简短文本，原因为 1 至 500 个字符，摘要为十六进制 SHA-256，份额以万分之一计。请更正；未作任何更改。" },
  SERVING_UNKNOWN: { status: 404, en: "There is no such deployment, or no such version in it. List the versions and name one of them.", zh: "没有该部署或该版本。请列出现有版本后再指定。" },
  SERVING_EXISTS: { status: 409, en: "A deployment of this name is there already. Register a version in it, or choose another name.", zh: "该名称的部署已存在。请在其中登记新版本，或改用其他名称。" },
  SERVING_CONFLICT: { status: 409, en: "Somebody else changed the deployment meanwhile (facts give the expected and the present revision). Read it again and decide anew; nothing was changed.", zh: "部署已被他人更改（附注为预期与当前修订号）。请重新读取后再决定；未作任何更改。" },
  SERVING_STATE: { status: 409, en: "A version in this state cannot make this step. From candidate to shadow, from there to canary or challenger, from these to champion; a retired version is evaluated anew and reinstated first.", zh: "该状态下的版本不能执行此步骤：候选须先进入影子，再到灰度或挑战者，再到冠军；已退役版本须先重新验证并恢复为候选。" },
  SERVING_EVALUATION: { status: 422, en: "The version has no passed evaluation of this very model that is recent enough (after its retirement, where it was retired). Evaluate it and record the evaluation first.", zh: "该版本没有针对同一模型、通过且足够新的评估（退役版本须在退役之后）。请先评估并登记结果。" },
  SERVING_SHARE: { status: 422, en: "The shares of all canaries and challengers together are more than the deployment allows (facts, in hundredths of a percent). Lower another share first.", zh: "灰度与挑战者的份额合计超过部署上限（见附注，单位万分之一）。请先降低其他份额。" },
  SERVING_DUPLICATE_MODEL: { status: 409, en: "This model is a version of the deployment already (facts name it). Go on with that version.", zh: "该模型已是本部署的一个版本（见附注）。请使用该版本。" },
  SERVING_TWO_PERSONS: { status: 403, en: "The deployment asks for two different persons for what changes the answers to requests: one who asks and one who approves.", zh: "本部署规定：影响应答的变更须由两名不同人员分别提出与批准。" },
  SERVING_ROLLBACK: { status: 409, en: "There is no earlier champion to go back to. Promote another version, or retire the champion: requests are then refused.", zh: "没有可回退的前任冠军。请提升其他版本，或退役现任冠军（此后请求将被拒绝）。" },
  SERVING_NO_CHAMPION: { status: 503, en: "The deployment has no champion, so no request is answered. Promote a version.", zh: "该部署没有冠军版本，不应答任何请求。请先提升一个版本。" },
  SERVING_LIMIT: { status: 409, en: "The deployment has as many versions, shadows, canaries or challengers as it may (facts say how many). Retire or demote one first.", zh: "版本、影子、灰度或挑战者数量已达上限（见附注）。请先退役或降级其中之一。" },
  SERVING_HISTORY: { status: 500, en: "The recorded changes of the deployment do not fit together: one is missing, altered or out of order (facts name the revision). Nothing is served from them; restore the record from a backup or the audit log.", zh: "部署的变更记录不一致：有缺失、篡改或乱序（附注为修订号）。不据此提供服务；请从备份或审计日志恢复。" },
  SERVING_SERVICE: { status: 409, en: "The job is no service for scores of this bank, stands in another deployment, or serves another purpose than the deployment's services or the monitoring that names it. Name a service of the same purpose.", zh: "该任务不是本行的评分服务，或已属于其他部署，或用途与本部署的服务、指定它的监测不同。请指定用途相同的服务。" },
  SERVING_AWAY: { status: 503, en: "The version that has to answer has no running service at the bank's enclave. Start a service for its model and register it, or promote another version.", zh: "应答版本在银行节点上没有运行中的服务。请为其模型启动服务并登记，或提升其他版本。" },
  SERVING_REPORT: { status: 422, en: "The report is not about this version's model, or its verdict is `act` and cannot be recorded as passed. Name the right report, or record it as failed.", zh: "报告与该版本的模型不符，或其结论为“处置”而不能登记为通过。请指定正确的报告，或登记为未通过。" },
  SERVING_KEY: { status: 500, en: "The routing key has fewer than 32 bytes. Make it from the enclave's secret store; requests are not routed with a short key.", zh: "路由密钥不足 32 字节。请由节点密钥库生成；不使用短密钥路由请求。" },
} as const satisfies Record<string, ErrorSpec>;
