// How `yunei verify` checks consents: by the same code as an enclave, with the registrars that the trust file names.
import { createPublicKey } from "node:crypto";
import { z } from "zod";
import { officialCatalogue } from "../catalogue/load.ts";
import { allows } from "../catalogue/modes.ts";
import { Revocations } from "../consent/revocation.ts";
import { consentKinds, termsSchema } from "../consent/statement.ts";
import { registrarFromCertificate, registrarFromStatement, Trust as ConsentTrust, type Registrar } from "../consent/trust.ts";
import { checkScope, checkStatement, defaultSkewMs, stillHolds, type Asked } from "../consent/verify.ts";
import type { ItemId } from "../core/brand.ts";
import { AppError } from "../core/errors.ts";
import { partyIdSchema } from "../core/names.ts";
import { trainingKinds } from "../federation/plan-schema.ts";
import type { ConsentContext, ConsentVerifier } from "../receipts/bundle.ts";
import type { Trust } from "../receipts/trust.ts";

/** `consent` of a trust file: whose consents count. certificate: PEM of one of the trust file's authorities; or a statement that a root key (PEM)
 *  has signed. pinned: SHA-256 of the registrar's key (SPKI), hex. */
export const consentTrustSchema = z.strictObject({
  registrars: z.array(z.union([
    z.strictObject({ certificate: z.string().max(16_384), pinned: z.string().regex(/^[0-9a-f]{64}$/).optional() }),
    z.strictObject({ statement: z.string().max(4096), root: z.string().max(4096) }),
  ])).max(64),
});

/** Whether no reading of the sharing lists, of whatever field or part of the item, lets jobs of this kind use it without the company's
 *  authorisation. An item that no list has is nobody's to use. */
export function needsConsent(item: string, kind: string): boolean {
  const found = officialCatalogue.find(item);
  if (found === undefined) return true;
  const use = trainingKinds.some((training) => training === kind) ? "joint-modelling" : kind === "verify" ? "verification" : "scoring";
  const parts = [{}, ...found.ways.flatMap(({ part }) => (part === undefined ? [] : [{ part: part.id }]))];
  const fields = [{}, ...found.fields.map(({ id }) => ({ fields: [id] }))];
  return !fields.some((field) => parts.some((part) => {
    const { allowed, authorisation } = allows(found, use, { ...field, ...part });
    return allowed && !authorisation;
  }));
}

/** The verifier for a trust file; undefined when it names no registrar. Throws BUNDLE_TRUST. */
export function consentVerifier(trust: Trust): ConsentVerifier | undefined {
  if (trust.consent === undefined) return undefined;
  const consents = openTrust(trust);
  const basis = { trust: consents, isItem: (id: string) => officialCatalogue.find(id) !== undefined };
  return {
    async consent(text, context) {
      const accepted = checkStatement(text, basis);
      checkScope(accepted.consent, context.subject, askedOf(context));
      if (context.at + defaultSkewMs < Date.parse(accepted.consent.notBefore)) throw new AppError("CONSENT_NOT_YET");
      if (context.at >= accepted.until) throw new AppError("CONSENT_EXPIRED");
      return { id: accepted.consent.id };
    },
    async revocations(text, { consent, at }) {
      const revocations = new Revocations(consents);
      revocations.accept(text);
      stillHolds(checkStatement(consent, basis), { revocations }, at);
    },
  };
}

function openTrust(trust: Trust): ConsentTrust {
  try {
    const { registrars } = consentTrustSchema.parse(trust.consent);
    return new ConsentTrust(registrars.map((entry) => ("statement" in entry ? registrarFromStatement(entry.statement, createPublicKey(entry.root)) : fromAuthorities(entry, trust))));
  } catch (cause) {
    throw new AppError("BUNDLE_TRUST", {}, { cause });
  }
}

/** The registrar of a certificate that one of the trusted authorities has issued. */
function fromAuthorities({ certificate, pinned }: { certificate: string; pinned?: string | undefined }, { authorities }: Trust): Registrar {
  const found = authorities.flatMap((ca) => {
    try {
      return [registrarFromCertificate(certificate, { ca: ca.toString(), pinned })];
    } catch {
      return [];
    }
  });
  if (found[0] === undefined) throw new AppError("CONSENT_CHAIN");
  return found[0];
}

/** What the receipt says was used, in the words of consents. Throws CONSENT_GRANTEE, CONSENT_PURPOSE or CONSENT_KIND for what no consent can cover. */
function askedOf({ grantee, items, purpose, kind }: ConsentContext): Asked {
  const party = partyIdSchema.safeParse(grantee);
  if (!party.success) throw new AppError("CONSENT_GRANTEE");
  const known = termsSchema.shape.purpose.safeParse(purpose);
  if (!known.success) throw new AppError("CONSENT_PURPOSE");
  const isTraining = trainingKinds.some((training) => training === kind);
  const own = isTraining ? "train" : consentKinds.find((name) => name === kind);
  if (own === undefined) throw new AppError("CONSENT_KIND");
  return { grantee: { party: party.data }, items: items as readonly ItemId[], purpose: known.data, kind: own };
}
