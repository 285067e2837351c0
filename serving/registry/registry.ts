// The registry of all deployments of an enclave over a store of events: reads, decides and appends, so that of two changes at once one is refused.
import type { Clock } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import type { ChangeRequest, RegistryEvent } from "./events.ts";
import { decide, replay, type Deployment } from "./machine.ts";

/** Where events are kept, durable before `append` answers. */
export type EventStore = {
  names(): Promise<readonly string[]>;
  /** Events of a deployment in order; none where there is no such deployment. */
  read(deployment: string): Promise<readonly unknown[]>;
  /** Appends the event if the deployment's last revision is the one before it, in one step; false if it is not. */
  append(event: RegistryEvent): Promise<boolean>;
};

export class ModelRegistry {
  readonly #store: EventStore;
  readonly #now: Clock;

  constructor(store: EventStore, now: Clock) {
    this.#store = store;
    this.#now = now;
  }

  names(): Promise<readonly string[]> {
    return this.#store.names();
  }

  /** Throws SERVING_UNKNOWN, SERVING_HISTORY. */
  async get(deployment: string): Promise<Deployment> {
    const state = replay(await this.#store.read(deployment));
    if (state === undefined) throw new AppError("SERVING_UNKNOWN");
    return state;
  }

  /** All that happened to a deployment, checked. Throws as `get`. */
  async history(deployment: string): Promise<RegistryEvent[]> {
    const events = await this.#store.read(deployment);
    if (replay(events) === undefined) throw new AppError("SERVING_UNKNOWN");
    return events as RegistryEvent[];
  }

  /** Makes a change and returns the state after it. Throws what `decide` throws, and SERVING_CONFLICT where another change came first. */
  async change(request: ChangeRequest): Promise<Deployment> {
    const before = replay(await this.#store.read(request.deployment));
    const { event, state } = decide(before, request, this.#now());
    if (await this.#store.append(event)) return state;
    const after = await this.get(request.deployment);
    throw new AppError("SERVING_CONFLICT", { expected: request.expected, revision: after.revision });
  }
}
