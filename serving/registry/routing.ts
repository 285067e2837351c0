// Which version answers for a company, and which are computed beside it. The place of a company is a keyed hash: it stays for as long as the key
// does, differs between deployments, and nobody without the key can tell it or choose an id for it.
import { createHmac } from "node:crypto";
import { AppError } from "../../core/errors.ts";
import { wholeShare } from "./events.ts";
import type { Deployment, ModelVersion } from "./machine.ts";

export type Route = {
  readonly deployment: string;
  readonly revision: number;
  /** The only version whose score may be returned. */
  readonly answer: Pick<ModelVersion, "version" | "model" | "state">;
  /** Computed too, never returned. */
  readonly shadows: readonly Pick<ModelVersion, "version" | "model">[];
};
export type Router = (company: string) => Route;

const keyBytes = 32;

/** Slot 0..9,999 of a company. key: at least 32 secret bytes. 2^32 is no multiple of 10,000: a slot's chance is off by at most 3e-6 of itself. */
export function slotOf(key: Uint8Array, deployment: string, company: string): number {
  if (key.length < keyBytes) throw new AppError("SERVING_KEY", { bytes: key.length });
  const hash = createHmac("sha256", key).update(`yunei/serving-route/v1|${deployment}|${company}`).digest();
  return Math.floor((hash.readUInt32BE(0) * wholeShare) / 2 ** 32);
}

/** A router for one state of a deployment; a new one after each change. Throws SERVING_NO_CHAMPION, SERVING_KEY. */
export function routerOf(deployment: Deployment, key: Uint8Array): Router {
  if (key.length < keyBytes) throw new AppError("SERVING_KEY", { bytes: key.length });
  const { name, revision, versions } = deployment;
  const champion = versions.find((v) => v.version === deployment.champion);
  if (champion === undefined) throw new AppError("SERVING_NO_CHAMPION");
  const shadows = versions.filter((v) => v.state === "shadow").map(({ version, model }) => ({ version, model }));
  const routes = new Map(versions.filter((v) => v === champion || v.slots.length > 0).map(({ version, model, state }): [number, Route] => [
    version, { deployment: name, revision, answer: { version, model, state }, shadows },
  ]));
  const owners = new Uint32Array(wholeShare).fill(champion.version);
  for (const { version, slots } of versions) for (const [from, to] of slots) owners.fill(version, from, to);
  return (company) => routes.get(owners[slotOf(key, name, company)] as number) as Route;
}
