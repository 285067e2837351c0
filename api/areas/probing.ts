// Signs of probing that enclaves tell: each is an entry of the platform's audit log, whose rules raise the alert.
import type { Express } from "express";
import { enclaveProbingEndpoints } from "../contract/probing.ts";
import { wordOf } from "../../audit/entry.ts";
import { route, type Guard, type PartyCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";

const outcomes = { alert: "ok", slow: "BUDGET_SLOWED", refuse: "BUDGET_PROBING" } as const;

export function addEnclaveProbing(app: Express, platform: Platform, guard: Guard<PartyCaller>): void {
  route(app, enclaveProbingEndpoints.putProbing, guard, async ({ caller, body }) => {
    for (const { party, signal, verdict, company, measured } of body.signs) {
      platform.audit.note({
        actor: { role: "enclave", id: caller.party }, action: "probing.seen", objects: { party }, company, outcome: outcomes[verdict], facts: { signal: wordOf(signal), measured },
      });
    }
    await platform.audit.settled();
    return { party: caller.party };
  });
}
