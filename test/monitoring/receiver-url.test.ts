// Where webhooks may go, and where not whatever the spelling.
import * as fc from "fast-check";
import { BlockList, isIP } from "node:net";
import { assert } from "chai";
import { describe, it } from "mocha";
import { checkAddresses, checkReceiverUrl, type ReceiverRules } from "../../monitoring/webhooks/receiver-url.ts";
import { codeOf } from "./support.ts";

const url = (text: string, rules?: ReceiverRules): string => codeOf(() => checkReceiverUrl(text, rules));
const addresses = (list: readonly string[], rules?: ReceiverRules): string => codeOf(() => checkAddresses(list, rules));

describe("a receiver's URL", () => {
  it("is https to a public name or address", () => {
    for (const text of ["https://bank.example.com/hooks?a=1", "https://bank.example.com:443/", "https://8.8.8.8/x", "https://[2606:4700::1111]/", "https://银行.中国.example.cn/".replace(/[^\x20-\x7e]+/g, "xn--fiq")]) {
      assert.equal(url(text), "fine", text);
    }
    assert.equal(checkReceiverUrl("https://BANK.example.com").href, "https://bank.example.com/");
  });
  const refused: readonly [string, readonly string[]][] = [
    ["another scheme", ["http://bank.example.com/", "ftp://bank.example.com/", "file:///etc/passwd", "gopher://a.example.com/", "javascript:1", "//bank.example.com/", "bank.example.com", ""]],
    ["a user name or a fragment", ["https://u@bank.example.com/", "https://u:p@bank.example.com/", "https://bank.example.com@10.0.0.1/", "https://bank.example.com/#x", "https://bank.example.com/#"]],
    ["another port", ["https://bank.example.com:8443/", "https://bank.example.com:22/", "https://bank.example.com:0/"]],
    ["local names", ["https://localhost/", "https://LOCALHOST./", "https://a.localhost/", "https://db/", "https://metadata.google.internal/", "https://printer.local/", "https://router.home.arpa/", "https://x.corp./"]],
    ["loopback, in every spelling", ["https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://127.0.0.1./", "https://[::1]/", "https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/", "https://[::127.0.0.1]/", "https://0/", "https://0.0.0.0/", "https://[::]/", "https://①②⑦.0.0.1/", "https://127。0。0。1/"]],
    ["private and link-local networks", ["https://10.1.2.3/", "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.0.1/", "https://169.254.1.1/", "https://100.64.0.1/", "https://[fc00::1]/", "https://[fe80::1]/", "https://[fec0::1]/", "https://[::ffff:a01:203]/"]],
    ["metadata services", ["https://169.254.169.254/latest/meta-data", "https://[fd00:ec2::254]/", "https://100.100.100.200/", "https://168.63.129.16/", "https://[::ffff:169.254.169.254]/"]],
    ["reserved, multicast and tunnels", ["https://224.0.0.1/", "https://255.255.255.255/", "https://240.0.0.1/", "https://198.18.0.1/", "https://192.0.2.1/", "https://203.0.113.9/", "https://[ff02::1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[2001:0:1::1]/", "https://[2001:db8::1]/", "https://[3fff::1]/", "https://[100::1]/", "https://[5f00::1]/"]],
    ["white space and other tricks", ["https://bank.example.com/ x", " https://bank.example.com/", "https://bank.example.com\\@10.0.0.1/", "https:\\\\bank.example.com/", "https://bank.example.com/\n", "https://[fe80::1%25eth0]/", "https://exa mple.com/", `https://bank.example.com/${"a".repeat(2048)}`]],
  ];
  for (const [name, texts] of refused) {
    it(`is refused: ${name}`, () => {
      for (const text of texts) assert.equal(url(text), "WEBHOOK_URL", text);
    });
  }
  it("may have other ports and networks where the operator says so", () => {
    assert.equal(url("https://bank.example.com:8443/", { ports: [443, 8443] }), "fine");
    assert.equal(url("https://10.20.3.4/", { allow: ["10.20.0.0/16"] }), "fine");
    assert.equal(url("https://10.21.3.4/", { allow: ["10.20.0.0/16"] }), "WEBHOOK_URL");
    assert.equal(url("https://[fd12::1]/", { allow: ["fd12::/16"] }), "fine");
    assert.equal(url("http://10.20.3.4/", { allow: ["10.20.0.0/16"] }), "WEBHOOK_URL", "never without TLS");
  });
});

describe("the addresses of a receiver's name", () => {
  it("are public, all of them, and there is one", () => {
    assert.equal(addresses(["93.184.216.34", "2606:2800:220:1::1"]), "fine");
    for (const list of [[], ["93.184.216.34", "10.0.0.1"], ["93.184.216.34", "::1"], ["bank.example.com"], [""], ["1.2.3"], ["1.2.3.4.5"], ["1.2.3.256"], ["01.2.3.4"], ["1.2.3.4/8"], ["fe80::1%eth0"], ["::ffff:10.0.0.1"], ["2606::1]/@[::1"]]) {
      assert.equal(addresses(list), "WEBHOOK_ADDRESS", list.join());
    }
    assert.equal(addresses(["::ffff:93.184.216.34"]), "fine");
  });
  it("of metadata services must be allowed by themselves", () => {
    assert.equal(addresses(["169.254.7.7"], { allow: ["169.254.0.0/16"] }), "fine");
    assert.equal(addresses(["169.254.169.254"], { allow: ["169.254.0.0/16"] }), "WEBHOOK_ADDRESS");
    assert.equal(addresses(["168.63.129.16"], { allow: ["0.0.0.0/0"] }), "WEBHOOK_ADDRESS");
    assert.equal(addresses(["169.254.169.254"], { allow: ["169.254.169.254/32"] }), "fine");
    assert.equal(addresses(["::ffff:169.254.169.254"], { allow: ["::/0"] }), "WEBHOOK_ADDRESS");
    assert.equal(addresses(["fd00:ec2::254"], { allow: ["fd00::/8"] }), "WEBHOOK_ADDRESS");
  });
  it("are not opened by an operator's slip", () => {
    for (const allow of ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "all", "10.0.0.0/8/8", "::/129", "10.0.0/8"]) {
      assert.equal(addresses(["10.0.0.1"], { allow: [allow] }), "WEBHOOK_URL", allow);
    }
  });

  // The registries once more, by Node's own arithmetic of networks.
  // Two lists: one of both would hold IPv4 against ::/3 as well.
  const [blocked4, blocked6] = [new BlockList(), new BlockList()];
  for (const [net, bits] of [["0.0.0.0", 8], ["10.0.0.0", 8], ["100.64.0.0", 10], ["127.0.0.0", 8], ["169.254.0.0", 16], ["172.16.0.0", 12], ["192.0.0.0", 24], ["192.0.2.0", 24], ["192.31.196.0", 24],
    ["192.52.193.0", 24], ["192.88.99.0", 24], ["192.168.0.0", 16], ["192.175.48.0", 24], ["198.18.0.0", 15], ["198.51.100.0", 24], ["203.0.113.0", 24], ["224.0.0.0", 4], ["240.0.0.0", 4], ["168.63.129.16", 32]] as const) {
    blocked4.addSubnet(net, bits, "ipv4");
  }
  for (const [net, bits] of [["::", 3], ["4000::", 2], ["8000::", 1], ["2001::", 23], ["2001:db8::", 32], ["2002::", 16], ["2620:4f:8000::", 48], ["3fff::", 20]] as const) blocked6.addSubnet(net, bits, "ipv6");

  it("are judged as Node's list of networks judges them", () => {
    const near4 = fc.constantFrom(9, 10, 11, 100, 126, 127, 128, 169, 172, 192, 198, 203, 223, 224, 240, 255);
    const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 15, 16, 31, 32, 63, 64, 127, 128, 254, 255, 168, 113));
    fc.assert(fc.property(fc.tuple(fc.oneof(near4, byte), byte, byte, byte), (parts) => {
      const text = parts.join(".");
      assert.equal(addresses([text]) === "fine", !blocked4.check(text, "ipv4"), text);
    }), { numRuns: 3000 });
    const first = fc.constantFrom(0x2000, 0x2001, 0x2002, 0x2003, 0x2606, 0x2620, 0x3ffe, 0x3fff, 0x4000, 0x1fff, 0xfc00, 0xfe80, 0xff02, 0x64, 0x100, 0);
    const group = fc.oneof(fc.nat(0xffff), fc.constantFrom(0, 1, 0x1ff, 0x200, 0xdb8, 0x4f, 0x8000, 0xfff, 0x1000));
    fc.assert(fc.property(fc.tuple(fc.oneof(first, group), group, group, group, group, group, group, group), (parts) => {
      const text = parts.map((g) => g.toString(16)).join(":");
      const mapped = parts.slice(0, 5).every((g) => g === 0) && parts[5] === 0xffff;
      if (!mapped) assert.equal(addresses([text]) === "fine", !blocked6.check(text, "ipv6"), text);
    }), { numRuns: 3000 });
  });
  it("are never taken from what is no address", () => {
    fc.assert(fc.property(fc.string({ maxLength: 24 }), (text) => {
      if (isIP(text) === 0) assert.equal(addresses([text]), "WEBHOOK_ADDRESS", text);
    }), { numRuns: 1000 });
    fc.assert(fc.property(fc.stringMatching(/^[0-9a-f:.]{1,24}$/), (text) => {
      if (isIP(text) === 0) assert.equal(addresses([text]), "WEBHOOK_ADDRESS", text);
    }), { numRuns: 2000 });
  });
});
