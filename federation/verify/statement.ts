// What a verification service may send over its whole term, as its plan bounds it.
import { mostConsentText } from "../consents/messages.ts";
import type { KindStatement } from "../leakage.ts";
import type { Add, Sizes } from "../statement.ts";
import { blindDepth } from "./claims.ts";
import { rangeBytes } from "./range.ts";
import { publishedField } from "./fields.ts";
import { claimsPerQuestion, questionText, verifyJobSchema } from "./params.ts";

/** CBOR of the names in one question, at most. */
const nameBytes = 1024;
const answerBytes = 96;
/** What a blind range tells a bank that deviates at most, rounded up. */
const rangeBits = 6;

export function verifyStatement({ guest, hosts, datasets, params }: Sizes, add: Add): KindStatement {
  const { days, requestsPerDay, fields } = verifyJobSchema.parse(params);
  // A term touches one calendar day more than it has days.
  const asks = (days + 1) * requestsPerDay;
  for (const host of hosts) {
    const own = fields.filter(({ party }) => party === host);
    const head = nameBytes + (datasets[host]?.verification?.consents === true ? mostConsentText : 0);
    if (own.some(({ clear }) => clear.length > 0)) {
      // The company and what is claimed; which of three answers to each claim.
      add(guest, host, "verify/ask", asks, asks * (head + 4 * questionText), asks * (1 + claimsPerQuestion));
      add(host, guest, "verify/answer", asks, asks * answerBytes, asks * claimsPerQuestion);
    }
    if (own.some(({ blind }) => blind.includes("equals"))) {
      add(guest, host, "verify/ask-equal", asks, asks * head, asks);
      add(host, guest, "verify/equal", asks, asks * 2 * answerBytes, asks);
    }
    const ranges = own.filter(({ blind }) => blind.includes("within")).map((asked) => rangeBytes(blindDepth(publishedField({ datasets }, asked).type)));
    if (ranges.length > 0) {
      add(guest, host, "verify/ask-within", asks, asks * (head + Math.max(...ranges.map(({ blinded }) => blinded))), asks);
      add(host, guest, "verify/within", asks, asks * (answerBytes + Math.max(...ranges.map(({ points, tags }) => points + tags))), rangeBits * asks);
    }
    add(host, guest, "verify/refused", asks, asks * answerBytes, asks);
  }
  return { answered: [], attacks: [] };
}
