// A witness of a log (C2SP tlog-witness): it co-signs a checkpoint only when that continues the last one that it has
// co-signed, and remembers it durably before the signature leaves. So a log cannot show two parties different trees, or take
// entries back, without every witness of the policy helping it.
import { sha256Hex } from "../core/canonical.ts";
import type { Clock } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { openCheckpoint, type Checkpoint } from "./checkpoint.ts";
import { DurableFiles, type Disk } from "./disk.ts";
import { emptyRoot, sameHash, verifyConsistency, type Hash } from "./merkle.ts";
import { cosign, fromBase64, toBase64, type NoteKey, type NoteSigner } from "./note.ts";

/** Where a witness keeps what it has seen. An enclave keeps it in its state database. */
export type WitnessStore = {
  /** The last checkpoint that was co-signed for this origin. */
  load(origin: string): Promise<string | undefined>;
  /** Returns when it is durable. */
  save(origin: string, checkpoint: string): Promise<void>;
  /** Keeps two signed checkpoints that do not fit together. */
  keepEvidence(origin: string, seen: string, offered: string): Promise<void>;
};
/** old: size at which the proof starts; proof: consistency proof from there to the checkpoint. */
export type AddCheckpoint = { readonly old: number; readonly proof: readonly Hash[]; readonly checkpoint: string };

const maxProof = 63;
const maxEvidence = 1_000;

export class Witness {
  readonly #signer: NoteSigner;
  readonly #logs: ReadonlyMap<string, NoteKey>;
  readonly #store: WitnessStore;
  readonly #now: Clock;
  /** Checking and remembering is one step for each log: two requests at once would let it go back. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(options: { signer: NoteSigner; logs: readonly NoteKey[]; store: WitnessStore; now: Clock }) {
    this.#signer = options.signer;
    this.#logs = new Map(options.logs.map((key) => [key.name, key]));
    this.#store = options.store;
    this.#now = options.now;
  }

  /** The signature line for a checkpoint. Throws WITNESS_UNKNOWN_LOG, CHECKPOINT_FORMAT, CHECKPOINT_SIGNATURE,
   *  WITNESS_OLD_SIZE (fact `size`: ask again from there), WITNESS_REWOUND, WITNESS_FORKED or WITNESS_INCONSISTENT. */
  add(request: AddCheckpoint): Promise<string> {
    const origin = request.checkpoint.slice(0, Math.max(0, request.checkpoint.indexOf("\n")));
    const key = this.#logs.get(origin);
    if (key === undefined) return Promise.reject(new AppError("WITNESS_UNKNOWN_LOG"));
    const work = async (): Promise<string> => this.#add(request, key);
    const turn = (this.#turns.get(origin) ?? Promise.resolve()).then(work, work);
    this.#turns.set(origin, turn);
    return turn;
  }

  async #add({ old, proof, checkpoint }: AddCheckpoint, key: NoteKey): Promise<string> {
    const offered = openCheckpoint(checkpoint, key);
    const stored = await this.#store.load(key.name);
    const seen: Checkpoint = stored === undefined ? { origin: key.name, size: 0, root: emptyRoot } : openCheckpoint(stored, key);
    const refuse = async (error: AppError): Promise<never> => {
      if (stored !== undefined) await this.#store.keepEvidence(key.name, stored, checkpoint);
      throw error;
    };
    if (offered.size < seen.size) return refuse(new AppError("WITNESS_REWOUND", { size: seen.size, offered: offered.size }));
    if (offered.size === seen.size && !sameHash(offered.root, seen.root)) return refuse(new AppError("WITNESS_FORKED", { size: seen.size }));
    if (old !== seen.size) throw new AppError("WITNESS_OLD_SIZE", { size: seen.size });
    const continues = proof.length <= maxProof && verifyConsistency({ first: seen.size, second: offered.size, firstRoot: seen.root, secondRoot: offered.root, path: proof });
    if (!continues) return refuse(new AppError("WITNESS_INCONSISTENT", { size: seen.size, offered: offered.size }));
    await this.#store.save(key.name, checkpoint);
    return cosign(offered.note.text, this.#signer, Math.floor(this.#now() / 1000));
  }
}

/** Witness state as files, for a witness that stands alone. Evidence is bounded: old checkpoints can be offered by anybody. */
export function fileWitnessStore(disk: Disk): WitnessStore {
  const files = new DurableFiles(disk);
  const nameOf = sha256Hex;
  return {
    async load(origin) {
      const bytes = await disk.read(`seen/${nameOf(origin)}`);
      return bytes === undefined ? undefined : Buffer.from(bytes).toString("utf8");
    },
    save: (origin, checkpoint) => files.publish([{ path: `seen/${nameOf(origin)}`, bytes: Buffer.from(checkpoint) }]),
    async keepEvidence(origin, seen, offered) {
      if ((await disk.list("evidence")).length >= maxEvidence) return;
      await files.publish([{ path: `evidence/${nameOf(origin)}-${nameOf(`${seen}${offered}`)}`, bytes: Buffer.from(JSON.stringify({ seen, offered })) }]);
    },
  };
}

/** The body of `add-checkpoint`: old size, proof lines, an empty line, the checkpoint. */
export function formatAddCheckpoint({ old, proof, checkpoint }: AddCheckpoint): string {
  return `old ${old}\n${proof.map((hash) => `${toBase64(hash)}\n`).join("")}\n${checkpoint}`;
}

/** Throws CHECKPOINT_FORMAT. */
export function parseAddCheckpoint(body: string): AddCheckpoint {
  const border = body.indexOf("\n\n");
  const [first, ...lines] = body.slice(0, Math.max(0, border)).split("\n");
  const match = /^old (0|[1-9]\d{0,15})$/.exec(first ?? "");
  if (border < 0 || match === null || lines.length > maxProof || !Number.isSafeInteger(Number(match[1]))) throw new AppError("CHECKPOINT_FORMAT");
  return { old: Number(match[1]), proof: lines.map(fromBase64), checkpoint: body.slice(border + 2) };
}
