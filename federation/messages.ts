// The registry: every message type that may pass between two domains. Anything else is refused on arrival.
import type { BodyOf, MessageSpec } from "../core/message.ts";
import { psiMessages } from "./psi/messages.ts";

export const messageTable = {
  ...psiMessages,
} as const satisfies Record<string, MessageSpec>;

export type MessageType = keyof typeof messageTable;
export type TypedBody<T extends MessageType> = BodyOf<(typeof messageTable)[T]>;

export function specOf(type: string): MessageSpec | undefined {
  return Object.hasOwn(messageTable, type) ? messageTable[type as MessageType] : undefined;
}
