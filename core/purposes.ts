// 融资用途: the closed list of what shared information may serve. P21, article (十): nothing but supporting the financing of companies.
// Jobs, consents and the sharing catalogue read this one list; what each purpose needs is in catalogue/purposes.ts.
export const financingPurposes = [
  "loan-approval", "credit-line-review", "post-loan-monitoring", "model-development", "credit-evaluation", "customer-screening", "guarantee-review",
  "policy-matching",
] as const;
export type FinancingPurpose = (typeof financingPurposes)[number];
