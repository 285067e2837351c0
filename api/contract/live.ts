// The live connection of an enclave: one WebSocket over the mutual TLS of its other requests. The platform passes opaque frames between the
// enclaves of one running service, in memory, and hands a bank's sealed requests to its enclave. Nothing is durable: what is lost, or does not
// fit a queue, is a time-out for who waits for it.
// Layout of a message: version 1 | kind | u8 length, service | u8 length, peer | payload. peer: the receiver on the way up, the sender on the way down.

export const livePath = "/enclave/v1/live";
/** One message, bytes: a score, or tables, under the bank's key (131 KB); a question with a consent, a sealed request with columns are smaller. */
export const maxLiveBytes = 130 * 1024;
export const requestIdBytes = 12;

/** sealed: between enclaves. hello: nonces of an epoch. away: the peer is not connected, or its queue is full. request, answer, refused: of the
 *  bank; their payload begins with the 12 bytes of the request. */
export const liveKinds = { sealed: 1, hello: 2, away: 3, request: 4, answer: 5, refused: 6 } as const;
export type LiveKind = keyof typeof liveKinds;
export type LiveMessage = { readonly kind: LiveKind; readonly service: string; readonly peer: string; readonly payload: Uint8Array };

const version = 1;
const names: ReadonlyMap<number, LiveKind> = new Map(Object.entries(liveKinds).map(([name, byte]) => [byte, name as LiveKind]));
const serviceForm = /^job_[0-9a-z]{16,32}$/;
const peerForm = /^([a-z][a-z0-9_-]{0,31})?$/;

export function encodeLive({ kind, service, peer, payload }: LiveMessage): Uint8Array {
  const [a, b] = [Buffer.from(service, "latin1"), Buffer.from(peer, "latin1")];
  return Buffer.concat([Buffer.from([version, liveKinds[kind], a.length]), a, Buffer.from([b.length]), b, payload]);
}

/** undefined for what is no message of this form. */
export function decodeLive(bytes: Uint8Array): LiveMessage | undefined {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (all.length < 4 || all.length > maxLiveBytes || all[0] !== version) return undefined;
  const kind = names.get(all[1] as number);
  const peerAt = 3 + (all[2] as number);
  const payloadAt = peerAt + 1 + (all[peerAt] ?? 0);
  if (kind === undefined || all.length < payloadAt || peerAt >= all.length) return undefined;
  const service = all.toString("latin1", 3, peerAt);
  const peer = all.toString("latin1", peerAt + 1, payloadAt);
  return serviceForm.test(service) && peerForm.test(peer) ? { kind, service, peer, payload: all.subarray(payloadAt) } : undefined;
}
