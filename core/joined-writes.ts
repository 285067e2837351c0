// Many small messages on one connection: what is written within one turn of the event loop becomes one write, and under TLS one record.
import type { Writable } from "node:stream";

export class JoinedWrites {
  readonly #stream: Writable;
  #isHeld = false;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** Holds what is written from now on until this turn of the event loop is over. */
  hold(): void {
    if (this.#isHeld) return;
    this.#isHeld = true;
    this.#stream.cork();
    setImmediate(() => {
      this.#isHeld = false;
      this.#stream.uncork();
    });
  }
}
