// A writer of XML that cannot write anything but well-formed XML: names are checked, texts escaped, characters that XML 1.0 lacks refused.
import { AppError } from "../../core/errors.ts";

export type XmlNode = {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly children: readonly (XmlNode | string)[];
};

export function xml(name: string, attributes: XmlNode["attributes"] = {}, children: XmlNode["children"] = []): XmlNode {
  return { name, attributes, children };
}

/** A document, indented by two spaces; an element with text stands on one line. Throws MODEL_EXPORT_TEXT for what XML cannot hold. */
export function writeXml(root: XmlNode): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element(root, "")}\n`;
}

function element(node: XmlNode, indent: string): string {
  const attributes = Object.entries(node.attributes).map(([key, value]) => ` ${nameOf(key)}="${escaped(String(value))}"`).join("");
  const open = `${indent}<${nameOf(node.name)}${attributes}`;
  if (node.children.length === 0) return `${open}/>`;
  if (node.children.some((c) => typeof c === "string")) {
    return `${open}>${node.children.map((c) => (typeof c === "string" ? escaped(c) : element(c, ""))).join("")}</${node.name}>`;
  }
  return `${open}>\n${node.children.map((c) => element(c as XmlNode, `${indent}  `)).join("\n")}\n${indent}</${node.name}>`;
}

function nameOf(name: string): string {
  if (!/^[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?$/.test(name)) throw new AppError("MODEL_EXPORT_TEXT", { name: true });
  return name;
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };

/** Line ends and tabs become references, since a reader turns them into spaces inside attributes. */
function escaped(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  const foreign = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/u.test(text);
  if (foreign || !text.isWellFormed()) throw new AppError("MODEL_EXPORT_TEXT", { name: false });
  return text.replaceAll(/[&<>"']/gu, (c) => entities[c] ?? c).replaceAll(/[\t\n\r]/gu, (c) => `&#${c.charCodeAt(0)};`);
}
