// Where webhooks may go: rules against server-side request forgery (OWASP, Standard Webhooks "SSRF"), as pure checks. The caller resolves the name, asks
// `checkAddresses` about all that it resolved to, connects to one of exactly these addresses (a second resolution could differ: DNS rebinding),
// and follows no redirect (delivery.ts counts 3xx as failure).
import { AppError } from "../../core/errors.ts";

export type ReceiverRules = {
  /** Networks that are allowed though they are not public, e.g. "10.20.0.0/16": an operator's own decision. A metadata address must be
   *  named by itself (/32, /128): no network brings it along. */
  readonly allow?: readonly string[];
  /** Default: 443. */
  readonly ports?: readonly number[];
  /** Plain http too, to addresses in `allow` alone: for a receiver on the same machine or network. */
  readonly plainHttp?: boolean;
};

const maxUrlChars = 2048;
const localNames = ["localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "home.arpa", "test", "invalid", "onion"];

/** IANA special-purpose registries (RFC 6890, RFC 8190): what is not globally reachable, multicast and reserved. */
const closed4 = [
  "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
  "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
].map(networkOf);
/** Global unicast (RFC 4291) without protocol assignments (Teredo, ORCHID), documentation, 6to4 and AS112. All else is closed: loopback,
 *  unique and link local, site local, multicast, NAT64 and other forms that carry an IPv4 address. */
const open6 = networkOf("2000::/3");
const closed6 = ["2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"].map(networkOf);
const mapped6 = networkOf("::ffff:0:0/96");
/** Metadata services of clouds; some lie in networks that look public or harmless. */
const metadata = ["169.254.169.254", "169.254.170.2", "169.254.0.23", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"].map(addressOf);

/** `bits`: 32 or 128. */
type Address = { readonly bits: 32 | 128; readonly value: bigint };
type Network = Address & { readonly prefix: number };

/** Throws WEBHOOK_URL for rules that are none: an operator's slip must not open anything. */
export function checkRules({ allow = [], ports = [] }: ReceiverRules): void {
  for (const network of allow) networkOf(network);
  if (!ports.every((port) => Number.isInteger(port) && port > 0 && port < 65_536)) throw new AppError("WEBHOOK_URL");
}

/** Throws WEBHOOK_URL unless the text may be registered as a receiver's address; returns it in its one spelling. Ask again before each delivery. */
export function checkReceiverUrl(text: string, rules: ReceiverRules = {}): URL {
  const refuse = (cause?: unknown): never => {
    throw new AppError("WEBHOOK_URL", {}, { cause });
  };
  if (text.length > maxUrlChars || !/^[\x21-\x7e]+$/.test(text) || text.includes("\\")) refuse();
  const url = URL.canParse(text) ? new URL(text) : refuse();
  const isPlain = rules.plainHttp === true && url.protocol === "http:";
  const standard = isPlain ? 80 : 443;
  const port = url.port === "" ? standard : Number(url.port);
  if ((url.protocol !== "https:" && !isPlain) || url.username !== "" || url.password !== "" || text.includes("#") || !(rules.ports ?? [443]).includes(port)) refuse();
  const host = url.hostname.replace(/\.$/, "");
  const literal = parseAddress(host.replace(/^\[|\]$/g, ""));
  if (literal !== undefined) {
    // The one spelling of it, so that an allowed network is compared with what is connected to.
    if (isPlain ? !isNamed(literal, rules) : !isAllowed(literal, rules)) refuse();
    return url;
  }
  if (!host.includes(".") || localNames.some((name) => host === name || host.endsWith(`.${name}`))) refuse();
  return url;
}

/** Throws WEBHOOK_ADDRESS unless every address that a receiver's name resolved to may be called, and there is one. `isPlain`: by plain http. */
export function checkAddresses(addresses: readonly string[], rules: ReceiverRules = {}, isPlain = false): void {
  const isRight = (text: string): boolean => {
    const address = parseAddress(text);
    return address !== undefined && (isPlain ? isNamed(address, rules) : isAllowed(address, rules));
  };
  if (addresses.length === 0 || !addresses.every(isRight)) throw new AppError("WEBHOOK_ADDRESS", { addresses: addresses.length });
}

const plainOf = (address: Address): Address => (within(address, mapped6) ? { bits: 32, value: address.value & 0xffff_ffffn } : address);

/** In a network that the operator has named. */
function isNamed(address: Address, rules: ReceiverRules): boolean {
  const plain = plainOf(address);
  const allowed = (rules.allow ?? []).map(networkOf).filter((network) => within(plain, network));
  if (metadata.some((m) => m.bits === plain.bits && m.value === plain.value)) return allowed.some((network) => network.prefix === network.bits);
  return allowed.length > 0;
}

function isAllowed(address: Address, rules: ReceiverRules): boolean {
  const plain = plainOf(address);
  const isMetadata = metadata.some((m) => m.bits === plain.bits && m.value === plain.value);
  return isNamed(address, rules) || (!isMetadata && isPublic(plain));
}

function isPublic(address: Address): boolean {
  if (address.bits === 32) return !closed4.some((network) => within(address, network));
  return within(address, open6) && !closed6.some((network) => within(address, network));
}

function within(address: Address, network: Network): boolean {
  const shift = BigInt(network.bits - network.prefix);
  return address.bits === network.bits && address.value >> shift === network.value >> shift;
}

/** An address without brackets, zone or prefix; undefined for anything else. */
function parseAddress(text: string): Address | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    const bytes = text.split(".");
    const isRight = bytes.every((byte) => Number(byte) <= 255 && String(Number(byte)) === byte);
    return isRight ? { bits: 32, value: bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) } : undefined;
  }
  // The URL standard's parser reads every form of IPv6, and writes groups with at most one "::".
  if (!/^[0-9a-fA-F.]*:[0-9a-fA-F:.]*$/.test(text) || !URL.canParse(`https://[${text}]/`)) return undefined;
  const [head = "", tail] = new URL(`https://[${text}]/`).hostname.slice(1, -1).split("::");
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const filled = tail === undefined ? [] : Array.from({ length: 8 - groups(head).length - groups(tail).length }, () => "0");
  const all = [...groups(head), ...filled, ...groups(tail ?? "")];
  return { bits: 128, value: all.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n) };
}

function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new AppError("WEBHOOK_URL");
  return address;
}

/** Throws WEBHOOK_URL for what is no network: an operator's slip must not open anything. */
function networkOf(text: string): Network {
  const [address = "", prefix = ""] = text.split("/");
  const { bits, value } = addressOf(address);
  const length = Number(prefix);
  if (!/^\d{1,3}$/.test(prefix) || length > bits || text.split("/").length !== 2) throw new AppError("WEBHOOK_URL");
  return { bits, value, prefix: length };
}
