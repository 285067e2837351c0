// Baseline of the set intersection: @openmined/psi.js (ECDH on P-256 in WebAssembly, Golomb compressed set), client and server in
// one process, with the serialisation that a network would need.
import { timed, type Spent } from "../measure.ts";
import { baselineModule } from "./module.ts";

type Message = { serializeBinary(): Uint8Array };
type Reader<T> = { deserializeBinary(bytes: Uint8Array): T };
type Library = {
  readonly request: Reader<Message>; readonly response: Reader<Message>; readonly serverSetup: Reader<Message>;
  readonly dataStructure: { readonly GCS: unknown };
  readonly server: { createWithNewKey(reveal: boolean): {
    createSetupMessage(falsePositives: number, clientSize: number, ids: readonly string[], structure: unknown): Message;
    processRequest(request: Message): Message;
  } };
  readonly client: { createWithNewKey(reveal: boolean): {
    createRequest(ids: readonly string[]): Message; getIntersection(setup: Message, response: Message): number[];
  } };
};

/** Chance of one wrong id in the whole intersection. */
const falsePositives = 1e-9;

export type PsiJsRun = { readonly spent: Spent; readonly bytes: number; readonly matched: number };

/** Intersects the client's ids with the server's. CPU of both sides together; bytes on the wire. Throws NotMeasured without the package. */
export async function psiJs(clientIds: readonly string[], serverIds: readonly string[]): Promise<PsiJsRun> {
  const { default: load } = await baselineModule<{ default: () => Promise<Library> }>("@openmined/psi.js");
  const psi = await load();
  let bytes = 0;
  const sent = (message: Message): Uint8Array => {
    const wire = message.serializeBinary();
    bytes += wire.length;
    return wire;
  };
  const { result: matched, spent } = await timed(() => {
    const [server, client] = [psi.server.createWithNewKey(true), psi.client.createWithNewKey(true)];
    const setup = sent(server.createSetupMessage(falsePositives, clientIds.length, serverIds, psi.dataStructure.GCS));
    const request = sent(client.createRequest(clientIds));
    const response = sent(server.processRequest(psi.request.deserializeBinary(request)));
    return client.getIntersection(psi.serverSetup.deserializeBinary(setup), psi.response.deserializeBinary(response)).length;
  });
  return { spent, bytes, matched };
}
