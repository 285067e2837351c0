// The registry: every message type that may pass between two domains, and the check that both doors make.
import { decodeFrame } from "../core/codec.ts";
import { AppError } from "../core/errors.ts";
import { maxFrameBytes, type BodyOf, type MessageSpec, type Role } from "../core/message.ts";
import { binningMessages } from "./binning/messages.ts";
import { consentsMessages } from "./consents/messages.ts";
import { evaluateMessages } from "./evaluate/messages.ts";
import { exportMessages } from "./export/messages.ts";
import { feedbackMessages } from "./feedback/messages.ts";
import { finishMessages } from "./finish/messages.ts";
import { crossboostMessages } from "./crossboost/messages.ts";
import { garbledMessages } from "./garbled/messages.ts";
import { gbdtMessages } from "./gbdt/messages.ts";
import { lookupMessages } from "./lookup/messages.ts";
import { kkrtMessages } from "./kkrt/messages.ts";
import { momentsMessages } from "./moments/messages.ts";
import { otMessages } from "./ot/messages.ts";
import { psiMessages } from "./psi/messages.ts";
import { reusableMessages } from "./psi/reusable-messages.ts";
import { rowsMessages } from "./rows/messages.ts";
import { scoreMessages } from "./score/messages.ts";
import { serveMessages } from "./serve/messages.ts";
import { seedsMessages } from "./seeds/messages.ts";
import { totalsMessages } from "./totals/messages.ts";
import { verifyMessages } from "./verify/messages.ts";
import { watchMessages } from "./watch/messages.ts";

export const messageTable = {
  ...psiMessages,
  ...reusableMessages,
  ...kkrtMessages,
  ...otMessages,
  ...consentsMessages,
  ...rowsMessages,
  ...seedsMessages,
  ...binningMessages,
  ...momentsMessages,
  ...crossboostMessages,
  ...gbdtMessages,
  ...lookupMessages,
  ...totalsMessages,
  ...scoreMessages,
  ...exportMessages,
  ...evaluateMessages,
  ...serveMessages,
  ...watchMessages,
  ...garbledMessages,
  ...verifyMessages,
  ...feedbackMessages,
  ...finishMessages,
} as const satisfies Record<string, MessageSpec>;

export type MessageType = keyof typeof messageTable;
export type TypedBody<T extends MessageType> = BodyOf<(typeof messageTable)[T]>;
/** The roles at the two ends of a channel in one job. */
export type Ends = { readonly from: Role; readonly to: Role };

export function specOf(type: string): MessageSpec | undefined {
  return Object.hasOwn(messageTable, type) ? messageTable[type as MessageType] : undefined;
}

/** The body as its schema gives it back. Throws PROTOCOL_UNKNOWN_TYPE, PROTOCOL_WRONG_PARTY or PROTOCOL_SCHEMA. */
export function checkBody(type: string, body: unknown, ends: Ends): unknown {
  const spec = specOf(type);
  if (spec === undefined) throw new AppError("PROTOCOL_UNKNOWN_TYPE");
  const fits = (end: MessageSpec["from"], role: Role): boolean => end === "any" || end === role;
  if (!fits(spec.from, ends.from) || !fits(spec.to, ends.to)) throw new AppError("PROTOCOL_WRONG_PARTY");
  const parsed = spec.body.safeParse(body);
  if (!parsed.success) throw new AppError("PROTOCOL_SCHEMA", { problems: parsed.error.issues.length });
  return parsed.data;
}

/** Decodes and checks an opened frame. */
export function checkFrame(frame: Uint8Array, ends: Ends): { type: MessageType; body: unknown } {
  if (frame.length > maxFrameBytes) throw new AppError("PROTOCOL_OVERSIZED", { bytes: frame.length, limit: maxFrameBytes });
  const { type, body } = decodeFrame(frame);
  const spec = specOf(type);
  if (spec === undefined) throw new AppError("PROTOCOL_UNKNOWN_TYPE");
  if (frame.length > spec.maxBytes) throw new AppError("PROTOCOL_OVERSIZED", { bytes: frame.length, limit: spec.maxBytes });
  return { type: type as MessageType, body: checkBody(type, body, ends) };
}
