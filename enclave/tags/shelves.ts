// The intersection over kept tags as the jobs of an enclave use it, and the lists made ahead of them.
import type { EntityId, PartyId } from "../../core/brand.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import type { CurveWork } from "../../federation/psi/curve.ts";
import type { Progress, SetIntersection } from "../../federation/psi/intersection.ts";
import { publishTags, reusableDomain } from "../../federation/psi/reusable-tags.ts";
import { reusableIntersection } from "../../federation/psi/reusable.ts";
import type { JobRecords } from "../job/records.ts";
import { GotTags } from "./got.ts";
import { MadeTags, type MadeOptions } from "./made.ts";

/** What an enclave keeps as a host and as a guest. */
export type Tags = { readonly made: MadeTags; readonly got: GotTags };

/** folder: of both. */
export function openTags(options: MadeOptions): Tags {
  const { db, folder } = options;
  return { made: new MadeTags({ ...options, folder: `${folder}/made` }), got: new GotTags({ db, folder: `${folder}/got` }) };
}

/** For one job. Which list the guest has is written down when it is first asked: a replay says the same, whatever was kept since. */
export function keptIntersection(tools: { readonly curve: CurveWork; readonly tags: Tags; readonly records: JobRecords }, self: PartyId, plan: JobPlan): SetIntersection {
  const { curve, tags, records } = tools;
  const version = (host: PartyId): { snapshotDigest: string; rows: number } => plan.datasets[host] ?? { snapshotDigest: "", rows: 0 };
  return reusableIntersection(curve, {
    of: (guest) => tags.made.shelf(guest, version(self)),
    from: async (host) => tags.got.shelf(host, plan.job, await records.once(plan.job, `tags/${host}`, () => tags.got.digest(host) ?? null)),
  }, (host) => version(host).snapshotDigest);
}

export type MakeInput = {
  readonly made: MadeTags; readonly curve: CurveWork; readonly self: PartyId; readonly guest: PartyId; readonly progress?: Progress;
  readonly dataset: { readonly ids: readonly EntityId[]; readonly snapshotDigest: string };
};

/** Makes the list of a guest unless it is there; killed on the way it begins again, under the same key. False when it was there. */
export async function makeAhead({ made, curve, self, guest, dataset, progress }: MakeInput): Promise<boolean> {
  const { ids, snapshotDigest } = dataset;
  if (made.isMade(guest, snapshotDigest)) return false;
  const shelf = made.shelf(guest, { snapshotDigest, rows: ids.length });
  const key = await shelf.key();
  try {
    await shelf.keep(await publishTags(curve, ids, reusableDomain(guest, self, snapshotDigest), key, progress));
  } finally {
    key.fill(0);
  }
  return true;
}
