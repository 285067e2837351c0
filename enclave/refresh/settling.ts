// When files that change are to be loaded: once they have stayed the same for a while, and not again what was tried. Pure: stamps and times in, a decision out.

export type SettlingOptions = {
  /** How long the files have to stay as they are, ms. */
  readonly settleMs: number;
  /** When what could not be taken is tried again although nothing changed, ms. */
  readonly againMs: number;
};

export class Settling {
  readonly #o: SettlingOptions;
  /** Of what is in service, or was found to be the same. */
  #loaded: string;
  #seen: { readonly stamp: string; readonly since: number } | undefined;
  #tried: { readonly stamp: string; readonly at: number } | undefined;

  /** loaded: the stamp of the files that were loaded. */
  constructor(loaded: string, options: SettlingOptions) {
    this.#loaded = loaded;
    this.#o = options;
  }

  /** What to do about files with this stamp. settle: look again soon. now: ms. */
  look(stamp: string, now: number): "nothing" | "settle" | "load" {
    if (this.#seen?.stamp !== stamp || now < this.#seen.since) this.#seen = { stamp, since: now };
    if (stamp === this.#loaded) {
      this.#tried = undefined;
      return "nothing";
    }
    const isTried = this.#tried?.stamp === stamp && now - this.#tried.at < this.#o.againMs && now >= this.#tried.at;
    if (isTried) return "nothing";
    return now - this.#seen.since < this.#o.settleMs ? "settle" : "load";
  }

  /** These files are in service now. */
  loaded(stamp: string): void {
    this.#loaded = stamp;
    this.#tried = undefined;
  }

  /** These files were not taken. */
  refused(stamp: string, now: number): void {
    this.#tried = { stamp, at: now };
  }

  /** They changed while they were read: they have to settle anew. */
  changed(): void {
    this.#seen = undefined;
  }
}
