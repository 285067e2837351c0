// The live connection of an enclave: one outgoing WebSocket to the platform over the mutual TLS of its other requests. It comes back by itself;
// whoever uses it hears when it is there and when it is gone. Nothing listens here.
import { WebSocket } from "ws";
import { decodeLive, encodeLive, livePath, maxLiveBytes, type LiveKind, type LiveMessage } from "../../api/contract/live.ts";
import type { JobId, PartyId, Released } from "../../core/brand.ts";
import type { Log } from "../../core/env.ts";
import type { Code } from "../../core/errors.ts";
import { JoinedWrites } from "../../core/joined-writes.ts";

const firstBackOffMs = 100;
const maxBackOffMs = 5_000;
/** The platform sends a ping every ten seconds. */
const silenceMs = 25_000;
/** What waits for the socket: more would only come too late. */
const maxBufferedBytes = 4 * 1024 * 1024;

export type LiveHandlers = {
  take(message: LiveMessage): void;
  connected(): void;
  disconnected(): void;
};

/** One service on the connection. Each send says whether the message could be handed over. */
export interface LiveLine extends Disposable {
  readonly isConnected: boolean;
  sealed(to: PartyId, frame: Released): boolean;
  /** Nonces of an epoch: public random bytes. */
  hello(to: PartyId, nonces: Uint8Array): boolean;
  answer(request: Uint8Array, jwe: Released): boolean;
  refuse(request: Uint8Array, code: Code): boolean;
}
export interface LiveTransport {
  open(service: JobId, handlers: LiveHandlers): LiveLine;
}

export class LiveConnection implements LiveTransport, Disposable {
  readonly #url: string;
  readonly #tls: { readonly key: string; readonly cert: string; readonly ca: string };
  readonly #log: Log;
  readonly #services = new Map<string, LiveHandlers>();
  #socket: WebSocket | undefined;
  #writes: JoinedWrites | undefined;
  #timer: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;
  #backOff = firstBackOffMs;
  #isClosed = false;

  /** url: https://host:port of the enclave listener; key and certificates: PEM. */
  constructor(options: { url: string; key: string; certificate: string; ca: string; log: Log }) {
    this.#url = new URL(livePath, options.url.replace(/^https:/, "wss:")).href;
    this.#tls = { key: options.key, cert: options.certificate, ca: options.ca };
    this.#log = options.log;
  }

  /** Connects with the first service, and stays until the last is closed. */
  open(service: JobId, handlers: LiveHandlers): LiveLine {
    this.#services.set(service, handlers);
    if (this.#socket === undefined && this.#timer === undefined) this.#connect();
    else if (this.#isOpen) queueMicrotask(() => handlers.connected());
    const send = (kind: LiveKind, peer: string, payload: Uint8Array): boolean => this.#send({ kind, service, peer, payload });
    const isConnected = (): boolean => this.#isOpen;
    return {
      get isConnected() { return isConnected(); },
      sealed: (to, frame) => send("sealed", to, frame),
      hello: (to, nonces) => send("hello", to, nonces),
      answer: (request, jwe) => send("answer", "", Buffer.concat([request, jwe])),
      refuse: (request, code) => send("refused", "", Buffer.concat([request, Buffer.from(code)])),
      [Symbol.dispose]: () => {
        this.#services.delete(service);
        if (this.#services.size === 0) this.#leave();
      },
    };
  }

  get #isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  #send(message: LiveMessage): boolean {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > maxBufferedBytes) return false;
    this.#writes?.hold();
    socket.send(encodeLive(message));
    return true;
  }

  #connect(): void {
    this.#timer = undefined;
    const socket = new WebSocket(this.#url, { ...this.#tls, minVersion: "TLSv1.3", rejectUnauthorized: true, perMessageDeflate: false, maxPayload: maxLiveBytes, handshakeTimeout: 10_000 });
    this.#socket = socket;
    this.#writes = undefined;
    socket.on("upgrade", (response) => {
      if (this.#socket === socket) this.#writes = new JoinedWrites(response.socket);
    });
    const alive = (): void => {
      clearTimeout(this.#silence);
      this.#silence = setTimeout(() => socket.terminate(), silenceMs);
    };
    socket.on("open", () => {
      alive();
      this.#backOff = firstBackOffMs;
      this.#log.info("live-connected");
      for (const handlers of this.#services.values()) handlers.connected();
    });
    socket.on("ping", alive);
    socket.on("message", (data: Buffer, isBinary) => {
      alive();
      const message = isBinary ? decodeLive(data) : undefined;
      if (message !== undefined) this.#services.get(message.service)?.take(message);
    });
    // What went wrong is followed by `close`.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(this.#silence);
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      for (const handlers of this.#services.values()) handlers.disconnected();
      if (this.#isClosed || this.#services.size === 0) return;
      this.#log.warn("live-lost", { retryMs: this.#backOff });
      this.#timer = setTimeout(() => this.#connect(), this.#backOff);
      this.#backOff = Math.min(this.#backOff * 2, maxBackOffMs);
    });
  }

  #leave(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#timer = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#leave();
  }
}
