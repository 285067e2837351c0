// Answers that are kept for their Idempotency-Keys: as long, as many and as large as memory is given to them. The oldest go first; who asks for one that is
// gone asks the bank's enclave, which knows the request.
import { AppError } from "../../core/errors.ts";

type Kept = { readonly at: number; readonly digest: string; readonly answer: Promise<string>; bytes: number };
export type KeptBounds = { readonly ms: number; readonly answers: number; readonly bytes: number };

export class KeptAnswers {
  readonly #bounds: KeptBounds;
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  constructor(bounds: KeptBounds) {
    this.#bounds = bounds;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The answer under this name, made the first time. digest: of what was asked. Throws SERVICE_IDEMPOTENCY for the same name with something else. One that
   *  failed may be tried again under the same name. */
  once(name: string, digest: string, now: number, make: () => Promise<string>): Promise<string> {
    this.#forget(now, 0);
    const known = this.#kept.get(name);
    if (known !== undefined && known.digest !== digest) throw new AppError("SERVICE_IDEMPOTENCY");
    if (known !== undefined) return known.answer;
    this.#forget(now, 1);
    const kept: Kept = { at: now, digest, answer: make(), bytes: 0 };
    this.#kept.set(name, kept);
    void this.#weigh(name, kept, now);
    return kept.answer;
  }

  async #weigh(name: string, kept: Kept, now: number): Promise<void> {
    const text = await kept.answer.catch(() => undefined);
    if (this.#kept.get(name) !== kept) return;
    if (text === undefined) {
      this.#kept.delete(name);
      return;
    }
    // Sealed answers are of one byte a character.
    kept.bytes = text.length;
    this.#bytes += text.length;
    this.#forget(now, 0);
  }

  /** The old ones, and the oldest until so many more fit. */
  #forget(now: number, more: number): void {
    const { ms, answers, bytes } = this.#bounds;
    for (const [name, kept] of this.#kept) {
      if (now - kept.at < ms && this.#kept.size + more <= answers && this.#bytes <= bytes) break;
      this.#kept.delete(name);
      this.#bytes -= kept.bytes;
    }
  }
}
