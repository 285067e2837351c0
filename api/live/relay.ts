// The live relay: one WebSocket of each enclave; opaque frames go from one to another of the same running service, in memory. Queues are bounded
// by the bytes that wait for a socket: what does not fit is not sent, and the sender is told that its peer is away.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import { decodeLive, encodeLive, livePath, maxLiveBytes, requestIdBytes, type LiveMessage } from "../contract/live.ts";
import { codeSchema } from "../contract/endpoint.ts";
import type { JobId, PartyId } from "../../core/brand.ts";
import type { Env } from "../../core/env.ts";
import { AppError, isAppError, type Code } from "../../core/errors.ts";
import { JoinedWrites } from "../../core/joined-writes.ts";

/** A running service as the relay knows it. */
export type LiveService = { readonly guest: PartyId; readonly parties: readonly PartyId[]; readonly expiresAt: number };
export type RelayParts = {
  readonly env: Env;
  /** undefined when there is no such service, or it does not run. */
  readonly find: (service: JobId) => Promise<LiveService | undefined>;
  /** Who opens the connection. Throws AUTH_*. */
  readonly identify: (request: IncomingMessage) => Promise<PartyId>;
  readonly limits?: Partial<typeof defaultLiveLimits>;
};

export const defaultLiveLimits = {
  /** Bytes that may wait for one enclave's socket. */
  bufferedBytes: 4 * 2 ** 20,
  /** Requests of one service that wait for their answers. */
  waitingPerService: 256,
  /** And of all. */
  waiting: 4096,
  requestMs: 15_000,
  pingMs: 10_000,
  /** How long a service's state is believed before it is looked up again. */
  freshMs: 1_000,
};

type Known = { readonly at: number; readonly service: LiveService | undefined };
type Connection = { readonly socket: WebSocket; readonly writes: JoinedWrites };
type Waiting = { readonly service: string; readonly from: PartyId; readonly end: (result: Uint8Array | AppError) => void };
const maxServices = 10_000;

export class LiveRelay {
  readonly #p: RelayParts;
  readonly #limits: typeof defaultLiveLimits;
  readonly #server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: maxLiveBytes, clientTracking: false });
  readonly #sockets = new Map<PartyId, Connection>();
  readonly #services = new Map<string, Known>();
  readonly #looking = new Map<string, Promise<LiveService | undefined>>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #perService = new Map<string, number>();

  constructor(parts: RelayParts) {
    this.#p = parts;
    this.#limits = { ...defaultLiveLimits, ...parts.limits };
  }

  isConnected(party: PartyId): boolean {
    return this.#sockets.get(party)?.socket.readyState === WebSocket.OPEN;
  }

  /** For the "upgrade" event of the enclaves' listener. */
  readonly upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on("error", () => undefined);
    if (request.url !== livePath) return refuse(socket, 404);
    this.#p.identify(request).then(
      (party) => this.#server.handleUpgrade(request, socket, head, (ws) => this.#opened(party, ws, new JoinedWrites(socket))),
      (error: unknown) => refuse(socket, isAppError(error) ? 403 : 503),
    );
  };

  /** Hands a sealed request to the guest's enclave and gives its sealed answer. Throws SERVICE_BUSY, SERVICE_AWAY, SERVICE_TIMEOUT and what the enclave refuses with. */
  async ask(id: JobId, service: LiveService, jwe: string): Promise<string> {
    const { waiting, waitingPerService, requestMs } = this.#limits;
    const here = this.#perService.get(id) ?? 0;
    if (here >= waitingPerService || this.#waiting.size >= waiting) throw new AppError("SERVICE_BUSY", { retryAfterSeconds: 1 });
    const number = this.#p.env.rng(requestIdBytes);
    const key = Buffer.from(number).toString("hex");
    if (!this.#send(service.guest, { kind: "request", service: id, peer: "", payload: Buffer.concat([number, Buffer.from(jwe, "latin1")]) })) throw new AppError("SERVICE_AWAY");
    this.#perService.set(id, here + 1);
    let timer: NodeJS.Timeout | undefined;
    try {
      const result = await new Promise<Uint8Array | AppError>((resolve) => {
        this.#waiting.set(key, { service: id, from: service.guest, end: resolve });
        timer = setTimeout(() => resolve(new AppError("SERVICE_TIMEOUT")), requestMs);
      });
      if (result instanceof AppError) throw result;
      return Buffer.from(result).toString("latin1");
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(key);
      const left = (this.#perService.get(id) ?? 1) - 1;
      if (left > 0) this.#perService.set(id, left);
      else this.#perService.delete(id);
    }
  }

  close(): void {
    for (const { socket } of this.#sockets.values()) socket.terminate();
    for (const { end } of this.#waiting.values()) end(new AppError("SERVICE_AWAY"));
    this.#server.close();
  }

  #opened(party: PartyId, socket: WebSocket, writes: JoinedWrites): void {
    // One of each enclave: a restarted one does not wait for the old connection to be missed.
    this.#sockets.get(party)?.socket.terminate();
    this.#sockets.set(party, { socket, writes });
    let isAlive = true;
    const pings = setInterval(() => {
      if (!isAlive) return socket.terminate();
      isAlive = false;
      socket.ping();
    }, this.#limits.pingMs);
    socket.on("pong", () => { isAlive = true; });
    socket.on("error", () => undefined);
    socket.on("message", (data: Buffer, isBinary) => {
      isAlive = true;
      const message = isBinary ? decodeLive(data) : undefined;
      if (message === undefined) socket.close(1003);
      else this.#take(party, message);
    });
    socket.on("close", () => {
      clearInterval(pings);
      if (this.#sockets.get(party)?.socket !== socket) return;
      this.#sockets.delete(party);
      this.#p.env.log.info("live.closed", { party });
      for (const waiting of this.#waiting.values()) if (waiting.from === party) waiting.end(new AppError("SERVICE_AWAY"));
    });
    this.#p.env.log.info("live.opened", { party });
  }

  #take(from: PartyId, message: LiveMessage): void {
    if (message.kind === "answer" || message.kind === "refused") this.#answered(from, message);
    else if (message.kind === "sealed" || message.kind === "hello") this.#pass(from, message);
  }

  async #passLater(known: Promise<unknown>, from: PartyId, message: LiveMessage): Promise<void> {
    // A database that cannot be read loses the frame, as a network may: who waits for it asks again.
    if ((await known.catch(() => undefined)) !== undefined) this.#pass(from, message);
  }

  #pass(from: PartyId, message: LiveMessage): void {
    const { kind, payload } = message;
    const service = message.service as JobId;
    const known = this.#known(service);
    if (known instanceof Promise) {
      // The first frame of a service: it waits for the database, those after it come later.
      void this.#passLater(known, from, message);
      return;
    }
    const to = known?.parties.find((p) => p === message.peer);
    // Of no running service of both: nothing is told, not even that.
    if (known === undefined || to === undefined || to === from || !known.parties.includes(from)) return;
    if (!this.#send(to, { kind, service, peer: from, payload })) this.#send(from, { kind: "away", service, peer: to, payload: new Uint8Array(0) });
  }

  #answered(from: PartyId, { kind, service, payload }: LiveMessage): void {
    const waiting = this.#waiting.get(Buffer.from(payload.subarray(0, requestIdBytes)).toString("hex"));
    if (waiting?.from !== from || waiting.service !== service) return;
    const rest = payload.slice(requestIdBytes);
    if (kind === "answer") return waiting.end(rest);
    const code = codeSchema.safeParse(Buffer.from(rest).toString("latin1"));
    waiting.end(errorOf(code.success ? code.data : "SERVICE_AWAY"));
  }

  #send(to: PartyId, message: LiveMessage): boolean {
    const connection = this.#sockets.get(to);
    if (connection?.socket.readyState !== WebSocket.OPEN || connection.socket.bufferedAmount > this.#limits.bufferedBytes) return false;
    connection.writes.hold();
    connection.socket.send(encodeLive(message));
    return true;
  }

  /** What is known of a service, looked up again beside when it is old. */
  #known(service: JobId): LiveService | undefined | Promise<LiveService | undefined> {
    const now = this.#p.env.now();
    const known = this.#services.get(service);
    const isFresh = known !== undefined && now - known.at < this.#limits.freshMs;
    const looking = isFresh ? undefined : this.#look(service);
    if (known === undefined) return looking;
    return known.service === undefined || known.service.expiresAt <= now ? undefined : known.service;
  }

  #look(service: JobId): Promise<LiveService | undefined> {
    const looking = this.#looking.get(service) ?? this.#p.find(service).then((found) => {
      if (this.#services.size >= maxServices) this.#services.clear();
      this.#services.set(service, { at: this.#p.env.now(), service: found });
      return found;
    }).finally(() => this.#looking.delete(service));
    this.#looking.set(service, looking);
    looking.catch(() => undefined);
    return looking;
  }
}

/** Only codes that a service refuses with: an enclave has no other word to its bank in the clear. */
function errorOf(code: Code): AppError {
  if (code === "SERVICE_BUSY") return new AppError(code, { retryAfterSeconds: 1 });
  return new AppError(code === "SERVICE_REQUEST" ? code : "SERVICE_AWAY");
}

function refuse(socket: Duplex, status: number): void {
  socket.end(`HTTP/1.1 ${status} \r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
