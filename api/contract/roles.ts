// Who may act, beyond an institution's programs and the enclaves: people and systems in one of these roles, each with a key of its own.
import { z } from "zod";

export const roles = [
  "bank-submitter", "bank-approver", "analyst", "provider-operator", "provider-owner", "platform-operator", "supervisor", "subject",
] as const;
export const roleSchema = z.enum(roles);
export type Role = z.output<typeof roleSchema>;

/** What the role belongs to: a bank's roles to an institution, a provider's to its party, a company to itself. */
export const roleScope = {
  "bank-submitter": "institution", "bank-approver": "institution", analyst: "institution",
  "provider-operator": "party", "provider-owner": "party",
  "platform-operator": "platform", supervisor: "platform", subject: "subject",
} as const satisfies Record<Role, "institution" | "party" | "platform" | "subject">;

/** People of an institution. Its program key may call what is open to all of them, but for what takes a person (auth "role"). */
export const bankPeople = ["bank-submitter", "bank-approver", "analyst"] as const satisfies readonly Role[];
