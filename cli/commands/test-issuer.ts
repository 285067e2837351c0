// `yunei platform test-issuer`: an identity provider for tests and demonstrations, at which anybody can be any company. Never started by
// another command.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { startTestIssuer } from "../../api/identity/test-issuer.ts";
import { systemRng } from "../../core/rng.ts";
import { writeDurably } from "../../core/files.ts";
import { existingFolder, explained, port, languageOption } from "../arguments.ts";
import { languageOf, printJson, remark } from "../terminal.ts";

export function addTestIssuer(platform: Command): void {
  platform.command("test-issuer")
    .description("FOR TESTS ONLY: an identity provider at which anybody can be any company / 仅供测试：任何人可冒充任何企业的身份提供方")
    .option("--port <port>", "port on 127.0.0.1", port, 0)
    .option("--data <folder>", "data folder of a platform that shall believe it: writes identity-provider.json there", existingFolder)
    .addOption(languageOption()).action(run);
}

async function run(o: { port: number; data?: string; lang?: string }): Promise<void> {
  const file = o.data === undefined ? undefined : join(o.data, "identity-provider.json");
  if (file !== undefined && existsSync(file)) throw explained("CLI_EXISTS", `already there: ${file}`);
  const issuer = await startTestIssuer({ env: { rng: systemRng, now: Date.now }, port: o.port });
  if (file !== undefined) writeDurably(file, `${JSON.stringify(issuer.configuration, undefined, 2)}\n`);
  remark(languageOf(o.lang), {
    en: "TEST ISSUER: anybody who opens it can be any company. Never let a platform with real companies believe it.",
    zh: "测试签发方：任何打开者均可冒充任何企业。切勿用于有真实企业的平台。",
  });
  printJson({ event: "ready", issuer: issuer.issuer, configuration: file ?? issuer.configuration });
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  await promise;
  await issuer.close();
}
