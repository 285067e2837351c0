// Holds lines to the chain: what was altered, removed, put in, moved or cut off is found and named by number.
import type { KeyObject } from "node:crypto";
import { sha256Hex } from "../core/canonical.ts";
import { genesis, readLine, type Entry } from "./entry.ts";
import { isSignedBy } from "./head.ts";

export type ProblemKind = "form" | "missing" | "order" | "altered" | "signature" | "removal" | "truncated" | "head";
/** seq: number of the entry at which it shows. */
export type ChainProblem = { readonly kind: ProblemKind; readonly seq: number };
const maxProblems = 1000;

export type ChainOptions = {
  readonly domain: string;
  /** Key of the domain's log: then the heads inside of the log are verified, too. */
  readonly key?: KeyObject | undefined;
  /** Digest of the entry before the first line, when it is known. */
  readonly previous?: string | undefined;
  /** Number of the first line, when it is known. */
  readonly next?: number | undefined;
};

export class ChainCheck {
  readonly problems: ChainProblem[] = [];
  readonly #options: ChainOptions;
  #first: number | undefined;
  #next: number | undefined;
  #digest: string | undefined;
  /** What the log says that it removed by its retention: the digest before the first entry that is left. */
  readonly #removed = new Map<number, string>();
  #before: string | undefined;
  heads = 0;
  entries = 0;

  constructor(options: ChainOptions) {
    this.#options = options;
    this.#digest = options.previous;
    this.#next = options.next;
  }

  /** One line after the other. Returns the entry, or undefined when it is none. */
  take(line: string): Entry | undefined {
    const entry = readLine(line);
    const digest = sha256Hex(line);
    this.entries += 1;
    if (entry === undefined) {
      this.#add("form", this.#next ?? 0);
      this.#next = this.#next === undefined ? undefined : this.#next + 1;
      this.#digest = digest;
      return undefined;
    }
    const expected = this.#next ?? entry.seq;
    if (this.#first === undefined) {
      this.#first = entry.seq;
      this.#before = entry.previous;
      if (entry.seq === 0 && entry.previous !== genesis(this.#options.domain)) this.#add("altered", 0);
    }
    if (entry.seq > expected) this.#add("missing", expected);
    else if (entry.seq < expected) this.#add("order", entry.seq);
    else if (this.#digest !== undefined && entry.previous !== this.#digest) this.#add("altered", Math.max(0, entry.seq - 1));
    if (entry.action === "log.head") this.#checkHead(entry);
    if (entry.action === "log.removed" && entry.objects?.before !== undefined) this.#removed.set(Number(entry.facts?.["below"]), entry.objects.before);
    this.#next = Math.max(entry.seq, expected - 1) + 1;
    this.#digest = digest;
    return entry;
  }

  #checkHead(entry: Entry): void {
    this.heads += 1;
    const { key, domain } = this.#options;
    const { signature = "", seq: size, previous: digest, at } = entry;
    if (key !== undefined && !isSignedBy({ domain, size, digest, at, signature }, key)) this.#add("signature", entry.seq);
  }

  /** At the end of a whole log: a beginning that is not there must be one that the log itself removed. */
  checkBeginning(): void {
    if (this.#first === undefined || this.#first === 0) return;
    // A process that was killed while it removed may have left some of it.
    const isWithin = [...this.#removed.keys()].some((below) => below > (this.#first ?? 0));
    if (!isWithin && this.#removed.get(this.#first) !== this.#before) this.#add("removal", this.#first);
  }

  /** Entries below this number, and the digest of the last one. */
  get end(): { readonly size: number; readonly digest: string } {
    return { size: this.#next ?? 0, digest: this.#digest ?? genesis(this.#options.domain) };
  }
  get first(): number | undefined {
    return this.#first;
  }

  add(kind: ProblemKind, seq: number): void {
    this.#add(kind, seq);
  }

  #add(kind: ProblemKind, seq: number): void {
    if (this.problems.length < maxProblems) this.problems.push({ kind, seq });
  }
}
