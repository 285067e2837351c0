// Host: checks the consents of the companies that the guest has in common with it, answers for each, and lets no other company of its own
// into the job's rows.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Party } from "../party.ts";
import { refusalCodes, type RefusalCode } from "./messages.ts";

export type Shown = { readonly record: number; readonly subject: EntityId; readonly jws: string };

/** What the host's enclave does about consents. */
export interface HostConsents {
  /** Its word on each consent of a chunk (from 0): undefined for one that holds now. The same again after a restart. */
  check(chunk: number, shown: readonly Shown[]): Promise<readonly (RefusalCode | undefined)[]>;
  /** The job's rows are fixed: these own records are in it. From now on nothing leaves without `hold`. */
  admit(records: Int32Array): void;
  /** Before anything about the records leaves: throws the code of a consent that does not hold any more. The first time it counts the uses. */
  hold(): Promise<void>;
}

/** `order`: place in the shuffled list -> own record. Returns the records whose consent was accepted. Throws PROTOCOL_OUT_OF_ORDER,
 *  PROTOCOL_WRONG_SHAPE or PROTOCOL_DUPLICATE_ELEMENT naming the guest. */
export async function consentsHost(
  party: Party, guest: PartyId, own: { readonly ids: readonly EntityId[]; readonly order: Int32Array }, consents: HostConsents,
): Promise<ReadonlySet<number>> {
  const accepted = new Set<number>();
  let before = -1;
  for (let chunk = 0; ; chunk++) {
    const { index, last, places, texts } = await party.receive(guest, "consents/texts");
    if (index !== chunk) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: guest, index });
    // Nobody shows nothing but at the very end: it could go on for ever.
    if (places.length !== texts.length * 4 || (texts.length === 0 && !last)) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: guest, index });
    const view = new DataView(places.buffer, places.byteOffset, places.length);
    const shown = texts.map((jws, i): Shown => {
      const place = view.getInt32(i * 4, true);
      if (place < 0 || place >= own.order.length) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: guest, listed: own.order.length });
      if (place <= before) throw new AppError("PROTOCOL_DUPLICATE_ELEMENT", { party: guest });
      before = place;
      const record = own.order[place] as number;
      return { record, subject: own.ids[record] as EntityId, jws };
    });
    const codes = await consents.check(chunk, shown);
    for (const [i, { record }] of shown.entries()) if (codes[i] === undefined) accepted.add(record);
    await party.send(guest, "consents/answer", { index, codes: Uint8Array.from(shown, (_, i) => byteOf(codes[i])) });
    if (last) return accepted;
  }
}

function byteOf(code: RefusalCode | undefined): number {
  return code === undefined ? 0 : refusalCodes.indexOf(code) + 1;
}

/** Own records in the job's rows. Throws CONSENT_MISSING, naming the guest, when one of them was not accepted. */
export function consentedRows(rowOf: Int32Array, accepted: ReadonlySet<number>, guest: PartyId): Int32Array {
  const records = rowOf.filter((record) => record >= 0);
  const without = records.reduce((n, record) => n + (accepted.has(record) ? 0 : 1), 0);
  if (without > 0) throw new AppError("CONSENT_MISSING", { party: guest, companies: without });
  return records;
}

/** What is said before anything about single companies is: alignment, the rows, public randomness, the check itself, and the receipt. */
const open: ReadonlySet<string> = new Set(["psi", "kkrt", "ot", "rows", "seeds", "consents", "finish"]);

/** The party of a host whose companies consented: every other message waits for `hold`. */
export function holdingParty(party: Party, consents: Pick<HostConsents, "hold">): Party {
  return {
    self: party.self,
    job: party.job,
    get kernels() {
      return party.kernels;
    },
    send: async (to, type, body) => {
      if (!open.has(type.split("/")[0] ?? "")) await consents.hold();
      await party.send(to, type, body);
    },
    receive: (from, type) => party.receive(from, type),
    rng: (label) => party.rng(label),
    sharedRng: (peer, label) => party.sharedRng(peer, label),
    phase: (name, work) => party.phase(name, work),
    progress: (done, total) => party.progress(done, total),
    restored: (name) => party.restored(name),
    checkpoint: (name, state) => party.checkpoint(name, state),
  };
}
