// Equal events that come too often to be an entry each (frames of the relay, long polls, refused handshakes) as sums per minute.
import { canonicalJson } from "../core/canonical.ts";
import type { AuditEvent } from "./entry.ts";

const minuteMs = 60_000;
const maxKinds = 10_000;
type Sum = { readonly event: AuditEvent; times: number; bytes: number };

export class Sums {
  readonly #now: () => number;
  readonly #put: (event: AuditEvent) => void;
  #kinds = new Map<string, Sum>();
  #minute = 0;

  /** put: gets a sum when its minute is over. It may throw: what it did not take is tried again. */
  constructor(now: () => number, put: (event: AuditEvent) => void) {
    this.#now = now;
    this.#put = put;
  }

  /** Counts one. key: names the kind of event; `event` is asked for its first one only. */
  add(key: string, bytes: number, event: () => AuditEvent): void {
    this.flushIfDue();
    const known = this.#kinds.get(key);
    if (known === undefined) {
      // Bounded, also against somebody who makes up kinds.
      if (this.#kinds.size >= maxKinds) this.flush();
      this.#kinds.set(key, { event: event(), times: 1, bytes });
    } else {
      known.times += 1;
      known.bytes += bytes;
    }
  }

  flushIfDue(): void {
    const minute = Math.floor(this.#now() / minuteMs);
    if (minute === this.#minute) return;
    this.flush();
    this.#minute = minute;
  }

  flush(): void {
    for (const [key, { event, times, bytes }] of this.#kinds) {
      this.#put({ ...event, facts: { ...event.facts, times, bytes } });
      this.#kinds.delete(key);
    }
  }
}

/** The key of an event by its content. */
export function kindOf(event: AuditEvent): string {
  return canonicalJson(event);
}
