// Rounds of a phase as one party sees them: how often it turned from sending to a peer to waiting for that peer, the largest over
// its peers, since a role works on several peers at once. What comes unasked (a stream in one direction) is no round. It does not
// depend on the order of arrival across peers, so every run of a job counts the same.
import type { PartyId } from "../core/brand.ts";

type Turns = { hasSent: boolean; rounds: number };

export class RoundCounter {
  #turns = new Map<PartyId, Turns>();

  sent(to: PartyId): void {
    this.#of(to).hasSent = true;
  }

  received(from: PartyId): void {
    const turns = this.#of(from);
    if (turns.hasSent) turns.rounds += 1;
    turns.hasSent = false;
  }

  /** Rounds since the last call; a message that was sent before it is not waited for any more. */
  take(): number {
    const rounds = this.rounds;
    this.#turns = new Map();
    return rounds;
  }

  get rounds(): number {
    return Math.max(0, ...[...this.#turns.values()].map((t) => t.rounds));
  }

  /** Everything counted since the last `take`, as plain data, and back: for a party that goes on after a restart. */
  save(): Record<string, [hasSent: number, rounds: number]> {
    return Object.fromEntries([...this.#turns].map(([peer, t]) => [peer, [t.hasSent ? 1 : 0, t.rounds]]));
  }
  load(saved: Readonly<Record<string, readonly [number, number]>>): void {
    this.#turns = new Map(Object.entries(saved).map(([peer, [hasSent, rounds]]) => [peer as PartyId, { hasSent: hasSent === 1, rounds }]));
  }

  #of(peer: PartyId): Turns {
    const turns = this.#turns.get(peer) ?? { hasSent: false, rounds: 0 };
    this.#turns.set(peer, turns);
    return turns;
  }
}
