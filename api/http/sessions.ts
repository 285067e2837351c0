// Connections by who uses them: uploads, long polls, event streams, and those that are kept open between two requests. When a caller is
// suspended, removed, or its key stops, its connections are cut, and not only its next request refused. A change made by another
// process on the same database is found by the clock (api/server.ts).
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Request } from "express";
import { AppError } from "../../core/errors.ts";

type Check = () => Promise<unknown>;

export class Sessions {
  readonly #callers = new Map<string, { readonly check: Check; readonly sockets: Set<Socket>; isRefused: boolean }>();
  /** Who uses a connection, each with the number of requests that are not answered yet. */
  readonly #users = new WeakMap<Socket, Map<string, number>>();

  /** Requests on a connection that are not answered yet, also of callers who are not let in. */
  readonly #unanswered = new WeakMap<Socket, number>();

  /** Connections with a request that ends its own caller's key: its answer goes out first. */
  readonly #lastAnswers = new WeakSet<Socket>();

  /** Each request of a listener, before anybody knows whose it is. */
  begin(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    this.#unanswered.set(socket, (this.#unanswered.get(socket) ?? 0) + 1);
    response.once("close", () => this.#unanswered.set(socket, (this.#unanswered.get(socket) ?? 1) - 1));
  }

  /** Remembers a request's connection as its caller's, until another uses it or it is closed. key: names caller and credential; check:
   *  throws AUTH_* once they are no longer let in. */
  watch(request: Request, key: string, check: Check): void {
    const { socket } = request;
    if (socket.destroyed) return; // gone while the caller was judged
    const users = this.#usersOf(socket);
    for (const [other, open] of users) if (open === 0 && other !== key) this.#leave(socket, other);
    users.set(key, (users.get(key) ?? 0) + 1);
    const caller = this.#callers.get(key) ?? { check, sockets: new Set(), isRefused: false };
    this.#callers.set(key, caller);
    caller.sockets.add(socket);
    request.res?.once("close", () => {
      const open = users.get(key);
      if (open !== undefined) users.set(key, open - 1);
    });
  }

  /** To be called before a request ends the key that it came with: the clock cuts its connection only after the answer. */
  answerFirst(request: Request): void {
    const { socket } = request;
    this.#lastAnswers.add(socket);
    request.res?.once("close", () => this.#lastAnswers.delete(socket));
  }

  /** Cuts the connections of all callers that would not be let in now: at once where something is on its way, and at the next sweep where
   *  nothing is, so that who asks in between is told why. Returns how many. */
  async sweep(): Promise<number> {
    let cut = 0;
    for (const [key, caller] of this.#callers) {
      const wasRefused = caller.isRefused;
      caller.isRefused = !(await isLetIn(caller.check));
      if (!caller.isRefused) continue;
      for (const socket of caller.sockets) {
        if (this.#lastAnswers.has(socket)) continue;
        const isIdle = this.#users.get(socket)?.get(key) === 0;
        // A request that has just come is refused, and gets its answer.
        if (isIdle && (!wasRefused || (this.#unanswered.get(socket) ?? 0) > 0)) continue;
        // The last answer goes out whole; what is not answered yet gets nothing more.
        if (isIdle) socket.destroySoon();
        else socket.destroy();
        cut += 1;
      }
    }
    return cut;
  }

  #usersOf(socket: Socket): Map<string, number> {
    const known = this.#users.get(socket);
    if (known !== undefined) return known;
    const users = new Map<string, number>();
    this.#users.set(socket, users);
    socket.once("close", () => {
      for (const key of users.keys()) this.#leave(socket, key);
    });
    return users;
  }

  #leave(socket: Socket, key: string): void {
    this.#users.get(socket)?.delete(key);
    const sockets = this.#callers.get(key)?.sockets;
    sockets?.delete(socket);
    if (sockets?.size === 0) this.#callers.delete(key);
  }
}

async function isLetIn(check: Check): Promise<boolean> {
  try {
    await check();
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code.startsWith("AUTH_")) return false;
    throw error; // the database: tried again at the next tick
  }
}
