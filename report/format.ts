// Numbers as people read them: the same digits in both languages, no locale of the machine.
const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** 12345 -> "12,345". */
export function integer(value: number): string {
  return grouped.format(value);
}

/** Fixed digits, with a real minus sign: -0.5 -> "−0.500". */
export function fixed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/** A difference with its sign: "+0.0213". */
export function signed(value: number, digits: number): string {
  const text = fixed(value, digits);
  return Number(value.toFixed(digits)) > 0 ? `+${text}` : text;
}

/** 0.1234 -> "12.3%". */
export function percent(value: number, digits = 1): string {
  return `${fixed(value * 100, digits)}%`;
}

/** Decimal units, three significant digits: 1234567 -> "1.23 MB". */
export function byteSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"] as const;
  let [value, unit] = [bytes, 0];
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 ? String(value) : threeDigits(value)} ${units[unit] ?? ""}`;
}

/** Seconds, three significant digits; from two minutes on, minutes and seconds. */
export function duration(seconds: number): string {
  if (seconds < 119.5) return `${threeDigits(seconds)} s`;
  const whole = Math.round(seconds);
  return `${integer(Math.floor(whole / 60))} min ${String(whole % 60).padStart(2, "0")} s`;
}

/** A p-value: three digits, or the bound that it is below. */
export function pValue(value: number): string {
  return value < 0.001 ? "<0.001" : fixed(value, 3);
}

// East Asian Width W and F (Unicode Annex 11), in the blocks that names and our own words use.
const wide = new RegExp([
  "[\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\ua4cf\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f",
  "\\uff00-\\uff60\\uffe0-\\uffe6\\u{1f300}-\\u{1faff}\\u{20000}-\\u{3fffd}]",
].join(""), "u");

/** Columns of a text in a terminal or a fixed-width layout: a Chinese character takes two. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += wide.test(character) ? 2 : 1;
  return columns;
}

/** Pads to a number of columns; a text that is longer stays as it is. */
export function padded(text: string, columns: number, side: "left" | "right" = "left"): string {
  const space = " ".repeat(Math.max(0, columns - columnsOf(text)));
  return side === "left" ? text + space : space + text;
}

function threeDigits(value: number): string {
  return fixed(value, value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2);
}
