// The font of the PDF: Noto Sans (SIL OFL 1.1), all of GB 18030's mandatory characters. A character that it lacks is written as its code
// point in brackets, so that none is lost and none becomes an empty box; the report's JSON and page have the character itself.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as fontkit from "fontkit";
import { printable } from "../../report/page/markup.ts";

export type ReportFont = { readonly bytes: Uint8Array; covers(codePoint: number): boolean };

export function loadFont(): ReportFont {
  // The package exports its list of files alone; the files lie beside it.
  const index = fileURLToPath(import.meta.resolve("@embedpdf/fonts-sc"));
  const bytes = readFileSync(new URL("../fonts/NotoSansHans-Regular.otf", `file://${index}`));
  const font = fontkit.create(bytes);
  if (!("hasGlyphForCodePoint" in font)) throw new TypeError("a collection in place of a font");
  return { bytes, covers: (codePoint) => font.hasGlyphForCodePoint(codePoint) };
}

/** The text with only characters that the font has. */
export function writable(text: string, font: Pick<ReportFont, "covers">): string {
  return Array.from(printable(text), (c) => {
    const codePoint = c.codePointAt(0) ?? 0;
    return font.covers(codePoint) ? c : `〔U+${codePoint.toString(16).toUpperCase().padStart(4, "0")}〕`;
  }).join("");
}
