// Requests to a standing service: sealed to the key that the bank's own enclave signed in its approval, answered under a key of the request.
// The platform can read neither. The format for programs in other languages: enclave/live/README.md.
import { randomBytes } from "node:crypto";
import { CompactEncrypt, compactDecrypt, importJWK, type CryptoKey } from "jose";
import type { z } from "zod";
import { serviceAnswerSchema, serviceEndpoints, type ServiceAnswer, type ServiceRequest } from "../api/contract/services.ts";
import { AppError } from "../core/errors.ts";
import { verifyApproval } from "../enclave/job/approval.ts";
import { peerKey } from "../enclave/keys/identity.ts";
import type { ApiClient } from "./api-client.ts";

export type ServiceView = z.output<typeof serviceEndpoints.getService.reply>;
export type Asked = { readonly company: string; readonly consent?: string | undefined; readonly columns?: ServiceRequest["columns"]; /** Idempotency key; fresh unless given. */ readonly id?: string | undefined };
/** A request that is ready to be sent, also again: the same bytes are charged once. */
export type SealedRequest = { readonly id: string; readonly jwe: string; readonly answerKey: Uint8Array };

export class ServiceClient {
  readonly view: ServiceView;
  readonly #api: ApiClient;
  readonly #key: CryptoKey | Uint8Array;

  private constructor(api: ApiClient, view: ServiceView, key: CryptoKey | Uint8Array) {
    this.#api = api;
    this.view = view;
    this.#key = key;
  }

  /** Verifies the approval of the guest under the platform's CA. planDigest: of the plan that the bank knows; unless given, that of the platform is
   *  taken. Throws APPROVAL_INVALID, SERVICE_NOT_FOUND, SERVICE_NOT_RUNNING. */
  static async open(api: ApiClient, options: { readonly service: string; readonly ca: string; readonly planDigest?: string; readonly now: number }): Promise<ServiceClient> {
    const view = await api.call(serviceEndpoints.getService, { params: { id: options.service } });
    const key = peerKey(view.identityCertificate, { party: view.guest, ca: options.ca, now: options.now });
    const { serviceKey } = await verifyApproval(view.approval, { job: view.id, party: view.guest, planDigest: options.planDigest ?? view.planDigest, key });
    if (serviceKey === undefined) throw new AppError("APPROVAL_INVALID", { party: view.guest });
    return new ServiceClient(api, view, await importJWK({ kty: "OKP", crv: "X25519", x: serviceKey }, "ECDH-ES"));
  }

  async seal({ company, consent, columns, id }: Asked, now: number): Promise<SealedRequest> {
    const asked: Pick<ServiceRequest, "company" | "consent" | "columns"> = { company, ...(consent === undefined ? {} : { consent }), ...(columns === undefined ? {} : { columns }) };
    return this.#seal(asked, now, id);
  }

  /** A request of another kind of service, with an answer of another shape. Throws as `send`. */
  async exchange<T extends { readonly id: string; readonly service: string }>(asked: object, schema: z.ZodType<T>): Promise<T> {
    return this.sendAs(await this.#seal(asked, Date.now()), schema);
  }

  /** Such a request, to be sent later, or again. */
  async sealAs(asked: object, now: number, id?: string): Promise<SealedRequest> {
    return this.#seal(asked, now, id);
  }

  async sendAs<T extends { readonly id: string; readonly service: string }>(sealed: SealedRequest, schema: z.ZodType<T>): Promise<T> {
    return this.#open(sealed, await this.#ask(sealed), schema);
  }

  async #seal(asked: object, now: number, id = randomBytes(18).toString("base64url")): Promise<SealedRequest> {
    const answerKey = new Uint8Array(randomBytes(32));
    const request = { version: 1, id, service: this.view.id, at: new Date(now).toISOString(), answerKey: Buffer.from(answerKey).toString("base64url"), ...asked };
    const jwe = await new CompactEncrypt(new TextEncoder().encode(JSON.stringify(request))).setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" }).encrypt(this.#key);
    return { id, jwe, answerKey };
  }

  /** Throws SERVICE_*, and CLI_SEAL for an answer that is not this request's. */
  async send(sealed: SealedRequest): Promise<ServiceAnswer> {
    return this.opened(sealed, await this.#ask(sealed));
  }

  async #ask({ id, jwe }: SealedRequest): Promise<string> {
    const { answer } = await this.#api.call(serviceEndpoints.askService, { params: { id: this.view.id }, body: { request: jwe }, headers: { "idempotency-key": id } });
    return answer;
  }

  /** Throws CLI_SEAL. */
  async opened(sealed: SealedRequest, answer: string): Promise<ServiceAnswer> {
    return this.#open(sealed, answer, serviceAnswerSchema);
  }

  async #open<T extends { readonly id: string; readonly service: string }>({ id, answerKey }: SealedRequest, answer: string, schema: z.ZodType<T>): Promise<T> {
    try {
      const { plaintext } = await compactDecrypt(answer, answerKey, { keyManagementAlgorithms: ["dir"], contentEncryptionAlgorithms: ["A256GCM"], maxDecompressedLength: 0 });
      const opened = schema.parse(JSON.parse(new TextDecoder().decode(plaintext)));
      if (opened.id !== id || opened.service !== this.view.id) throw new AppError("CLI_SEAL");
      return opened;
    } catch (cause) {
      throw new AppError("CLI_SEAL", {}, { cause });
    }
  }

  async ask(asked: Asked): Promise<ServiceAnswer> {
    return this.send(await this.seal(asked, Date.now()));
  }
}
