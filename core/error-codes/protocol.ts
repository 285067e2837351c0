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
} as const satisfies Record<string, ErrorSpec>;
