// A company's access to a platform: one file (0600) with the address, the CA and, after a login by real name, a token that ends soon.
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import { subjectEndpoints } from "../api/contract/subject.ts";
import { AppError } from "../core/errors.ts";
import { writeDurably } from "../core/files.ts";
import { ApiClient } from "./api-client.ts";
import { explained } from "./arguments.ts";

const accessSchema = z.strictObject({
  version: z.literal(1), url: z.url(), ca: z.string().max(8192), token: z.string().max(256), session: z.string().max(64), subject: z.string().length(18), expiresAt: z.iso.datetime(),
});
export type CompanyAccess = z.output<typeof accessSchema>;
export const defaultAccess = "yunei-company.json";

/** Throws COMPANY_PROFILE. */
export function readAccess(path: string): CompanyAccess {
  if (!existsSync(path)) throw explained("COMPANY_PROFILE", `not there: ${path}`);
  try {
    return accessSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new AppError("COMPANY_PROFILE", {}, { cause });
  }
}

/** The platform as the company's session sees it. Throws COMPANY_PROFILE. */
export function openCompany(path: string): ApiClient {
  const { url, ca, token } = readAccess(path);
  return new ApiClient({ url, ca, apiKey: token });
}

/**
 * A login by real name in the person's browser, which comes back to a port of this machine (RFC 8252). `show` is given the address to open.
 * Throws SUBJECT_LOGIN when nobody came back in time, and what the platform refuses.
 */
export async function logIn(given: { url: string; ca: string; file: string; waitMs: number; show: (address: string) => void }): Promise<CompanyAccess> {
  await using api = new ApiClient({ url: given.url, ca: given.ca });
  await using back = await listenForReturn();
  const begun = await api.call(subjectEndpoints.beginLogin, { body: { redirectUri: back.redirectUri } });
  const state = new URL(begun.authorizationUrl).searchParams.get("state") ?? "";
  given.show(begun.authorizationUrl);
  const code = await back.code(state, given.waitMs);
  const { token, session, subject } = await api.call(subjectEndpoints.finishLogin, { body: { login: begun.login, state, code } });
  const access: CompanyAccess = { version: 1, url: given.url, ca: given.ca, token, session: session.id, subject, expiresAt: session.expiresAt };
  writeDurably(given.file, `${JSON.stringify(access, undefined, 2)}\n`);
  return access;
}

const page = "<!doctype html><meta charset=utf-8><title>Yunei 域内</title><p>登录信息已返回命令行，可关闭此页。<br>The login went back to the command line; this page may be closed.</p>";

/** Listens on a free port of the loopback address for one return with the right state; others are answered and ignored. */
async function listenForReturn(): Promise<{ redirectUri: string; code(state: string, waitMs: number): Promise<string> } & AsyncDisposable> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const redirectUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`;
  const code = (state: string, waitMs: number): Promise<string> => new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new AppError("SUBJECT_LOGIN")), waitMs);
    server.on("request", (request, response) => {
      const url = new URL(request.url ?? "", redirectUri);
      const given = url.searchParams.get("code");
      const isOurs = request.method === "GET" && url.pathname === "/callback" && url.searchParams.get("state") === state;
      response.writeHead(isOurs ? 200 : 404, { "content-type": "text/html; charset=utf-8", connection: "close" }).end(isOurs ? page : "");
      if (!isOurs) return;
      clearTimeout(late);
      if (given === null) reject(new AppError("IDENTITY_REFUSED"));
      else resolve(given);
    });
  });
  return {
    redirectUri, code,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}
