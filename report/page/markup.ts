// HTML that cannot be injected into: every interpolated text is escaped, only an `Html` object passes as it is.
import type { Bilingual } from "../../core/message.ts";

/** Markup. Made by `html` and `trusted` only; plain strings are never taken for it. */
export class Html {
  readonly #markup: string;

  constructor(markup: string) {
    this.#markup = markup;
  }

  toString(): string {
    return this.#markup;
  }
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
// Control characters break documents and terminals; bidi and other invisible controls reorder or hide text.
const unprintable = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f]/gu;

/** The text with every control and invisible formatting character made visible as U+FFFD. */
export function printable(text: string): string {
  return text.replaceAll(unprintable, "\ufffd");
}

/** Text for element content and for quoted attributes. */
export function escapeHtml(text: string): string {
  return printable(text).replaceAll(/[&<>"']/gu, (c) => entities[c] ?? "");
}

/** Declares a text as markup: for constants of this folder and for charts that went through `cleanSvg`. */
export function trusted(markup: string): Html {
  return new Html(markup);
}

/** A template: texts and numbers are escaped, lists are joined. */
export function html(strings: TemplateStringsArray, ...parts: readonly (Html | string | number | readonly Html[])[]): Html {
  let markup = strings[0] ?? "";
  for (const [i, part] of parts.entries()) {
    if (part instanceof Html) markup += part.toString();
    else if (typeof part === "object") markup += part.map(String).join("");
    else markup += escapeHtml(String(part));
    markup += strings[i + 1] ?? "";
  }
  return new Html(markup);
}

export const nothing: Html = trusted("");

/** A text in both languages; the style sheet shows one. */
export function both(text: Bilingual): Html {
  return text.zh === text.en ? html`${text.zh}` : html`<span lang="zh-CN">${text.zh}</span><span lang="en">${text.en}</span>`;
}

/** A name that somebody chose, isolated from the direction of the text around it. */
export function nameOf(name: string): Html {
  return html`<bdi>${name}</bdi>`;
}
