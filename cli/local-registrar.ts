// A registrar for demonstrations on one machine: its own key, consents of made-up companies, a list of withdrawals. Providers believe it
// because their policies name its key; a real one registers companies by real name and asks them.
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { isNecessary } from "../catalogue/purposes.ts";
import { findItem } from "../catalogue/search.ts";
import type { PartyId } from "../core/brand.ts";
import type { Env } from "../core/env.ts";
import { partyId } from "../core/names.ts";
import type { FinancingPurpose } from "../core/purposes.ts";
import { usccCheckCharacter } from "../core/uscc.ts";
import { isoSeconds, newConsentId } from "../consent/book.ts";
import { keyId, publicHalf, rawKey } from "../consent/keys.ts";
import { currentNotice } from "../consent/notice.ts";
import { consentDigest, maxLifetimeMs, signRevocationList, type RevokedEntry } from "../consent/revocation.ts";
import { signConsent, type Consent, type ConsentKind } from "../consent/statement.ts";
import { registrarsSchema, type RegistrarsPolicy } from "../enclave/consents/trust.ts";
import type { DatasetDefinition } from "../enclave/data/definition.ts";

const termDays = 30;
const dayMs = 86_400_000;
const signedAtOnce = 256;
/** A code that is nobody's by chance: the made-up bank. */
const bankBody = "91110000MA0000DEM";

export class LocalRegistrar {
  /** Of its own for each key: two registrars of one name would contradict each other. */
  readonly name: PartyId;
  readonly #key: KeyObject;
  readonly #env: Pick<Env, "rng" | "now">;
  readonly #since: number;
  readonly #granted = new Map<string, { readonly digest: string; readonly until: number }[]>();
  readonly #withdrawn = new Map<string, RevokedEntry>();
  #sequence = 0;

  constructor(env: Pick<Env, "rng" | "now">) {
    this.#key = generateKeyPairSync("ed25519").privateKey;
    this.name = partyId(`demo-registrar-${keyId(publicHalf(this.#key)).slice(0, 8)}`);
    this.#env = env;
    this.#since = env.now();
  }

  /** `registrars` of a policy that believes it, beside the platform's own. */
  get policy(): RegistrarsPolicy {
    const [from, to] = [this.#since - dayMs, this.#since + 2 * termDays * dayMs].map(seconds);
    return registrarsSchema.parse({ keys: [{ name: this.name, key: rawKey(this.#key), from: iso(from), to: iso(to) }] });
  }

  /** One consent per line, of each company, for repeated scoring and training, or what else is named, over 30 days. */
  async consents(subjects: readonly string[], terms: { readonly grantee: PartyId; readonly items: readonly string[]; readonly purpose: FinancingPurpose; readonly kinds?: readonly ConsentKind[] }): Promise<string> {
    const { notice, digest } = currentNotice();
    const at = seconds(this.#env.now());
    const lines: string[] = [];
    for (const [i, subject] of subjects.entries()) {
      if (i % signedAtOnce === signedAtOnce - 1) await setImmediate();
      const consent: Consent = {
        version: 1, id: newConsentId(this.#env.rng), subject, grantee: { party: terms.grantee, uscc: `${bankBody}${usccCheckCharacter(bankBody) ?? ""}` },
        items: [...terms.items], purpose: terms.purpose, kinds: [...(terms.kinds ?? ["score", "train"])], issuedAt: iso(at), notBefore: iso(at), notAfter: iso(at + termDays * 86_400),
        use: { kind: "repeated" }, notice: { version: notice.version, digest },
        evidence: { kind: "online", realName: { provider: partyId("demo-identity"), at: iso(at), assurance: "low" } }, issuer: { kind: "registrar", registrar: this.name },
      };
      this.#granted.set(subject, [...(this.#granted.get(subject) ?? []), { digest: consentDigest(consent.id), until: at + termDays * 86_400 }]);
      lines.push(signConsent(consent, this.#key));
    }
    return `${lines.join("\n")}\n`;
  }

  /** These companies withdraw all that they have consented to so far; the next list says so. */
  withdraw(subjects: readonly string[]): void {
    const at = seconds(this.#env.now());
    // Once: a list that moved a withdrawal would be refused.
    for (const { digest, until } of subjects.flatMap((subject) => this.#granted.get(subject) ?? [])) {
      if (!this.#withdrawn.has(digest)) this.#withdrawn.set(digest, [digest, at, until]);
    }
  }

  /** The next list of withdrawals. It counts as long as one may: a day. */
  revocations(): string {
    const at = seconds(this.#env.now());
    const list = { registrar: this.name, sequence: ++this.#sequence, issuedAt: iso(at), nextUpdate: iso(at + maxLifetimeMs / 1000), entries: [...this.#withdrawn.values()] };
    return `${signRevocationList(list, this.#key)}\n`;
  }
}

/** Items of the catalogue that providers' tables hold and the purpose needs, in the order that a consent wants. */
export function itemsFor(definitions: readonly DatasetDefinition[], purpose: FinancingPurpose): readonly string[] {
  const named = definitions.flatMap(({ catalogue }) => Object.values(catalogue?.tables ?? {}))
    .flatMap(({ items = [], columns }) => [...items, ...Object.values(columns).flatMap((c) => c.items)]);
  const items = new Set(named.map((text) => findItem(text.split("#")[0] ?? "")));
  return [...items].filter((item) => isNecessary(purpose, item)).map((item) => item.id as string).sort();
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
function iso(at: number | undefined): string {
  return isoSeconds(at ?? 0);
}
