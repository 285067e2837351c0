// What deserves a person's look, as functions over entries: the same entries give the same alerts. Time is that of the entries. Each rule
// remembers a bounded number of keys, and raises once until things have calmed down (hysteresis).
import type { Entry } from "../entry.ts";
import type { AuditSettings } from "../settings.ts";
import { Windows } from "./windows.ts";

export const alertKinds = ["company-burst", "budget-high", "budget-exhausted", "probing", "failed-authorisations", "refused-consents", "refused-plans", "chain-broken", "log-shrunk", "clock-back", "unusual-hour"] as const;
export type AlertKind = (typeof alertKinds)[number];
/** What an alert is about: a keyed hash or a public name. count: of what the rule counts, or percent of a budget. */
export type Finding = { readonly kind: AlertKind; readonly about: string; readonly count: number; readonly seq: number; readonly at: string };
export type Rule = (entry: Entry) => Finding | undefined;

type Limits = AuditSettings["alerts"];
const minuteMs = 60_000;
const clockToleranceMs = 2_000;
const maxDomains = 10_000;
const people: ReadonlySet<string> = new Set(["bank-submitter", "bank-approver", "analyst", "provider-operator", "provider-owner", "platform-operator", "supervisor", "operator"]);
const authCodes = new RegExp(`^(${[
  "AUTH_(REQUIRED|INVALID|SUSPENDED|ROLE|RATE_LIMITED)", "ENROL_(TOKEN|USED|EXPIRED|CSR|NAME)", "SUBJECT_(LOGIN|KEY_PROOF)", "IDENTITY_(TOKEN|AUTHORITY|COMPANY|REFUSED)",
  "OPERATOR_(UNKNOWN|KEY|PASSPHRASE)",
].join("|")})$`);

const finding = (kind: AlertKind, about: string, count: number, { seq, at }: Entry): Finding => ({ kind, about, count, seq, at });
const timesOf = ({ facts }: Entry): number => (typeof facts?.["times"] === "number" ? facts["times"] : 1);

/** All rules, each with an empty memory. */
export function rulesOf(limits: Limits): readonly Rule[] {
  return [companyBurst(limits), budgetUse(limits), probing(limits), failedAuthorisations(limits), refusedConsents(limits), refusedPlans(limits), chainBroken, logShrunk(), clockBack(), unusualHour(limits)];
}

function companyBurst(limits: Limits): Rule {
  const windows = new Windows(limits.companyMinutes * minuteMs, limits.companyUses);
  return (entry) => {
    let found: Finding | undefined;
    for (const company of entry.companies ?? (entry.company === undefined ? [] : [entry.company])) {
      const count = windows.add(company, Date.parse(entry.at), entry.companies === undefined ? timesOf(entry) : 1);
      if (count !== undefined) found = finding("company-burst", company, count, entry);
    }
    return found;
  };
}

/** A budget over its share, and one that refused: each once, until it is well below again (another month has another budget). */
function budgetUse(limits: Limits): Rule {
  const windows = { high: new Windows(Infinity, 1), refused: new Windows(Infinity, 1) };
  return (entry) => {
    if (entry.action !== "budget.charged" && entry.action !== "budget.refused") return undefined;
    const { used, limit, budget } = entry.facts ?? {};
    const about = `${String(budget)}.${entry.objects?.party ?? "any"}`;
    const share = typeof used === "number" && typeof limit === "number" && limit > 0 ? used / limit : 0;
    const count = Math.round(share * 100);
    if (entry.action === "budget.refused") return windows.refused.add(about, 0, 1) === undefined ? undefined : finding("budget-exhausted", about, count, entry);
    if (share < limits.budgetShare - 0.1) for (const w of [windows.high, windows.refused]) w.forget(about);
    if (share < limits.budgetShare) return undefined;
    return windows.high.add(about, 0, 1) === undefined ? undefined : finding("budget-high", about, count, entry);
  };
}

/** Signs of probing by one bank: the first at once, and again when it has been quiet for a while. At the platform, as enclaves tell it. count: signs. */
function probing(limits: Limits): Rule {
  const windows = new Windows(limits.refusalMinutes * minuteMs, 1);
  return (entry) => {
    if (entry.action !== "probing.seen") return undefined;
    const about = `${String(entry.facts?.["signal"])}.${entry.objects?.party ?? "any"}`;
    const count = windows.add(about, Date.parse(entry.at), 1);
    return count === undefined ? undefined : finding("probing", about, count, entry);
  };
}

/** By credential where one was named, else by the keyed hash of the address; on an enclave's machine by the operator who was named. */
function failedAuthorisations(limits: Limits): Rule {
  const windows = new Windows(limits.failureMinutes * minuteMs, limits.failures);
  return (entry) => {
    const as = entry.facts?.["as"];
    const about = entry.actor.id ?? entry.from ?? (typeof as === "string" ? as : undefined);
    if (!authCodes.test(entry.outcome) || about === undefined) return undefined;
    const count = windows.add(about, Date.parse(entry.at), timesOf(entry));
    return count === undefined ? undefined : finding("failed-authorisations", about, count, entry);
  };
}

/** At an enclave: companies for which a bank came without an authorisation that holds. */
function refusedConsents(limits: Limits): Rule {
  const windows = new Windows(limits.failureMinutes * minuteMs, limits.consentRefusals);
  return (entry) => {
    if (entry.action !== "consents.checked" || entry.outcome === "ok") return undefined;
    const about = entry.objects?.party ?? entry.objects?.job ?? "any";
    const count = windows.add(about, Date.parse(entry.at), timesOf(entry));
    return count === undefined ? undefined : finding("refused-consents", about, count, entry);
  };
}

/** At an enclave by guest, at the platform by the party that refuses. */
function refusedPlans(limits: Limits): Rule {
  const windows = new Windows(limits.refusalMinutes * minuteMs, limits.refusals);
  return (entry) => {
    const isRefusal = entry.action === "plan.refused" || (entry.route === "POST /enclave/v1/jobs/:id/refusal" && entry.outcome === "ok");
    if (!isRefusal) return undefined;
    const about = entry.objects?.party ?? entry.actor.id ?? "any";
    const count = windows.add(about, Date.parse(entry.at), 1);
    return count === undefined ? undefined : finding("refused-plans", about, count, entry);
  };
}

const chainBroken: Rule = (entry) => (entry.action === "log.broken" ? finding("chain-broken", "log", Number(entry.facts?.["entry"] ?? 0), entry) : undefined);

/** Another domain shows a head of its log that is below the last one, or of the same size and another content. count: entries that are gone. */
function logShrunk(): Rule {
  const latest = new Map<string, { readonly size: number; readonly digest: string | undefined }>();
  return (entry) => {
    const { party, after: digest } = entry.objects ?? {};
    const size = entry.facts?.["size"];
    if (entry.action !== "head.taken" || party === undefined || typeof size !== "number") return undefined;
    const known = latest.get(party);
    if (known === undefined && latest.size >= maxDomains) return undefined;
    latest.set(party, { size, digest });
    if (known === undefined || known.size < size || (known.size === size && known.digest === digest)) return undefined;
    return finding("log-shrunk", party, known.size - size, entry);
  };
}

function clockBack(): Rule {
  let latest = -Infinity;
  let isBehind = false;
  return (entry) => {
    const time = Date.parse(entry.at);
    const behind = latest - time;
    if (behind <= clockToleranceMs) {
      latest = Math.max(latest, time);
      isBehind = false;
      return undefined;
    }
    if (isBehind) return undefined;
    isBehind = true;
    return finding("clock-back", "clock", Math.round(behind / 1000), entry);
  };
}

/** A person in a role at an hour that is not usual: once per credential and night. */
function unusualHour({ hours }: Limits): Rule {
  const windows = new Windows(12 * 60 * minuteMs, 1);
  return (entry) => {
    if (hours === undefined || !people.has(entry.actor.role)) return undefined;
    const time = Date.parse(entry.at);
    const hour = ((((time / minuteMs + hours.offsetMinutes) / 60) % 24) + 24) % 24;
    const usual = hours.from <= hours.to ? hour >= hours.from && hour < hours.to : hour >= hours.from || hour < hours.to;
    if (usual) return undefined;
    const about = entry.actor.id ?? entry.actor.role;
    return windows.add(about, time, 1) === undefined ? undefined : finding("unusual-hour", about, Math.floor(hour), entry);
  };
}
