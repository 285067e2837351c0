// What the operator sets about public items on the platform's machine, also while the platform runs.
import type { PartyId } from "../core/brand.ts";
import { operated, spoolOf } from "../audit/spool.ts";
import { AppError } from "../core/errors.ts";
import { publicItem } from "../public-credit/publishable.ts";
import type { AdminOptions } from "./admin.ts";
import { auditPaths } from "./audit/open.ts";
import { databaseUrl, openAuthority } from "./data-dir.ts";
import { openDatabase } from "./store/database.ts";
import { findPartyState } from "./store/parties.ts";
import { listSources, setSources } from "./store/public-items.ts";

export type Sources = AsyncDisposable & {
  /** Replaces the items that a party may publish. Throws PARTY_NOT_FOUND, CATALOGUE_UNKNOWN_ITEM, CATALOGUE_MODE with the clause. */
  set(party: PartyId, items: readonly string[]): Promise<void>;
  list(party?: PartyId): Promise<{ party: PartyId; item: string }[]>;
};

/** Throws PLATFORM_NOT_INITIALISED. */
export async function openSources(options: AdminOptions): Promise<Sources> {
  const { data, env } = options;
  await openAuthority(data, env);
  const db = await openDatabase(databaseUrl(data, options.database));
  return {
    set: async (party, items) => {
      const ids = [...new Set(items.map((item) => publicItem(item).item.id))];
      await operated(spoolOf(auditPaths(data).folder), env, { word: "public-source", objects: { party }, facts: { items: ids.length } }, () => db.write(async (tx) => {
        if ((await findPartyState(tx, party)) === undefined) throw new AppError("PARTY_NOT_FOUND");
        await setSources(tx, party, ids, new Date(env.now()));
      }));
    },
    list: (party) => listSources(db.read, party),
    [Symbol.asyncDispose]: () => db.close(),
  };
}
