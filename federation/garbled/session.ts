// What both ends of prepared transfers agree on.
import type { JobId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Kernels } from "../../kernels/api.ts";
import { sessionId } from "../ot/session.ts";

export const baseUrl = new URL("../ot/base.ts", import.meta.url);
/** The two ends of a service: the host can make all pads, the guest has one of each two. */
export type Ends = { readonly service: JobId; readonly host: PartyId; readonly guest: PartyId };

/** Names under which base transfers, and transfers, of a session are hashed: 16 bytes each. */
export function sessionNames({ service, host, guest }: Ends, session: string): { readonly base: Uint8Array; readonly transfers: Uint8Array } {
  return { base: sessionId(service, host, guest, `garbled/base/${session}`), transfers: sessionId(service, host, guest, `garbled/${session}`) };
}

/** Starts the thread and loads the curve, so that the first session does not wait for that. */
export async function warm(kernels: Pick<Kernels, "open">): Promise<void> {
  const base = await kernels.open(baseUrl, "openBase", []);
  await base[Symbol.asyncDispose]();
}

/** How often a session may begin: some times at once, then once a minute. It costs both sides some 25 ms of CPU, and no question is charged for it. */
export class Openings {
  readonly #atOnce: number;
  #left: number;
  #since = -Infinity;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
    this.#left = atOnce;
  }

  /** Throws SERVICE_BUSY with the seconds to wait. now: ms that only rise. */
  take(now: number): void {
    const more = Math.floor((now - this.#since) / minuteMs);
    if (more > 0) {
      this.#since = more >= this.#atOnce ? now : this.#since + more * minuteMs;
      this.#left = Math.min(this.#atOnce, this.#left + more);
    }
    if (this.#left === 0) throw new AppError("SERVICE_BUSY", { retryAfter: Math.ceil((this.#since + minuteMs - now) / 1000) });
    this.#left -= 1;
  }
}

const minuteMs = 60_000;
/** Sessions at once: the host allows more, so that it refuses no bank that has begun again. */
export const openings = { guest: 8, host: 16 } as const;
/** Sessions of one day at most, with room for a bank that begins again several times. */
export const sessionsPerDay = 2 * 1440;
