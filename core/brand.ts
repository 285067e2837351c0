// Brands: types for everything that must not be mixed up. A brand is made only by the module that checks it.
declare const tag: unique symbol;
export type Brand<T, B extends string> = T & { readonly [tag]: B };

/** A raw identifier of a company, normalised. It stays in its domain. */
export type EntityId = Brand<string, "EntityId">;
/** The name of a party of a job, e.g. "bank" or "tax_social". Public. */
export type PartyId = Brand<string, "PartyId">;
/** The id of a job. Public. */
export type JobId = Brand<string, "JobId">;
/** The id of an item of the sharing catalogue, e.g. "tax.payment". Public. */
export type ItemId = Brand<string, "ItemId">;
/** The id of a clause of the official texts, e.g. "P21-9-release". Public. */
export type ClauseId = Brand<string, "ClauseId">;
/** Bytes that went through the one door out of a domain (`enclave/release.ts`); transports accept nothing else. */
export type Released = Brand<Uint8Array, "Released">;
