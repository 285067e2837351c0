// One attempt of a webhook over the network. The name is resolved here, every address that it leads to is checked, and the connection goes to one of
// exactly these addresses: a name that changes in between (DNS rebinding) leads nowhere. No redirect is followed, no body of an answer is read.
import { Resolver } from "node:dns/promises";
import { request as requestPlain } from "node:http";
import { request as requestTls, type RequestOptions } from "node:https";
import { isIP } from "node:net";
import { rootCertificates } from "node:tls";
import { AppError } from "../../core/errors.ts";
import type { Outcome } from "../../monitoring/webhooks/delivery.ts";
import { checkAddresses, checkReceiverUrl, type ReceiverRules } from "../../monitoring/webhooks/receiver-url.ts";

/** All addresses of a name; none when there are none. Throws when it cannot be told. */
export type Resolve = (name: string, signal: AbortSignal) => Promise<readonly string[]>;

export type PostOptions = {
  readonly rules: ReceiverRules;
  /** For the whole attempt, ms. */
  readonly timeoutMs: number;
  /** A CA beside the well-known ones, PEM. */
  readonly ca?: string | undefined;
  readonly resolve: Resolve;
  readonly signal: AbortSignal;
};
export type Post = { readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly body: string; /** From 1: later ones take other addresses. */ readonly attempt: number };

/** Asks name servers, not the system's resolver, whose few threads a slow name would hold. */
export const resolveName: Resolve = async (name, signal) => {
  const resolver = new Resolver({ timeout: 3000, tries: 2 });
  const stop = (): void => resolver.cancel();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    return found.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
  } finally {
    signal.removeEventListener("abort", stop);
  }
};

/** Never throws: what went wrong is the outcome. */
export async function postWebhook(post: Post, options: PostOptions): Promise<Outcome> {
  const late = AbortSignal.timeout(options.timeoutMs);
  const signal = AbortSignal.any([late, options.signal]);
  try {
    const url = checkReceiverUrl(post.url, options.rules);
    const name = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
    const addresses = isIP(name) === 0 ? await options.resolve(name, signal) : [name];
    if (addresses.length === 0) return { kind: late.aborted ? "timeout" : "network" };
    checkAddresses(addresses, options.rules, url.protocol === "http:");
    return await send(url, addresses[(post.attempt - 1) % addresses.length] ?? "", post, { ca: options.ca, signal });
  } catch (error) {
    if (error instanceof AppError) return { kind: "refused" };
    return { kind: late.aborted ? "timeout" : "network" };
  }
}

function send(url: URL, address: string, { headers, body }: Post, { ca, signal }: { ca: string | undefined; signal: AbortSignal }): Promise<Outcome> {
  const isTls = url.protocol === "https:";
  const bytes = Buffer.from(body);
  const name = url.hostname.replace(/^\[|\]$/g, "");
  const options: RequestOptions = {
    // The checked address; the certificate is still judged by the name.
    host: address, port: url.port === "" ? (isTls ? 443 : 80) : Number(url.port), path: `${url.pathname}${url.search}`, method: "POST", agent: false, signal,
    headers: { ...headers, host: url.host, "content-type": "application/json", "content-length": bytes.length, "user-agent": "yunei-webhook/1", connection: "close" },
    ...(isTls ? { servername: isIP(name) === 0 ? name : "", minVersion: "TLSv1.2", ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }) } : {}),
    maxHeaderSize: 16_384,
  };
  return new Promise((resolve, reject) => {
    const request = (isTls ? requestTls : requestPlain)(options, (response) => {
      const after = response.headers["retry-after"];
      response.on("error", () => {}); // it is not read
      response.destroy();
      resolve({ kind: "response", status: response.statusCode ?? 0, ...(after === undefined ? {} : { retryAfter: after }) });
    });
    request.on("error", reject);
    request.end(bytes);
  });
}
