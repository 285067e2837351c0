// Which record of a data set a company is: one index for everybody who asks, made when it is first needed. A version without services has none.
import { setImmediate } from "node:timers/promises";

/** Ids between two turns of the event loop: some 5 ms. */
const atATime = 16_384;

export class Records {
  readonly #ids: readonly string[];
  #numbers: ReadonlyMap<string, number> | undefined;

  /** ids: each once, in the order of the records. */
  constructor(ids: readonly string[]) {
    this.#ids = ids;
  }

  get size(): number {
    return this.#ids.length;
  }

  get isMade(): boolean {
    return this.#numbers !== undefined;
  }

  get(company: string): number | undefined {
    this.#numbers ??= new Map(this.#ids.map((id, record) => [id, record]));
    return this.#numbers.get(company);
  }

  /** Makes the index while other work goes on. */
  async make(): Promise<void> {
    const numbers = new Map<string, number>();
    for (let from = 0; from < this.#ids.length; from += atATime) {
      for (const [i, id] of this.#ids.slice(from, from + atATime).entries()) numbers.set(id, from + i);
      await setImmediate();
    }
    this.#numbers ??= numbers;
  }
}
