// Guest: shows a host the consents of the companies that both hold, and learns which of them the host accepts.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Party } from "../party.ts";
import { consentsPerChunk, refusalCodes, type RefusalCode } from "./messages.ts";

/** What the guest's enclave has of consents. */
export interface GuestConsents {
  /** Hosts of the plan that check consents. */
  readonly hosts: readonly PartyId[];
  /** The consents to show to a host for own records, empty where there is none. `chunk` counts from 0; the same again after a restart. */
  choose(host: PartyId, chunk: number, records: Int32Array): Promise<readonly string[]>;
}

/** By own record, why this host does not take part for its company. */
export type HostRefusals = ReadonlyMap<number, RefusalCode>;

/** `matched`: per own record the place in the host's shuffled list, or -1. Throws PROTOCOL_OUT_OF_ORDER or PROTOCOL_WRONG_SHAPE naming the host. */
export async function consentsGuest(party: Party, host: PartyId, matched: Int32Array, consents: GuestConsents): Promise<HostRefusals> {
  // In the order of the host's list: it says nothing of the guest's.
  const records = Int32Array.from([...matched.keys()].filter((r) => (matched[r] as number) >= 0)).sort((a, b) => (matched[a] as number) - (matched[b] as number));
  const chunks = Math.max(1, Math.ceil(records.length / consentsPerChunk));
  const part = (index: number): Int32Array => records.subarray(index * consentsPerChunk, (index + 1) * consentsPerChunk);
  const refused = new Map<number, RefusalCode>();
  const show = async (): Promise<void> => {
    for (let index = 0; index < chunks; index++) {
      const shown = part(index);
      const texts = await consents.choose(host, index, shown);
      if (texts.length !== shown.length) throw new RangeError("one text per record");
      await party.send(host, "consents/texts", { index, last: index === chunks - 1, places: packPlaces(shown, matched), texts: [...texts] });
    }
  };
  const listen = async (): Promise<void> => {
    for (let index = 0; index < chunks; index++) {
      const answer = await party.receive(host, "consents/answer");
      const shown = part(index);
      if (answer.index !== index) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: host, index });
      if (answer.codes.length !== shown.length) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host, index });
      for (const [i, record] of shown.entries()) {
        const byte = answer.codes[i] as number;
        if (byte === 0) continue;
        const code = refusalCodes[byte - 1];
        if (code === undefined) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host, index });
        refused.set(record, code);
      }
    }
  };
  await Promise.all([show(), listen()]);
  return refused;
}

function packPlaces(records: Int32Array, matched: Int32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(records.length * 4));
  for (const [i, record] of records.entries()) view.setInt32(i * 4, matched[record] as number, true);
  return new Uint8Array(view.buffer);
}
