// The platform's API as a person in a role uses it: the address and the CA on the command line, the key in the environment, since arguments
// can be seen by all users of a machine.
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { ApiClient } from "./api-client.ts";
import { existingFile, explained, httpsUrl, languageOption } from "./arguments.ts";
import { languageOf, type Language } from "./terminal.ts";

export type RoleOptions = { url: string; ca: string; json?: boolean; lang?: string };
export type RoleTools = { readonly api: ApiClient; readonly json: boolean; readonly language: Language };

export function asRole(command: Command): Command {
  return command.requiredOption("--url <url>", "https://host:port of the platform's API; your role's key stands in YUNEI_KEY", httpsUrl)
    .requiredOption("--ca <file>", "certificate of the platform's authority (ca.pem)", existingFile).option("--json", "print JSON").addOption(languageOption());
}

/** Throws CLI_ARGUMENT without a key. */
export async function withRole(o: RoleOptions, work: (tools: RoleTools) => Promise<void>): Promise<void> {
  const apiKey = process.env["YUNEI_KEY"];
  if (apiKey === undefined || apiKey === "") throw explained("CLI_ARGUMENT", "set YUNEI_KEY to the key of your role");
  await using api = new ApiClient({ url: o.url, ca: readFileSync(o.ca, "utf8"), apiKey });
  await work({ api, json: o.json === true, language: languageOf(o.lang) });
}
