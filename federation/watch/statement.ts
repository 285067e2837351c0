// What a monitoring service may send over its whole term: registrations and removals as its list is long, alerts as its triggers and its plan bound
// them.
import { mostConsentText } from "../consents/messages.ts";
import type { KindStatement } from "../leakage.ts";
import { chunks, type Add, type Sizes } from "../statement.ts";
import { mostAlerts } from "../../monitoring/triggers/bound.ts";
import { mostCompanyText } from "../serve/messages.ts";
import { frameBytes, mostCompanies, mostNews } from "./messages.ts";
import { triggersOf, watchJobSchema } from "./params.ts";

/** How often the whole list may be brought in a term, after the first time: for lists that differ, and for renewed consents. */
const renewalsPerDay = 2;
/** Frames of a day that say again what was lost, compare lists, or are about single companies. */
const againPerDay = 4000;

export function watchStatement({ guest, hosts, params }: Sizes, add: Add): KindStatement {
  const watch = watchJobSchema.parse(params);
  const days = watch.days + 1;
  // Companies by 128 characters with consents of 8 KiB would be seven in a frame.
  const perFrame = Math.floor(frameBytes / (mostConsentText + 4 * mostCompanyText));
  const lists = days * (renewalsPerDay * chunks(watch.companies, perFrame) + againPerDay);
  for (const host of hosts) {
    const triggers = triggersOf(watch, host);
    const watches = days * watch.companies;
    // One bit at each alert, and the end of a consent once for each watch.
    const alerts = Math.min(days * watch.alertsPerDay, watch.companies * mostAlerts({ triggers }, days));
    const news = days * (chunks(watch.alertsPerDay, mostNews) + chunks(watch.companies, mostNews) + againPerDay);
    add(guest, host, "watch/ask", lists, lists * frameBytes, 2 * watches);
    add(host, guest, "watch/answer", lists, lists * mostCompanies * 80, watches + lists);
    add(host, guest, "watch/refused", lists, lists * 64, 0);
    add(host, guest, "watch/news", news, news * mostNews * 320, alerts + watches);
    add(guest, host, "watch/acknowledge", news, news * mostNews * 48, 0);
  }
  return { answered: [], attacks: [] };
}
