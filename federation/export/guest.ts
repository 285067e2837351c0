// Export of a whole model, guest: asks every owner for its half, holds it against its own, puts all together.
import type { PartyId } from "../../core/brand.ts";
import { digestOf } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import type { WholeScorecard } from "../../models/files/scorecard.ts";
import { collectReceipts, type FinishedHost } from "../finish/end.ts";
import type { GbdtGuestHalf } from "../gbdt/half.ts";
import type { Party } from "../party.ts";
import type { GuestHalf } from "../scorecard/finish.ts";
import { wholeCard } from "./card.ts";
import { decodeHalf, type OpenHalf } from "./half.ts";
import { wholeTrees, type WholeTrees } from "./trees.ts";

export type GuestOwn = { readonly kind: "gbdt"; readonly half: GbdtGuestHalf } | { readonly kind: "scorecard"; readonly half: GuestHalf };
export type WholeModel = { readonly kind: "gbdt"; readonly trees: WholeTrees } | { readonly kind: "scorecard"; readonly card: WholeScorecard };
export type Exported = { readonly whole: WholeModel; readonly receipts: readonly FinishedHost[] };

/** Hosts that own something which the model uses: an export needs all of them. */
export function ownersOf(own: GuestOwn): string[] {
  if (own.kind === "scorecard") return own.half.scoring.parties.filter((p) => p.weights.some((w) => w !== 0)).map((p) => p.party);
  const { features, trees } = own.half.trees;
  const used = new Set(trees.flatMap((t) => t.cuts.map((c) => features[c.feature]?.party)));
  return own.half.hosts.map((h) => h.party).filter((h) => used.has(h));
}

/** Throws JOB_EXPORT_OWNERS or JOB_EXPORT_VERSION, before anything leaves, when an owner is not in the job or the half too old; JOB_MODEL_UNKNOWN or PROTOCOL_CONTRADICTION naming the
 *  host whose half is not of this model or does not fit it. */
export async function exportGuest(party: Party, { hosts, own }: { readonly hosts: readonly PartyId[]; readonly own: GuestOwn }): Promise<Exported> {
  const missing = ownersOf(own).filter((owner) => !hosts.some((h) => h === owner));
  if (missing.length > 0) throw new AppError("JOB_EXPORT_OWNERS", { missing: missing.length });
  if (own.kind === "scorecard" && own.half.columns.some((c) => c.bins === undefined)) throw new AppError("JOB_EXPORT_VERSION");
  return party.phase("export", async () => {
    const opened = { model: own.half.model, digest: digestOf(own.half) };
    await Promise.all(hosts.map((host) => party.send(host, "export/open", opened)));
    const halves = new Map(await Promise.all(hosts.map(async (host) => [host, await receiveHalf(party, host, opened)] as const)));
    const whole: WholeModel = own.kind === "gbdt"
      ? { kind: "gbdt", trees: wholeTrees(own.half, party.self, halves) }
      : { kind: "scorecard", card: wholeCard(own.half, party.self, halves) };
    return { whole, receipts: await collectReceipts(party, hosts) };
  });
}

async function receiveHalf(party: Party, host: PartyId, { model, digest }: { model: string; digest: string }): Promise<OpenHalf> {
  const parts: Uint8Array[] = [];
  for (let last = false; !last;) {
    const part = await party.receive(host, "export/half");
    if (part.index !== parts.length) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: host, index: part.index, expected: parts.length });
    if (part.bytes.length === 0) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host, index: part.index });
    parts.push(part.bytes);
    ({ last } = part);
  }
  const half = decodeHalf(Buffer.concat(parts));
  if (half === undefined) throw new AppError("PROTOCOL_SCHEMA", { party: host, parts: parts.length });
  if (half.model !== model || half.digest !== digest) throw new AppError("JOB_MODEL_UNKNOWN", { party: host });
  return half;
}
