// What a broken or hostile peer may put in place of a message, and the code that must answer it. One table for all types.
import { encodeFrame } from "../../core/codec.ts";
import type { Code } from "../../core/errors.ts";
import { specOf } from "../../federation/messages.ts";
import type { Entry, Tamper } from "./world.ts";

export type HostileCase = { readonly name: string; readonly code: Code; readonly tamper: Tamper };
type Body = Readonly<Record<string, unknown>>;

/** Replaces the first message of a type (from `sender`, if given) and leaves all others as they are. */
export function onFirst(type: string, replace: (message: Entry) => readonly Uint8Array[], sender?: string): Tamper {
  let done = false;
  return (message) => {
    if (done || message.type !== type || (sender !== undefined && message.from !== sender)) return undefined;
    done = true;
    return replace(message);
  };
}

/** Replaces the body of the first message of a type. */
export function withBody(type: string, change: (body: never) => Body, sender?: string): Tamper {
  return onFirst(type, (m) => [encodeFrame(m.type, change(m.body as never))], sender);
}

/** Truncated, oversized, unknown or missing field, wrong type of each field, unknown message, out of order, duplicate. */
export function hostileCases(type: string, fields: readonly string[], sender?: string): HostileCase[] {
  const spec = specOf(type);
  if (!spec) throw new Error(`no message ${type}`);
  const commit = encodeFrame("seeds/commit", { commitment: new Uint8Array(32) });
  const other = type === "seeds/reveal" ? commit : encodeFrame("seeds/reveal", { nonce: new Uint8Array(32) });
  type Replace = (message: Entry) => readonly Uint8Array[];
  const make = (name: string, code: Code, replace: Replace): HostileCase => ({ name, code, tamper: onFirst(type, replace, sender) });
  const rebuilt = (name: string, code: Code, change: (body: Body) => Body): HostileCase =>
    make(name, code, (m) => [encodeFrame(m.type, change(m.body as Body))]);
  return [
    make("truncated", "PROTOCOL_MALFORMED", (m) => [m.frame.subarray(0, -1)]),
    make("empty", "PROTOCOL_MALFORMED", () => [new Uint8Array()]),
    make("followed by a byte", "PROTOCOL_MALFORMED", (m) => [Uint8Array.from({ length: m.frame.length + 1 }, (_, i) => m.frame[i] ?? 0)]),
    rebuilt("oversized", "PROTOCOL_OVERSIZED", (body) => ({ ...body, padding: new Uint8Array(spec.maxBytes) })),
    rebuilt("with an unknown field", "PROTOCOL_SCHEMA", (body) => ({ ...body, extra: 1 })),
    ...fields.map((field) => rebuilt(`without ${field}`, "PROTOCOL_SCHEMA", (body) => without(body, field))),
    ...fields.map((field) => rebuilt(`with a text as ${field}`, "PROTOCOL_SCHEMA", (body) => ({ ...body, [field]: "text" }))),
    ...fields.map((field) => rebuilt(`with -1.5 as ${field}`, "PROTOCOL_SCHEMA", (body) => ({ ...body, [field]: -1.5 }))),
    make("of an unknown type", "PROTOCOL_UNKNOWN_TYPE", (m) => [encodeFrame("psi/secret", m.body)]),
    make("replaced by a message of another turn", "PROTOCOL_OUT_OF_ORDER", () => [other]),
    make("sent twice", "PROTOCOL_OUT_OF_ORDER", (m) => [m.frame, m.frame]),
  ];
}

function without(body: Body, field: string): Body {
  return Object.fromEntries(Object.entries(body).filter(([key]) => key !== field));
}
