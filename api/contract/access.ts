// Who may call which endpoint, read off the contract: the table of api/README.md is this text, and a test calls every endpoint as everybody.
import { endpoints } from "../contract.ts";
import type { Endpoint } from "./endpoint.ts";
import { roles, type Role } from "./roles.ts";

/** nobody: without credentials. program: an institution's own API key or client certificate. enclave: a party's certificate (mutual TLS). */
export const callers = ["nobody", "program", ...roles, "enclave"] as const;
export type Caller = "nobody" | "program" | Role | "enclave";

/** Whether the endpoint lets this kind of caller in. What of it is the caller's own is decided behind it. */
export function mayCall(endpoint: Endpoint, caller: Caller): boolean {
  if (endpoint.auth === "none") return true;
  if (caller === "nobody") return false;
  if (caller === "program") return endpoint.auth === "institution";
  if (caller === "enclave") return endpoint.auth === "party";
  return (endpoint.roles ?? []).includes(caller);
}

/** One row per endpoint, one column per kind of caller (Markdown). */
export function accessTable(): string {
  const rows = (Object.entries(endpoints) as [string, Endpoint][]).map(([name, endpoint]) => {
    const cells = callers.map((caller) => (mayCall(endpoint, caller) ? "x" : ""));
    return `| \`${name}\` | ${endpoint.method.toUpperCase()} \`${endpoint.path}\` | ${cells.join(" | ")} |`;
  });
  return [`| endpoint | | ${callers.join(" | ")} |`, `|---|---|${callers.map(() => ":-:|").join("")}`, ...rows].join("\n");
}

const marks = { from: "<!-- access table -->", to: "<!-- end of access table -->" } as const;

/** A document with the table of today between its marks. */
export function withAccessTable(document: string): string {
  const [from, to] = [document.indexOf(marks.from), document.indexOf(marks.to)];
  return `${document.slice(0, from + marks.from.length)}\n${accessTable()}\n${document.slice(to)}`;
}
