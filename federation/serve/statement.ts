// What a service may send over its whole term: per request and period as the plan bounds it.
import { mostConsentText } from "../consents/messages.ts";
import type { KindStatement } from "../leakage.ts";
import type { Add, Sizes } from "../statement.ts";
import { serveJobSchema } from "./params.ts";

/** CBOR of the names in one question, at most. */
const askBytes = 1024;

export function serveStatement({ guest, hosts, datasets, params }: Sizes, add: Add): KindStatement {
  const { days, requestsPerDay, setsPerCompany } = serveJobSchema.parse(params);
  // A request is asked again at most once for each further set of providers; a term touches one calendar day more than it has days.
  const asks = (days + 1) * requestsPerDay * setsPerCompany;
  for (const host of hosts) {
    const consent = datasets[host]?.consents === true ? mostConsentText : 0;
    // The company and which providers take part.
    add(guest, host, "serve/ask", asks, asks * (askBytes + consent), 2 * asks);
    // The total, and whether the provider holds the company.
    add(host, guest, "serve/part", asks, asks * 64, 2 * asks);
    add(host, guest, "serve/refused", asks, asks * 64, asks);
  }
  return { answered: [], attacks: [] };
}
