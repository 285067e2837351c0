// A receiver of webhooks on this machine: keeps what came and answers as the test says.
import { createServer as createPlain, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTls } from "node:https";
import type { AddressInfo } from "node:net";

export type Got = { readonly path: string; readonly headers: Readonly<Record<string, string | string[] | undefined>>; readonly body: string };
/** `hold` leaves the request without an answer until `release`. */
export type Answer = { readonly status: number; readonly headers?: Readonly<Record<string, string>> } | "hold";

export class Receiver implements AsyncDisposable {
  readonly got: Got[] = [];
  /** Per path; 204 otherwise. */
  readonly answers = new Map<string, (n: number) => Answer>();
  readonly #server: Server;
  readonly #held: ServerResponse[] = [];
  readonly #waiting: { count: number; resolve: () => void }[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(tls?: { key: string; cert: string }): Promise<Receiver> {
    let receiver: Receiver | undefined;
    const take = (request: IncomingMessage, response: ServerResponse): void => void receiver?.take(request, response);
    const server = tls === undefined ? createPlain(take) : (createTls(tls, take) as unknown as Server);
    receiver = new Receiver(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  at(path: string): Got[] {
    return this.got.filter((got) => got.path === path);
  }

  /** Resolves once this many requests have come, in all. */
  come(count: number): Promise<void> {
    if (this.got.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }

  /** Answers what is held. */
  release(status: number): void {
    for (const response of this.#held.splice(0)) response.writeHead(status).end();
  }

  async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const path = request.url ?? "";
    const answer = this.answers.get(path)?.(this.at(path).length + 1) ?? { status: 204 };
    this.got.push({ path, headers: request.headers, body: Buffer.concat(parts).toString("utf8") });
    for (const waiting of this.#waiting) if (this.got.length >= waiting.count) waiting.resolve();
    if (answer === "hold") this.#held.push(response);
    else response.writeHead(answer.status, answer.headers).end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
