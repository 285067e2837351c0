// This enclave's audit log: in `audit/` of its folder, signed by its identity key. It stays here; its operator exports it.
import { join } from "node:path";
import type { AuditSigner } from "../../audit/head.ts";
import { readAuditSettings } from "../../audit/settings.ts";
import { AuditTrail } from "../../audit/trail.ts";
import type { Env } from "../../core/env.ts";
import type { Identity } from "../keys/identity.ts";

export function auditPaths(folder: string) {
  return { folder: join(folder, "audit"), settings: join(folder, "audit.json"), noticed: join(folder, "audit", "noticed.json") } as const;
}

export function auditSigner({ signKey, identityCertificate }: Identity): AuditSigner {
  return { key: signKey, certificate: identityCertificate };
}

/** Throws AUDIT_SETTINGS, DISK_FAILED. */
export function openEnclaveAudit(options: { readonly folder: string; readonly identity: Identity; readonly memoryKey: Uint8Array; readonly env: Env }): Promise<AuditTrail> {
  const { folder, identity, memoryKey, env } = options;
  const paths = auditPaths(folder);
  return AuditTrail.open({ folder: paths.folder, domain: identity.party, signer: auditSigner(identity), env, settings: readAuditSettings(paths.settings), secret: memoryKey });
}

/** Every second until disposed; closes the log then. */
export function ticking(trail: AuditTrail, env: Env): AsyncDisposable & { readonly trail: AuditTrail } {
  let round: Promise<void> | undefined;
  const timer = setInterval(() => {
    round ??= trail.tick()
      .catch((error: unknown) => env.log.error("audit.tick-failed", { reason: error instanceof Error ? error.name : "unknown" }))
      .finally(() => (round = undefined));
  }, 1000);
  return {
    trail,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await round;
      await trail.close();
    },
  };
}
