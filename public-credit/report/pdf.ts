// The report as PDF (A4, one embedded subset of a Chinese font). The same report gives the same bytes: the document's date is the report's.
// Layout takes a tenth of a second and more, so servers run it in a worker (pdf-pool.ts).
// eslint-disable-next-line import/no-named-as-default -- its types know the default export alone
import PDFDocument from "pdfkit";
import { loadFont, writable, type ReportFont } from "./glyphs.ts";
import type { CreditReport } from "./schema.ts";
import { headRows, marksOf, markText, originText, title, unknownWords, valueText } from "./words.ts";

const margin = 50;
const labelWidth = 130;
const ink = "#17212e";
const muted = "#5a6675";
const accent = "#2456c6";
const watch = "#8a4b00";
const hairline = "#dfe4ea";

type Item = CreditReport["categories"][number]["items"][number];

export function renderPdf(report: CreditReport, digest: string, font: ReportFont = loadFont()): Promise<Uint8Array> {
  const document = new PDFDocument({
    size: "A4", margin, bufferPages: true, lang: "zh-CN", displayTitle: true,
    info: { Title: `${title} ${report.number}`, CreationDate: new Date(report.issuedAt), Producer: "Yunei", Creator: "Yunei" },
  });
  const parts: Uint8Array[] = [];
  document.on("data", (part: Uint8Array) => parts.push(part));
  const done = new Promise<Uint8Array>((resolve, reject) => {
    document.on("end", () => resolve(new Uint8Array(Buffer.concat(parts))));
    document.on("error", reject);
  });
  document.registerFont("text", Buffer.from(font.bytes));
  document.font("text");
  const writer = new Writer(document, font);
  writeReport(writer, report, digest);
  writer.footers(report.number);
  document.end();
  return done;
}

function writeReport(to: Writer, report: CreditReport, digest: string): void {
  to.line(title, 20, ink, 10);
  to.table(headRows(report, digest));
  if (report.categories.length === 0) to.line("平台未持有该企业的公开信息。", 10, ink, 6);
  for (const category of report.categories) {
    to.heading(category.zh);
    for (const item of category.items) writeItem(to, report, item);
  }
  to.heading("尚不掌握的公开信息");
  if (report.unknown.length === 0) to.line("无。", 10, ink, 4);
  to.table(report.unknown.map((u) => [u.zh, unknownWords[u.reason]] as const));
  to.heading("异议与修复标注");
  if (report.marks.length === 0) to.line("无。", 10, ink, 4);
  for (const mark of report.marks) to.line(markText(mark), 10, watch, 2);
  to.heading("使用声明");
  for (const [i, text] of report.statements.entries()) to.line(`${i + 1}. ${text}`, 9, ink, 2);
  to.heading("依据");
  for (const c of report.clauses) to.line(`${c.document}${c.article}：${c.text}`, 9, ink, 2);
}

function writeItem(to: Writer, report: CreditReport, item: Item): void {
  const departments = item.departments.map((d) => d.zh).join("、");
  to.line(`${item.zh}${departments === "" ? "" : `（${departments}）`}`, 11, accent, 3);
  for (const record of item.records) {
    for (const mark of marksOf(report, item.item, record.source)) to.line(markText(mark), 9, watch, 1);
    to.table(record.fields.map((f) => [f.zh, valueText(f)] as const));
    to.line(originText(record), 8, muted, 8);
  }
  if (item.more > 0) to.line(`另有 ${item.more} 条较早的记录未列入。`, 8, muted, 8);
}

class Writer {
  readonly #document: PDFKit.PDFDocument;
  readonly #font: ReportFont;

  constructor(document: PDFKit.PDFDocument, font: ReportFont) {
    this.#document = document;
    this.#font = font;
  }

  get #width(): number {
    return this.#document.page.width - 2 * margin;
  }

  line(text: string, size: number, colour: string, gap: number): void {
    this.#document.fontSize(size).fillColor(colour).text(writable(text, this.#font), margin, this.#document.y, { width: this.#width, lineGap: 1 });
    this.#document.y += gap;
  }

  heading(text: string): void {
    const document = this.#document;
    // Not alone at the foot of a page.
    if (document.y > document.page.height - margin - 90) document.addPage();
    document.y += 8;
    this.line(text, 14, ink, 1);
    document.moveTo(margin, document.y).lineTo(margin + this.#width, document.y).lineWidth(1).strokeColor(accent).stroke();
    document.y += 6;
  }

  /** Label and text side by side; a row that does not fit begins a new page, one longer than a page flows on. */
  table(rows: readonly (readonly [string, string])[]): void {
    const document = this.#document;
    const valueWidth = this.#width - labelWidth - 8;
    for (const [label, text] of rows) {
      const [left, right] = [writable(label, this.#font), writable(text, this.#font)];
      document.fontSize(9.5);
      const height = Math.max(document.heightOfString(left, { width: labelWidth }), document.heightOfString(right, { width: valueWidth }));
      const room = document.page.height - margin - document.y;
      if (height > room && height < document.page.height - 2 * margin) document.addPage();
      const top = document.y;
      const page = document.page;
      document.fillColor(muted).text(left, margin, top, { width: labelWidth });
      const labelEnd = document.y;
      document.fillColor(ink).text(right, margin + labelWidth + 8, top, { width: valueWidth });
      if (document.page === page) document.y = Math.max(document.y, labelEnd);
      document.y += 2;
      document.moveTo(margin, document.y).lineTo(margin + this.#width, document.y).lineWidth(0.5).strokeColor(hairline).stroke();
      document.y += 3;
    }
    document.x = margin;
  }

  footers(number: string): void {
    const document = this.#document;
    const { start, count } = document.bufferedPageRange();
    for (let i = start; i < start + count; i += 1) {
      document.switchToPage(i);
      const bottom = document.page.margins.bottom;
      document.page.margins.bottom = 0; // the foot lies in the margin, where text would else begin a page
      document.fontSize(8).fillColor(muted).text(`${number}　第 ${i + 1} 页，共 ${count} 页`, margin, document.page.height - 34, { width: this.#width, align: "center", lineBreak: false });
      document.page.margins.bottom = bottom;
    }
  }
}
