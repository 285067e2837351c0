// A strict little reader of the markup that we write: every tag closed in order, every attribute quoted and once, no bare
// ampersand. Stricter than a browser on purpose: what it accepts cannot be read in two ways.
const voidTags = new Set(["meta", "input"]);
const name = /^[a-zA-Z][a-zA-Z0-9-]*/u;

export type Element = { readonly tag: string; readonly attributes: ReadonlyMap<string, string> };

/** All elements in order. Throws an Error that names the place for anything irregular. */
export function readMarkup(markup: string): Element[] {
  const elements: Element[] = [];
  const open: string[] = [];
  let at = markup.startsWith("<!doctype html>") ? 15 : 0;
  const fail = (what: string): never => {
    throw new Error(`${what} at ${at}: ${markup.slice(at, at + 60)}`);
  };
  while (at < markup.length) {
    const next = markup.indexOf("<", at);
    const text = markup.slice(at, next < 0 ? undefined : next);
    if (/&(?!(?:amp|lt|gt|quot|#39);)/u.test(text)) fail("a bare ampersand");
    if (next < 0) break;
    at = next;
    if (markup.startsWith("</", at)) {
      const tag = name.exec(markup.slice(at + 2))?.[0] ?? fail("a nameless end tag");
      if (open.pop() !== tag || markup[at + 2 + tag.length] !== ">") fail(`</${tag}> out of order`);
      at += tag.length + 3;
      continue;
    }
    const tag = name.exec(markup.slice(at + 1))?.[0] ?? fail("not a tag");
    let cursor = at + 1 + tag.length;
    const attributes = new Map<string, string>();
    for (;;) {
      const attribute = /^\s+([a-zA-Z][\w:-]*)(?:="([^"<]*)")?/u.exec(markup.slice(cursor, cursor + 200_000));
      if (attribute === null) break;
      const [whole, key, value] = attribute;
      if (attributes.has(key ?? "")) fail(`${key} twice`);
      attributes.set(key ?? "", value ?? "");
      cursor += whole.length;
    }
    const end = /^\s*(\/?)>/u.exec(markup.slice(cursor)) ?? fail(`<${tag}> not closed`);
    elements.push({ tag, attributes });
    at = cursor + end[0].length;
    if (end[1] === "/" || voidTags.has(tag)) continue;
    if (tag === "style" || tag === "script") {
      const close = markup.indexOf(`</${tag}>`, at);
      if (close < 0) fail(`<${tag}> without end`);
      at = close + tag.length + 3;
    } else open.push(tag);
  }
  if (open.length > 0) fail(`<${open.at(-1)}> never closed`);
  return elements;
}
