// The transparency log: what anybody may read of it, what an institution reads of its jobs' receipts, how enclaves hand in receipts and
// witness the log. Beside these the platform serves the static API of C2SP tlog-tiles under /v1/log/ (checkpoint, witnessed, tile/…).
import { z } from "zod";
import { jobIdSchema, partyIdSchema } from "../../core/names.ts";
import { bodyErrors, codeSchema, hex64, page, pem, time, wait, type Endpoint } from "./endpoint.ts";
import { bankPeople } from "./roles.ts";

/** Where the static API begins. */
export const logPrefix = "/v1/log/";
/** A place in the log or a size of it. */
const index = z.int().min(0);
const indexInPath = z.string().regex(/^(0|[1-9][0-9]{0,14})$/).transform(Number);
const jws = z.string().max(16_384).regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/);
const note = z.string().max(65_536);
const verifierKey = z.string().max(512);
/** Hashes of a proof, standard base64, at most one for each level of a tree. */
const path = z.array(z.string().max(64)).max(64);
const witnessCodes = ["WITNESS_REWOUND", "WITNESS_FORKED", "WITNESS_INCONSISTENT", "CHECKPOINT_FORMAT", "CHECKPOINT_SIGNATURE", "LOG_KEY"] as const;

export const placeSchema = z.strictObject({ index, path, checkpoint: note });
const bundleReply = z.strictObject({
  format: z.literal("yunei-receipt-bundle"), version: z.literal(1), receipt: jws, issuer: z.strictObject({ certificate: pem }), log: placeSchema, previous: jws.optional(),
});
const receiptLine = z.strictObject({
  /** SHA-256 of the receipt's text. */
  id: hex64, job: z.string(), kind: z.string(), party: partyIdSchema, purpose: z.string(), at: time, sequence: index, index,
});
export type ReceiptLine = z.output<typeof receiptLine>;
const witnessView = z.strictObject({
  party: partyIdSchema, key: verifierKey, statement: jws, identityCertificate: pem,
  /** The largest tree that it has co-signed. */
  cosigned: z.strictObject({ size: index, at: time }).nullable(),
  /** Its last refusal of a checkpoint, which the log must explain. */
  refused: z.strictObject({ code: codeSchema, size: index, offered: index, at: time }).nullable(),
});
export type WitnessView = z.output<typeof witnessView>;
const byDigest = z.strictObject({ id: hex64 });

export const receiptBankEndpoints = {
  getLog: { listener: "bank", method: "get", path: "/v1/log", auth: "none", status: 200, errors: [],
    summary: { en: "The transparency log: its key, newest checkpoints, witnesses and whether one has refused it. Tiles and entries: /v1/log/checkpoint, /v1/log/tile/… (C2SP tlog-tiles)",
      zh: "透明日志：密钥、最新检查点、见证方及其是否拒绝。数据块与条目：/v1/log/checkpoint、/v1/log/tile/…（C2SP tlog-tiles）" },
    reply: z.strictObject({ key: verifierKey, size: index, checkpoint: note, witnessed: note.nullable(), caCertificate: pem, witnesses: z.array(witnessView),
      /** Certificates of the registrars that sign consents. */
      registrars: z.array(pem) }) },
  getInclusion: { listener: "bank", method: "get", path: "/v1/log/proof/:index", auth: "none", status: 200, errors: ["LOG_RANGE"],
    summary: { en: "Proof that an entry is in the tree of `size` entries (RFC 9162)", zh: "条目收录于给定规模的树的证明（RFC 9162）" },
    params: z.strictObject({ index: indexInPath }), query: z.strictObject({ size: indexInPath.optional() }),
    reply: z.strictObject({ index, size: index, path }) },
  getConsistency: { listener: "bank", method: "get", path: "/v1/log/consistency", auth: "none", status: 200, errors: ["LOG_RANGE"],
    summary: { en: "Proof that the tree of `second` entries begins with that of `first` (RFC 9162)", zh: "后一棵树以前一棵树为前缀的一致性证明（RFC 9162）" },
    query: z.strictObject({ first: indexInPath, second: indexInPath.optional() }), reply: z.strictObject({ first: index, second: index, path }) },
  listReceipts: { listener: "bank", method: "get", path: "/v1/receipts", auth: "institution", roles: bankPeople, status: 200, errors: [],
    summary: { en: "Receipts of the institution's jobs in the log, newest first", zh: "日志中本机构任务的回执，最新在前" },
    query: page.extend({ job: jobIdSchema.optional() }), reply: z.strictObject({ items: z.array(receiptLine), next: z.string().nullable() }) },
  getReceipt: { listener: "bank", method: "get", path: "/v1/receipts/:id", auth: "institution", roles: bankPeople, status: 200, errors: ["RECEIPT_NOT_FOUND"],
    summary: { en: "The bundle of one receipt of the institution's jobs: one file that `yunei verify` checks offline", zh: "本机构任务的一份回执包：单个文件，可用 yunei verify 离线核验" },
    params: byDigest, reply: bundleReply },
} as const satisfies Record<string, Endpoint>;

export const receiptEnclaveEndpoints = {
  putReceipt: { listener: "enclave", method: "post", path: "/enclave/v1/receipts", auth: "party", status: 200,
    summary: { en: "Append this party's next receipt to the log; durable before the answer, which proves it; the same receipt again is fine",
      zh: "将本方下一份回执追加到日志；应答前已落盘，应答即为证明；重复提交同一回执无副作用" },
    body: z.strictObject({ receipt: jws }), reply: placeSchema,
    errors: ["RECEIPT_FORMAT", "RECEIPT_VERSION", "RECEIPT_SIGNATURE", "RECEIPT_ISSUER", "RECEIPT_CHAIN", "LOG_BUSY", "LOG_STOPPED", "LOG_DAMAGED", "DISK_FAILED", ...bodyErrors] },
  getPlace: { listener: "enclave", method: "get", path: "/enclave/v1/receipts/:id", auth: "party", status: 200, errors: ["RECEIPT_NOT_FOUND"],
    summary: { en: "Where one of this party's receipts is in the log, under the newest co-signed checkpoint that has it", zh: "本方回执在日志中的位置，附最新的见证检查点" },
    params: byDigest, reply: placeSchema },
  putWitness: { listener: "enclave", method: "put", path: "/enclave/v1/witness", auth: "party", status: 200,
    summary: { en: "Publish this party's witness key, signed by its identity key", zh: "公布本方见证密钥（由身份密钥签名）" },
    body: z.strictObject({ statement: jws }), reply: z.strictObject({ party: partyIdSchema }), errors: ["WITNESS_KEY", ...bodyErrors] },
  getOffer: { listener: "enclave", method: "get", path: "/enclave/v1/log", auth: "party", status: 200, errors: [],
    summary: { en: "The checkpoint that this party is asked to co-sign, with the proof from the size that it knows (long poll); null when there is none",
      zh: "请本方见证签名的检查点及自其已知规模起的一致性证明（长轮询）；没有时为 null" },
    query: z.strictObject({ old: indexInPath.default(0), wait }), reply: z.strictObject({ key: verifierKey, offer: z.strictObject({ checkpoint: note, path }).nullable() }) },
  putCosignature: { listener: "enclave", method: "post", path: "/enclave/v1/log/cosignatures", auth: "party", status: 200,
    summary: { en: "A co-signature of this party's witness over the offered checkpoint", zh: "本方见证方对所提供检查点的见证签名" },
    body: z.strictObject({ checkpoint: note, line: z.string().max(1024) }), reply: z.strictObject({ taken: z.boolean() }),
    errors: ["WITNESS_KEY", "CHECKPOINT_FORMAT", "CHECKPOINT_SIGNATURE", ...bodyErrors] },
  putRefusal: { listener: "enclave", method: "post", path: "/enclave/v1/log/refusals", auth: "party", status: 200,
    summary: { en: "This party's witness refuses a checkpoint: the log went back or forked; it is shown to everybody", zh: "本方见证方拒绝某检查点（日志回退或分叉）；向所有人公示" },
    body: z.strictObject({ code: z.enum(witnessCodes), size: index, offered: index }), reply: z.strictObject({ party: partyIdSchema }), errors: ["WITNESS_KEY", ...bodyErrors] },
} as const satisfies Record<string, Endpoint>;

/** The signed statement of a party's witness key: JWS of its identity key with this type. */
export const witnessStatementType = "yunei-witness+jws";
export const witnessStatementSchema = z.strictObject({ version: z.literal(1), party: partyIdSchema, key: verifierKey, at: time });
export type WitnessStatement = z.output<typeof witnessStatementSchema>;
export type WitnessRefusal = z.output<typeof receiptEnclaveEndpoints.putRefusal.body>;
