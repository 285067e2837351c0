// What a verification service may send over its whole term, as its plan bounds it.
import { mostConsentText } from "../consents/messages.ts";
import type { KindStatement } from "../leakage.ts";
import type { Add, Sizes } from "../statement.ts";
import { blindDepth } from "./claims.ts";
import { chunkBytes, chunkTransfers, baseAnswerBytes } from "../garbled/messages.ts";
import { sessionsPerDay } from "../garbled/session.ts";
import { rangeBytes, rangeTransfers } from "./range.ts";
import { publishedField } from "./fields.ts";
import { claimsPerQuestion, questionText, verifyJobSchema } from "./params.ts";

/** CBOR of the names in one question, at most. */
const nameBytes = 1024;
const answerBytes = 96;

export function verifyStatement({ guest, hosts, datasets, params }: Sizes, add: Add): KindStatement {
  const { days, requestsPerDay, fields } = verifyJobSchema.parse(params);
  // A term touches one calendar day more than it has days.
  const asks = (days + 1) * requestsPerDay;
  for (const host of hosts) {
    const own = fields.filter(({ party }) => party === host);
    // Each question, and each step of preparing transfers, may be refused.
    let refusals = 0;
    const head = nameBytes + (datasets[host]?.verification?.consents === true ? mostConsentText : 0);
    if (own.some(({ clear }) => clear.length > 0)) {
      // The company and what is claimed; which of three answers to each claim.
      refusals += asks;
      add(guest, host, "verify/ask", asks, asks * (head + 4 * questionText), asks * (1 + claimsPerQuestion));
      add(host, guest, "verify/answer", asks, asks * answerBytes, asks * claimsPerQuestion);
    }
    if (own.some(({ blind }) => blind.includes("equals"))) {
      refusals += asks;
      add(guest, host, "verify/ask-equal", asks, asks * head, asks);
      add(host, guest, "verify/equal", asks, asks * 2 * answerBytes, asks);
    }
    const depths = own.filter(({ blind }) => blind.includes("within")).map((asked) => blindDepth(publishedField({ datasets }, asked).type));
    if (depths.length > 0) {
      const depth = Math.max(...depths);
      const { flips, tables, results } = rangeBytes(depth);
      add(guest, host, "verify/ask-within", asks, asks * (head + flips), asks);
      add(host, guest, "verify/within", asks, asks * (answerBytes + tables + results), asks);
      const sessions = (days + 1) * sessionsPerDay;
      // What is left of a chunk and too little for a question is not used; a session that ends early leaves up to two of them.
      const extensions = 2 * sessions + Math.ceil(asks / Math.floor(chunkTransfers / rangeTransfers(depth)));
      refusals += asks + sessions + extensions;
      add(guest, host, "garbled/open", sessions, 0, 0);
      add(host, guest, "garbled/base", sessions, sessions * 2 * baseAnswerBytes, 0);
      add(guest, host, "garbled/extend", extensions, extensions * (chunkBytes.columns + chunkBytes.check) + sessions * baseAnswerBytes, 0);
      add(host, guest, "garbled/extended", extensions, 0, 0);
    }
    add(host, guest, "verify/refused", refusals, refusals * answerBytes, refusals);
  }
  return { answered: [], attacks: [] };
}
