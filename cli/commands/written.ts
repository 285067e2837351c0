// `yunei written`: written consents (书面授权) at an institution. One person enters the terms and the digest of the scanned form, another
// confirms with the digest of the form in his own hands.
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { z } from "zod";
import { consentEndpoints as c, type WrittenView } from "../../api/contract/consents.ts";
import { existingFile, explained, problemsOf, readJson } from "../arguments.ts";
import { asRole, withRole, type RoleOptions } from "../role-client.ts";
import { printJson, printLines } from "../terminal.ts";

const termsSchema = c.enterWritten.body.shape.terms;

export function addWritten(program: Command): void {
  const written = program.command("written").description("written consents, with four eyes / 书面授权（双人复核）");
  asRole(written.command("enter").description("enter one (bank-submitter): terms as JSON, and the scanned form / 录入"))
    .requiredOption("--terms <file>", "JSON: subject, granteeUscc, items, purpose, kinds, notAfter, use, notice", existingFile)
    .requiredOption("--form <file>", "the scan; only its SHA-256 leaves this machine", existingFile)
    .action((o: RoleOptions & { terms: string; form: string }) => withRole(o, async ({ api, json }) => {
      const terms = termsSchema.safeParse(readJson(o.terms));
      if (!terms.success) throw explained("CLI_ARGUMENT", problemsOf(terms.error));
      const view = await api.call(c.enterWritten, { body: { terms: terms.data, form: digestOf(o.form) }, headers: { "idempotency-key": randomUUID() } });
      show([view], json);
    }));
  asRole(written.command("list").description("newest first / 列出")).action((o: RoleOptions) => withRole(o, async ({ api, json }) => {
    const items: WrittenView[] = [];
    for (let cursor: string | undefined; ; ) {
      const page: z.output<typeof c.listWritten.reply> = await api.call(c.listWritten, { query: { limit: "100", ...(cursor === undefined ? {} : { cursor }) } });
      items.push(...page.items);
      if (page.next === null) break;
      cursor = page.next;
    }
    show(items, json, true);
  }));
  asRole(written.command("confirm <id>").description("confirm one that another person entered (bank-approver) / 复核确认"))
    .requiredOption("--form <file>", "the scan that you hold yourself", existingFile)
    .action((id: string, o: RoleOptions & { form: string }) => withRole(o, async ({ api, json }) => {
      show([await api.call(c.decideWritten, { params: { id }, body: { decision: "confirm", form: digestOf(o.form) } })], json);
    }));
  asRole(written.command("refuse <id>").description("refuse it (bank-approver) / 拒绝"))
    .action((id: string, o: RoleOptions) => withRole(o, async ({ api, json }) => {
      show([await api.call(c.decideWritten, { params: { id }, body: { decision: "refuse" } })], json);
    }));
}

function digestOf(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

function show(views: readonly WrittenView[], json: boolean, asList = false): void {
  if (json) printJson(asList ? { items: views } : views[0]);
  else printLines(views.map((v) => `${v.id}  ${v.state}  ${v.enteredAt.slice(0, 19)}Z  ${v.enteredBy}${v.decidedBy === null ? "" : ` / ${v.decidedBy}`}  ${v.consent ?? ""}`));
}
