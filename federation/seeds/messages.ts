// A seed that no party can choose: everybody commits to a nonce before anybody reveals one.
import { z } from "zod";
import { bytes, type Messages } from "../../core/message.ts";

export const seedsMessages = {
  "seeds/commit": {
    from: "any", to: "any", maxBytes: 128,
    reveals: { en: "", zh: "" },
    body: z.strictObject({ commitment: bytes(32) }),
  },
  "seeds/reveal": {
    from: "any", to: "any", maxBytes: 128,
    reveals: { en: "", zh: "" },
    body: z.strictObject({ nonce: bytes(32) }),
  },
} as const satisfies Messages;
