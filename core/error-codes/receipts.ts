// Error codes of receipts, the transparency log and its witnesses. Facts: `index` and `size` of the log, `sequence` of an
// issuer's chain, `check` (position in the bundle's list, from 1).
import type { ErrorSpec } from "../errors.ts";

export const receiptErrors = {
  LOG_MISSING: { status: 404, en: "There is no transparency log in this folder. Name the right folder, or create a log; a log whose checkpoint is gone must be restored, never created again.", zh: "该目录中没有透明日志。请指定正确的目录或新建日志；检查点丢失的日志须从备份恢复，不得重新创建。" },
  LOG_EXISTS: { status: 409, en: "The folder already holds a log, or the remains of one; nothing was changed. Name an empty folder.", zh: "该目录已有日志或日志残留，未作任何更改。请指定空目录。" },
  LOG_DAMAGED: { status: 500, en: "The files of the log do not fit its signed checkpoint; nothing is appended or proved. Run `yunei log fsck` and restore the log from a backup.", zh: "日志文件与其签名检查点不符，已停止追加和出具证明。请运行 yunei log fsck，并从备份恢复。" },
  LOG_KEY: { status: 403, en: "The log's checkpoint is signed by another key or for another origin. Configure the key and origin with which the log was created.", zh: "日志检查点由其他密钥签名或属于其他日志。请配置创建该日志时的密钥与标识。" },
  LOG_STOPPED: { status: 503, en: "An earlier write to the log failed or another process wrote to it; what was not acknowledged may be missing. Open the log again, then repeat.", zh: "此前写入日志失败，或有其他进程写入该日志；未确认的内容可能未写入。请重新打开日志后重试。" },
  LOG_BUSY: { status: 503, en: "Too many receipts wait to be written; nothing was taken. Repeat in a few seconds.", zh: "等待写入的回执过多，本次未接收。请数秒后重试。" },
  LOG_ENTRY: { status: 400, en: "An entry of the log has 1 to 65,535 bytes. Shorten the receipt.", zh: "日志条目须为 1 至 65535 字节。请缩短回执。" },
  LOG_RANGE: { status: 404, en: "The log has no such entry or size. Ask for one inside the checkpoint.", zh: "日志中没有该条目或该规模。请查询检查点范围之内的内容。" },
  CHECKPOINT_FORMAT: { status: 400, en: "A checkpoint, its signatures or a key is not in the signed-note format. Fetch it again from its source.", zh: "检查点、其签名或密钥不符合签名文本格式。请从来源重新获取。" },
  CHECKPOINT_SIGNATURE: { status: 403, en: "The checkpoint does not carry a valid signature of the trusted log key for this origin. Do not rely on it; compare the keys with the log's operator.", zh: "检查点没有受信日志密钥对该日志的有效签名。请勿采信，并与日志运营方核对密钥。" },
  CHECKPOINT_WITNESSES: { status: 403, en: "Fewer witnesses than the policy asks for have co-signed the checkpoint. Take a later checkpoint with more co-signatures.", zh: "检查点的见证签名数量少于策略要求。请改用见证签名更多的较新检查点。" },
  WITNESS_POLICY: { status: 400, en: "The witness policy asks for more witnesses than it names, names one twice, or names a key of the wrong kind. Correct it.", zh: "见证策略要求的数量超过所列见证方、重复列出见证方或密钥类型错误。请更正。" },
  WITNESS_UNKNOWN_LOG: { status: 404, en: "This witness does not know the log of the checkpoint. Configure the log's key first.", zh: "见证方未配置该检查点所属的日志。请先配置该日志的密钥。" },
  WITNESS_OLD_SIZE: { status: 409, en: "The proof does not start at the size that this witness last co-signed (given). Repeat with a proof from that size.", zh: "证明的起点不是见证方上次签名的规模（已给出）。请改用从该规模开始的证明。" },
  WITNESS_REWOUND: { status: 409, en: "The checkpoint is smaller than one that this witness has co-signed: the log went back, or an old checkpoint was offered. It was not signed; both were kept for the supervisor.", zh: "检查点规模小于见证方已签名的检查点：日志被回退，或提交了旧检查点。未予签名，两份检查点均已留存备查。" },
  WITNESS_FORKED: { status: 409, en: "The log has signed two different trees of the same size. It was not co-signed; both checkpoints were kept as evidence. Stop relying on this log and inform the supervisor.", zh: "日志对同一规模签署了两棵不同的树。未予见证签名，两份检查点已作为证据留存。请停止采信该日志并报告主管部门。" },
  WITNESS_INCONSISTENT: { status: 422, en: "The proof does not show that the checkpoint continues the tree that this witness has co-signed. It was not signed and was kept. Send a right proof; if there is none, the log has forked.", zh: "证明未能表明该检查点延续见证方已签名的树。未予签名并已留存。请提交正确的证明；若无法提供，则日志已分叉。" },
  RECEIPT_FORMAT: { status: 400, en: "The receipt is not in the strict form of its version. Fetch it again from its issuer.", zh: "回执不符合其版本的严格格式。请向签发方重新获取。" },
  RECEIPT_VERSION: { status: 400, en: "The receipt has a version that this program does not know. Update the program; do not rely on the receipt before.", zh: "本程序不识别该回执版本。请更新程序，在此之前勿采信该回执。" },
  RECEIPT_SIGNATURE: { status: 403, en: "The receipt is not signed by the key of the party that it names. Do not rely on it.", zh: "回执并非由其所载参与方的密钥签名。请勿采信。" },
  RECEIPT_CHAIN: { status: 409, en: "The receipt does not follow the issuer's last one: a receipt is missing, or the issuer signed two different ones with the same number.", zh: "回执未能接续签发方的上一份回执：缺少回执，或签发方以同一序号签发了两份不同的回执。" },
  RECEIPT_REVEAL: { status: 403, en: "The opened use is not one of those to which the receipt commits, or belongs to another company. Ask the issuer for the right opening.", zh: "所展示的使用记录不在回执承诺之内，或属于其他企业。请向签发方索取正确的展示信息。" },
  RECEIPT_INCLUSION: { status: 403, en: "The proof does not lead from this receipt to the root of the checkpoint. Ask the platform for a new bundle; if there is none, the receipt is not in the log.", zh: "证明未能从该回执推导出检查点的根。请向平台索取新的回执包；若无法提供，则该回执不在日志中。" },
  RECEIPT_USE: { status: 400, en: "A use to be committed to does not fit its schema: code of the company, grantee, items, purpose, consent. Correct it.", zh: "待承诺的使用记录不符合结构要求（企业代码、被授权机构、信息项、用途、授权）。请更正。" },
  RECEIPT_ISSUER: { status: 403, en: "The issuer's certificate is not of a trusted authority, not for signing, not valid at the time of the receipt, or of another party. Do not rely on the receipt.", zh: "签发方证书并非受信机构签发、用途不符、在回执时间无效或属于其他参与方。请勿采信该回执。" },
  BUNDLE_FORMAT: { status: 400, en: "The file is not a receipt bundle of a known version. Fetch it again, or update the program.", zh: "该文件不是已知版本的回执包。请重新获取，或更新程序。" },
  BUNDLE_TRUST: { status: 400, en: "The trust file is incomplete or damaged: log key, witnesses, authorities. Correct it.", zh: "信任配置不完整或已损坏（日志密钥、见证方、签发机构）。请更正。" },
} as const satisfies Record<string, ErrorSpec>;
