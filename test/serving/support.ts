// A deployment that is driven by words, and a store of its events in memory.
import { sha256Hex } from "../../core/canonical.ts";
import type { Change, ChangeRequest, RegistryEvent } from "../../serving/registry/events.ts";
import { registryPolicySchema } from "../../serving/registry/events.ts";
import { decide, type Deployment } from "../../serving/registry/machine.ts";
import type { EventStore } from "../../serving/registry/registry.ts";

export const start = Date.UTC(2025, 0, 1);
export const day = 86_400_000;
export const modelOf = (n: number): string => sha256Hex(`model ${n}`);
export const policy = (more: Partial<ReturnType<typeof registryPolicySchema.parse>> = {}): ReturnType<typeof registryPolicySchema.parse> => ({ ...registryPolicySchema.parse({}), ...more });

/** Applies changes one after another, as one person, an hour apart. */
export class Desk {
  state: Deployment | undefined;
  readonly events: RegistryEvent[] = [];
  now = start;

  do(change: Change, more: Partial<ChangeRequest> = {}): Deployment {
    this.now += 3_600_000;
    const { event, state } = decide(this.state, { deployment: "sme", expected: this.state?.revision ?? 0, by: "li.wei", reason: "planned", change, ...more }, this.now);
    this.events.push(event);
    this.state = state;
    return state;
  }

  evaluate(version: number, more: Partial<{ passed: boolean; at: number; model: string }> = {}): Deployment {
    const evaluation = { digest: sha256Hex(`report ${version} ${this.now}`), model: modelOf(version), at: this.now, kind: "validation" as const, rows: 2_000, passed: true, ...more };
    return this.do({ type: "evaluate", version, evaluation });
  }

  register(version: number): Deployment {
    return this.do({ type: "register", model: modelOf(version), inputs: sha256Hex("inputs") });
  }

  /** Registered, evaluated and in shadow. */
  shadow(version: number): Deployment {
    this.register(version);
    this.evaluate(version);
    return this.do({ type: "shadow", version });
  }
}

/** With version 1 as champion. */
export function servedDesk(more: Parameters<typeof policy>[0] = {}): Desk {
  const desk = new Desk();
  desk.do({ type: "create", policy: policy(more) });
  desk.shadow(1);
  desk.do({ type: "promote", version: 1 }, { approvedBy: "wang.fang" });
  return desk;
}

export class MemoryEvents implements EventStore {
  readonly events = new Map<string, RegistryEvent[]>();

  names(): Promise<readonly string[]> {
    return Promise.resolve([...this.events.keys()]);
  }

  read(deployment: string): Promise<readonly unknown[]> {
    return Promise.resolve(structuredClone(this.events.get(deployment) ?? []));
  }

  append(event: RegistryEvent): Promise<boolean> {
    const events = this.events.get(event.deployment) ?? [];
    if (events.length !== event.revision - 1) return Promise.resolve(false);
    this.events.set(event.deployment, [...events, structuredClone(event)]);
    return Promise.resolve(true);
  }
}
