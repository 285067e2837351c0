// The risk notice that a company acknowledges before it consents (P21 附件注3: 充分告知企业相关风险). Consents name version and digest; a
// changed text is a new version, and earlier versions stay, since consents that name them still run.
import { digestOf } from "../core/canonical.ts";

export type Notice = { readonly version: string; readonly zh: string; readonly en: string };

export const notices: readonly Notice[] = [
  {
    version: "2026-1",
    zh: "一、贵企业所授权的信息，由数据提供单位在其本域内使用，仅用于所选的融资用途；原始明细数据不向接入机构提供。"
      + "二、所得评分或核验结果将提供给所列机构，可能影响授信与否、额度、利率和期限。"
      + "三、评分由模型计算，可能出现误差；贵企业可查询每一次使用，可提出异议申诉，可申请信用修复。"
      + "四、联合建模中，参与方可从汇总统计推知少量统计信息，其范围载于任务的泄露声明。"
      + "五、贵企业可随时撤回授权；撤回后不再使用，此前已出具的结果不因撤回而失效。"
      + "六、不授权不影响贵企业依法享有的公共服务，但机构可能无法据此信息评估融资申请。"
      + "七、请妥善保管签名密钥和登录凭证；遗失时请立即申请撤销。",
    en: "1. The authorised information is used by its provider in the provider's own domain, for the chosen financing purpose only; raw details "
      + "are not given to the institution. 2. The score or verification result goes to the institution named, and may influence whether a loan is "
      + "granted, its amount, rate and term. 3. Scores are computed by a model and may be wrong; you can see every use, object, and apply for "
      + "credit repair. 4. In joint modelling the parties can derive a small amount of statistical information from totals; the job's leakage "
      + "statement says how much. 5. You can withdraw at any time; nothing is used after that, and results given before stay valid. "
      + "6. Not consenting does not affect public services that you are entitled to, but the institution may be unable to assess an application "
      + "by this information. 7. Keep your signing key and your login safe; have them withdrawn at once when lost.",
  },
];

export function noticeDigest(notice: Notice): string {
  return digestOf(notice);
}

const known = new Map(notices.map((notice) => [notice.version, noticeDigest(notice)]));

/** Whether a version and digest are those of a notice that this program can show. */
export function isKnownNotice(version: string, digest: string): boolean {
  return known.get(version) === digest;
}

/** The notice that is shown today. */
export function currentNotice(): { readonly notice: Notice; readonly digest: string } {
  const notice = notices.at(-1) as Notice;
  return { notice, digest: noticeDigest(notice) };
}
