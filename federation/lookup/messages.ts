// Oblivious lookups on the wire; the transfers themselves are those of federation/ot, the totals those of federation/totals.
import { z } from "zod";
import { count, packed, type Messages } from "../../core/message.ts";
import { partyIdSchema } from "../../core/names.ts";

/** Bytes of one message at most; the frame around it stays below the bound of all frames. */
export const maxLookupBytes = 4 * 1024 * 1024;
/** Most choices of one host in a table. */
export const maxChoices = 254;
export const maxGroups = 65_536;

const part = { group: count(maxGroups), block: count(1_000_000), index: count(1_000_000) };
// Whatever a host gets is under a pad or a mask that it cannot know.
const nothing = { en: "", zh: "" };

export const lookupMessages = {
  "lookup/groups": {
    from: "guest", to: "host", maxBytes: 2 * 1024 * 1024,
    reveals: {
      en: "in which trees its own splits stand together with splits of which other hosts, and how many",
      zh: "自身切分在哪些树中与哪些其他数据方的切分同现，以及数量",
    },
    body: z.strictObject({
      groups: z.array(z.strictObject({
        group: count(maxGroups), hosts: z.array(z.strictObject({ host: partyIdSchema, choices: z.int().min(2).max(maxChoices) })).min(1).max(16),
        /** What each table stands for: numbers of trees. */
        tables: z.array(count(1_000_000)).min(1).max(10_000),
      })).max(10_000),
    }),
  },
  "lookup/tables": {
    from: "guest", to: "host", maxBytes: maxLookupBytes + 1024, reveals: nothing,
    body: z.strictObject({ ...part, bytes: packed(2, maxLookupBytes / 2) }),
  },
  "lookup/shares": {
    from: "host", to: "host", maxBytes: maxLookupBytes + 1024, reveals: nothing,
    /** Per table: where this host's choice stands (moved by a secret of guest and host), and the pad of that choice. */
    body: z.strictObject({ ...part, places: packed(1, maxLookupBytes), pads: packed(2, maxLookupBytes / 2) }),
  },
} as const satisfies Messages;
