// A model on its way from the bank to a provider, once for each service: in pieces through the job's durable channel. A whole model is sealed once more
// under a key of that channel, since pieces lie in the provider's inbox as they came: what is there is no model in the clear.
import { createCipheriv, createDecipheriv } from "node:crypto";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { modelPieceBytes } from "../../federation/serve/messages.ts";
import type { Party } from "../../federation/party.ts";

type Type = "serve/encrypted-model" | "serve/whole-model";
const tagBytes = 16;
/** The key is of one model, one service and one pair: it seals once. */
const nonce = new Uint8Array(12);

export async function sendModel(party: Party, to: PartyId, type: Type, bytes: Uint8Array): Promise<void> {
  const of = Math.ceil(bytes.length / modelPieceBytes);
  for (let index = 0; index < of; index++) await party.send(to, type, { index, of, bytes: bytes.slice(index * modelPieceBytes, (index + 1) * modelPieceBytes) });
}

/** Throws PROTOCOL_SCHEMA for pieces that do not follow one another. */
export async function receiveModel(party: Party, from: PartyId, type: Type): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (;;) {
    const { index, of, bytes } = await party.receive(from, type);
    if (index !== pieces.length || index >= of) throw new AppError("PROTOCOL_SCHEMA", { party: from });
    pieces.push(bytes);
    if (pieces.length === of) return new Uint8Array(Buffer.concat(pieces));
  }
}

export function sealModel(party: Party, peer: PartyId, model: Uint8Array): Uint8Array {
  const cipher = createCipheriv("aes-256-gcm", keyOf(party, peer), nonce);
  return new Uint8Array(Buffer.concat([cipher.update(model), cipher.final(), cipher.getAuthTag()]));
}

/** Throws MODEL_OWN for what was not sealed for this service. */
export function openModel(party: Party, peer: PartyId, sealed: Uint8Array): Uint8Array {
  try {
    const decipher = createDecipheriv("aes-256-gcm", keyOf(party, peer), nonce);
    decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
    return new Uint8Array(Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - tagBytes)), decipher.final()]));
  } catch (cause) {
    throw new AppError("MODEL_OWN", {}, { cause });
  }
}

function keyOf(party: Party, peer: PartyId): Uint8Array {
  return party.sharedRng(peer, "serve/whole-model")(32);
}
