// Error codes of a job as a whole.
import type { ErrorSpec } from "../errors.ts";

export const jobErrors = {
  JOB_CANCELLED: { status: 409, en: "The job was cancelled.", zh: "任务已取消。" },
  JOB_PEER_TIMEOUT: { status: 504, en: "A party did not send its next message in time. Check that its enclave runs, then submit again.", zh: "参与方未在时限内发送下一条消息。请确认其节点运行正常后重新提交。" },
  JOB_PLATFORM_UNREACHABLE: { status: 503, en: "The platform cannot be reached; retrying with back-off.", zh: "无法连接平台，正在退避重试。" },
  PLATFORM_REFUSED: { status: 502, en: "The platform refused a request of this enclave; the status tells why. Check that the enclave is enrolled and not suspended.", zh: "平台拒绝了本节点的请求，原因见状态码。请检查节点是否已注册且未被暂停。" },
  JOB_PARAMS: { status: 400, en: "The job's parameters do not fit their schema.", zh: "任务参数不符合结构定义。" },
  JOB_DATASET_UNKNOWN: { status: 404, en: "A party has not published a dataset yet. Start its enclave.", zh: "参与方尚未发布数据集。请启动其节点。" },
  JOB_NOT_LABELLED: { status: 422, en: "The guest's dataset has no label column.", zh: "发起方数据集没有标签列。" },
  JOB_ONE_CLASS: { status: 422, en: "The training or test part holds one class only; a scorecard needs both.", zh: "训练或测试部分只有单一类别，无法建立评分卡。" },
  JOB_NO_FEATURE: { status: 422, en: "No feature passed the selection; lower the IV threshold or the floors' need by more data.", zh: "没有特征通过筛选；请降低 IV 阈值或增加数据。" },
  SPLIT_COLUMN: { status: 400, en: "The split file needs the id column and a column `part`.", zh: "划分文件需要标识列和 part 列。" },
  SPLIT_VALUES: { status: 400, en: "The split file's `part` may be `train` or `test` only.", zh: "划分文件的 part 只能是 train 或 test。" },
  SPLIT_MISSING: { status: 400, en: "Some companies of the dataset have no part in the split file.", zh: "数据集中有企业未出现在划分文件中。" },
  JOB_MODEL_UNKNOWN: { status: 404, en: "This enclave does not hold its half of that model.", zh: "本节点没有该模型的对应部分。" },
  JOB_EXPORT_KIND: { status: 422, en: "A model of this kind has no whole-model export: its cell tables fit no format that another tool reads. Export a scorecard or boosted trees, or score with the parties.", zh: "此类模型不支持整体导出：其交叉单元表无法写成其他工具可读的格式。请导出评分卡或提升树，或由各方联合评分。" },
  JOB_EXPORT_OWNERS: { status: 422, en: "A data provider whose features are in the model is not in the export. Name all of the model's providers; each of them must allow the export.", zh: "导出任务缺少有特征入模的数据方。请列出该模型的全部数据方，且每一方都须允许导出。" },
  JOB_EXPORT_VERSION: { status: 422, en: "The model was trained by an earlier version of this program, whose halves do not hold what a whole model needs. Train it again, then export.", zh: "该模型由较早版本训练，其保存的部分不足以还原完整模型。请重新训练后再导出。" },
  JOB_CHALLENGER: { status: 422, en: "The challenger that the plan names is not in the bank's own enclave, or its file was changed. Put it there with `yunei model add-challenger`, then submit again.", zh: "计划所指的挑战者模型不在本行节点中，或其文件已被改动。请用 yunei model add-challenger 放入后重新提交。" },
  JOB_INTERNAL: { status: 500, en: "An unexpected error stopped the job at this party; its log names the place.", zh: "发生意外错误，任务在本方停止；详见本方日志。" },
} as const satisfies Record<string, ErrorSpec>;
