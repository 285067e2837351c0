// Base transfers on ristretto255: the endemic OT of Masny and Rindal (CCS 2019, from Diffie-Hellman, random-oracle outputs), each transfer with
// a key of its own and its own domain of every hash (McQuoid, Rosulek and Roy, ASIACRYPT 2021, on what goes wrong otherwise). Pure functions
// over packed bytes; `openBase` puts them into a worker thread.
import { createHash } from "node:crypto";
import sodium, { ready } from "libsodium-wrappers-sumo";
import { AppError } from "../../core/errors.ts";

/** Random bytes that become a scalar or a point: the bias is below 2^-250. */
export const uniformBytes = 64;
const pointBytes = 32;
const seedBytes = 16;

type Bytes = Uint8Array<ArrayBuffer>;
type Asked = { readonly asked: Uint8Array; readonly choices: Uint8Array; readonly scalars: Uint8Array };
export type Base = {
  /** The chooser's message for its bits (a byte each), and the scalars that it keeps. random: 2 * `uniformBytes` a transfer. */
  ask(session: Uint8Array, choices: Uint8Array, random: Uint8Array): { readonly points: Bytes; readonly scalars: Bytes };
  /** The other side's message, and its two seeds of each transfer, one pair after another. random: `uniformBytes` a transfer. */
  answer(session: Uint8Array, asked: Uint8Array, random: Uint8Array): { readonly points: Bytes; readonly seeds: Bytes };
  /** The chooser's seed of each transfer. */
  finish(session: Uint8Array, own: Asked, answered: Uint8Array): Bytes;
};

/** Loads the curve. Its functions throw PROTOCOL_BAD_POINT for bytes that RFC 9496 does not decode and for neutral elements. For `Kernels.open`. */
export async function openBase(): Promise<Base> {
  await ready;
  return { ask, answer, finish };
}

function ask(session: Uint8Array, choices: Uint8Array, random: Uint8Array): { points: Bytes; scalars: Bytes } {
  const points = new Uint8Array(choices.length * 2 * pointBytes);
  const scalars = new Uint8Array(choices.length * pointBytes);
  for (const [i, choice] of choices.entries()) {
    const scalar = sodium.crypto_core_ristretto255_scalar_reduce(item(random, 2 * i, uniformBytes));
    const other = sodium.crypto_core_ristretto255_from_hash(item(random, 2 * i + 1, uniformBytes));
    const own = sodium.crypto_scalarmult_ristretto255_base(scalar);
    points.set(sodium.crypto_core_ristretto255_sub(own, pointOf(session, i, choice, other)), (2 * i + choice) * pointBytes);
    points.set(other, (2 * i + 1 - choice) * pointBytes);
    scalars.set(scalar, i * pointBytes);
    scalar.fill(0);
  }
  return { points, scalars };
}

function answer(session: Uint8Array, asked: Uint8Array, random: Uint8Array): { points: Bytes; seeds: Bytes } {
  const count = asked.length / (2 * pointBytes);
  const points = new Uint8Array(count * pointBytes);
  const seeds = new Uint8Array(count * 2 * seedBytes);
  for (let i = 0; i < count; i++) {
    const scalar = sodium.crypto_core_ristretto255_scalar_reduce(item(random, i, uniformBytes));
    const own = sodium.crypto_scalarmult_ristretto255_base(scalar);
    const pair = item(asked, i, 2 * pointBytes);
    for (const choice of [0, 1]) {
      const key = refusing(i, () => {
        const hashed = pointOf(session, i, choice, item(pair, 1 - choice, pointBytes));
        return sodium.crypto_scalarmult_ristretto255(scalar, sodium.crypto_core_ristretto255_add(item(pair, choice, pointBytes), hashed));
      });
      seeds.set(seedOf(session, i, choice, [pair, own, key]), (2 * i + choice) * seedBytes);
    }
    points.set(own, i * pointBytes);
    scalar.fill(0);
  }
  return { points, seeds };
}

function finish(session: Uint8Array, own: Asked, answered: Uint8Array): Bytes {
  const seeds = new Uint8Array(own.choices.length * seedBytes);
  for (const [i, choice] of own.choices.entries()) {
    const theirs = item(answered, i, pointBytes);
    const key = refusing(i, () => sodium.crypto_scalarmult_ristretto255(item(own.scalars, i, pointBytes), theirs));
    seeds.set(seedOf(session, i, choice, [item(own.asked, i, 2 * pointBytes), theirs, key]), i * seedBytes);
  }
  return seeds;
}

/** libsodium decodes strictly (RFC 9496 section 4.3.1) and refuses a product that is the neutral element. */
function refusing(transfer: number, work: () => Uint8Array): Uint8Array {
  try {
    return work();
  } catch (cause) {
    throw new AppError("PROTOCOL_BAD_POINT", { item: transfer }, { cause });
  }
}

function item(bytes: Uint8Array, i: number, length: number): Uint8Array {
  return bytes.subarray(i * length, (i + 1) * length);
}
/** What a hash of transfer i for one choice begins with. */
function domain(what: string, session: Uint8Array, i: number, choice: number): Uint8Array {
  return Buffer.concat([Buffer.from(`yunei/ot/base/v1/${what}`), session, Uint8Array.of(i & 255, i >> 8, choice)]);
}
/** A random oracle into the group: 64 uniform bytes through the one-way map of RFC 9496 section 4.3.4. */
function pointOf(session: Uint8Array, i: number, choice: number, point: Uint8Array): Uint8Array {
  return sodium.crypto_core_ristretto255_from_hash(createHash("sha512").update(domain("point", session, i, choice)).update(point).digest());
}
function seedOf(session: Uint8Array, i: number, choice: number, transcript: readonly Uint8Array[]): Uint8Array {
  return createHash("sha256").update(domain("seed", session, i, choice)).update(Buffer.concat(transcript)).digest().subarray(0, seedBytes);
}
