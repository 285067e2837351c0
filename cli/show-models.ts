// What a person sees of the versions of served models.
import type { BoundService, KeptStatistics } from "../enclave/serving/store.ts";
import type { Code } from "../core/errors.ts";
import type { ScoreComparison } from "../enclave/serving/compare.ts";
import type { Change, RegistryEvent, VersionState } from "../serving/registry/events.ts";
import { shareOf, type Deployment } from "../serving/registry/machine.ts";
import type { Language } from "./terminal.ts";

const stateNames: Readonly<Record<VersionState, { readonly en: string; readonly zh: string }>> = {
  candidate: { en: "candidate", zh: "候选" }, shadow: { en: "shadow", zh: "影子" }, canary: { en: "canary", zh: "灰度" }, challenger: { en: "challenger", zh: "挑战者" }, champion: { en: "champion", zh: "冠军" }, retired: { en: "retired", zh: "已退役" },
};
const share = (hundredths: number): string => `${hundredths / 100} %`;

export function deploymentLines(d: Deployment, services: readonly BoundService[], language: Language): string[] {
  return [
    `${d.name}  r${d.revision}  ${new Date(d.changedAt).toISOString()}`,
    ...d.versions.map((v) => {
      const last = v.evaluations.at(-1);
      const evaluated = last === undefined ? "" : `  ${last.kind} ${last.passed ? "✓" : "✗"}`;
      return `  v${v.version}  ${stateNames[v.state][language]}${v.slots.length === 0 ? "" : ` ${share(shareOf(v))}`}  ${v.model.slice(0, 16)}${evaluated}  ${services.filter((s) => s.model === v.model).map((s) => s.service).join(" ")}`.trimEnd();
    }),
  ];
}

export function waitingLine(w: { readonly id: number; readonly deployment: string; readonly change: Change; readonly reason: string; readonly signedBy: readonly string[] }): string {
  return `#${w.id}  ${w.deployment}  ${changeText(w.change)}  ${w.signedBy.join(", ")}  ${w.reason}`;
}

/** A record that cannot be read, or a proposal. revision: where the record stops fitting together. */
export type Damaged = { readonly code: Code; readonly deployment?: string; readonly proposal?: number; readonly revision?: number };

export function damagedLine({ code, deployment, proposal, revision }: Damaged): string {
  return `${deployment ?? `#${proposal ?? ""}`}${revision === undefined ? "" : `  r${revision}`}  ${code}`;
}

export function historyLines(events: readonly RegistryEvent[]): string[] {
  return events.map((e) => `r${e.revision}  ${new Date(e.at).toISOString()}  ${changeText(e.change)}  ${e.by}${e.approvedBy === undefined ? "" : ` + ${e.approvedBy}`}  ${e.reason}`);
}

function changeText(change: Change): string {
  return `${change.type}${"version" in change ? ` v${change.version}` : ""}${"share" in change ? ` ${share(change.share)}` : ""}${"service" in change ? ` ${change.service}` : ""}`;
}

type Compared = ScoreComparison & { readonly version: number; readonly against: number; readonly since: KeptStatistics | null };

export function comparedLines(c: Compared, language: Language): string[] {
  const zh = language === "zh";
  return [
    zh ? `v${c.version} 与 v${c.against}：${c.pairs} 家企业` : `v${c.version} against v${c.against}: ${c.pairs} companies`,
    zh ? `对数几率差 均值 ${c.meanDifference.toFixed(3)}  平均绝对值 ${c.meanDistance.toFixed(3)}  几率相差两倍以上 ${(100 * c.apartRate).toFixed(1)} %  秩相关 ${c.rankCorrelation.toFixed(3)}  PSI ${c.stability?.toFixed(3) ?? "-"}`
      : `log odds: mean difference ${c.meanDifference.toFixed(3)}, mean distance ${c.meanDistance.toFixed(3)}, odds apart by two ${(100 * c.apartRate).toFixed(1)} %, rank correlation ${c.rankCorrelation.toFixed(3)}, PSI ${c.stability?.toFixed(3) ?? "-"}`,
    ...(c.since?.versions ?? []).map((v) => (zh ? `v${v.version} ${v.role}：成功 ${v.scored}，失败 ${v.failed}，部分 ${(100 * v.partialRate).toFixed(1)} %，p50 ${v.p50.toFixed(1)} ms，p99 ${v.p99.toFixed(1)} ms`
      : `v${v.version} ${v.role}: ${v.scored} scored, ${v.failed} failed, ${(100 * v.partialRate).toFixed(1)} % partial, p50 ${v.p50.toFixed(1)} ms, p99 ${v.p99.toFixed(1)} ms`)),
  ];
}
