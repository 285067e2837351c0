// Error codes of the protocols between domains: what a party refuses from a peer.
import type { ErrorSpec } from "../errors.ts";

export const protocolErrors = {
  PROTOCOL_MALFORMED: { status: 400, en: "A message could not be decoded; it was refused and the job waits for the right one.", zh: "消息无法解码，已拒收；任务继续等待正确的消息。" },
  PROTOCOL_SCHEMA: { status: 400, en: "A message does not fit its schema (unknown field, wrong type or size); it was refused.", zh: "消息与其结构定义不符（未知字段、类型或长度错误），已拒收。" },
  PROTOCOL_UNKNOWN_TYPE: { status: 400, en: "A message has a type that this job's plan does not contain; it was refused.", zh: "消息类型不在本任务计划之内，已拒收。" },
  PROTOCOL_OUT_OF_ORDER: { status: 409, en: "A message came out of its turn; it was refused.", zh: "消息次序错误，已拒收。" },
  PROTOCOL_REPLAYED: { status: 409, en: "A message number was already used; the message was refused.", zh: "消息序号已使用（重放），已拒收。" },
  PROTOCOL_WRONG_PARTY: { status: 403, en: "A message came from a party that may not send it; it was refused.", zh: "消息来自无权发送的参与方，已拒收。" },
  PROTOCOL_BAD_SIGNATURE: { status: 403, en: "A message is not signed by the party it names; it was refused.", zh: "消息签名与所称参与方不符，已拒收。" },
  PROTOCOL_BAD_SEAL: { status: 403, en: "A message could not be opened with this job's channel key; it was refused.", zh: "消息无法用本任务的信道密钥解封，已拒收。" },
  PROTOCOL_OVERSIZED: { status: 413, en: "A message is larger than its limit; it was refused.", zh: "消息超过长度上限，已拒收。" },
  PROTOCOL_RESIDUES: { status: 400, en: "A message holds numbers outside their ring; it was refused.", zh: "消息中的数值超出其环的范围，已拒收。" },
  PROTOCOL_COMMITMENT: { status: 409, en: "A revealed value does not match its commitment: that party deviates. Start a new job after the cause is known.", zh: "揭示的数值与承诺不符：该方偏离协议。查明原因后重新发起任务。" },
  PROTOCOL_ROW_ORDER: { status: 409, en: "The parties do not agree on the order of rows; nothing was computed. Check that all use the same job plan and data.", zh: "各方行序承诺不一致，未进行任何计算。请检查各方任务计划与数据是否一致。" },
  PROTOCOL_WRONG_SHAPE: { status: 409, en: "A peer answered with another shape than agreed (rows, columns or cells).", zh: "对方应答的形状（行、列或单元数）与约定不符。" },
  PROTOCOL_SPLIT: { status: 403, en: "A split was asked for that is none of that feature (not the first part of its bins, or one that was asked for before); its bits were not sent.", zh: "所请求的切分不属于该特征（不是其分箱的前段，或已请求过），未发送切分位。" },
  PROTOCOL_CONTRADICTION: { status: 409, en: "A party's answers contradict each other (sums, bits and counts of one feature do not belong together), or its half of a model does not fit the bank's. Start a new job after the cause is known.", zh: "某方应答自相矛盾（同一特征的求和、切分位与计数不符），或其模型部分与银行所持不符。查明原因后重新发起任务。" },
  PROTOCOL_BAD_POINT: { status: 400, en: "A peer sent bytes that are not a point of the curve (or its neutral element); nothing was computed with them.", zh: "对方发来的字节不是曲线上的有效点（或为单位元），未用其进行任何计算。" },
  PROTOCOL_OT_CHECK: { status: 403, en: "A peer's oblivious transfers failed their consistency check: that party deviates from the protocol, or its message was changed. Nothing was computed with them. Start a new job after the cause is known.", zh: "对方的不经意传输未通过一致性检查：该方偏离协议，或消息被篡改；未用其进行任何计算。查明原因后重新发起任务。" },
  PROTOCOL_DUPLICATE_ELEMENT: { status: 400, en: "A peer sent the same set element or record twice; the alignment was stopped.", zh: "对方重复发送了同一集合元素或记录，对齐已停止。" },
  PROTOCOL_TOO_FEW_ROWS: { status: 409, en: "The job has fewer rows than this domain's policy asks for; nothing was computed. Use more companies.", zh: "任务行数低于本域策略的下限，未进行任何计算。请增加企业数量。" },
  PSI_EMPTY_SET: { status: 400, en: "The id column is empty; there is nothing to align. Load a table with rows.", zh: "标识列为空，无法对齐。请载入有数据的表。" },
  PSI_DUPLICATE_ID: { status: 400, en: "An id occurs more than once in this domain's own set. Remove the duplicates and start again.", zh: "本域集合中有重复的标识。请去重后重新发起。" },
  PSI_NO_TABLE: { status: 500, en: "The ids found no place in the alignment's table under any salt that was tried; nothing was sent. Start the job again.", zh: "多次更换盐值后标识仍无法放入对齐用的散列表，未发送任何内容。请重新发起任务。" },
  PSI_SET_TOO_LARGE: { status: 413, en: "The set is larger than the protocol's limit. Split the job.", zh: "集合超过协议上限。请拆分任务。" },
} as const satisfies Record<string, ErrorSpec>;
