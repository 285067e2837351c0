// Writing CSV (RFC 4180).

/** One field, quoted when needed; what could be taken for blanks around it is quoted, too. */
export function csvField(text: string): string {
  return /[",\n\r]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
