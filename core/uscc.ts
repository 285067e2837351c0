// 统一社会信用代码, the unified social credit code (USCC): 18 characters, GB 32100-2015.
// Check character: section 4.3, weights 3^(i-1) mod 31 over the alphabet without I, O, S, V, Z.
const alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY";
const weights = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28] as const;

/** Full-width forms to ASCII, upper case, no surrounding white space. */
export function normaliseUscc(text: string): string {
  return text.normalize("NFKC").trim().toUpperCase();
}

/** The 18th character for the first 17, or undefined if one of them is not in the alphabet. */
export function usccCheckCharacter(first17: string): string | undefined {
  if (first17.length !== 17) return undefined;
  let sum = 0;
  for (const [i, weight] of weights.entries()) {
    const value = alphabet.indexOf(first17.charAt(i));
    if (value < 0) return undefined;
    sum += value * weight;
  }
  return alphabet.charAt((31 - (sum % 31)) % 31);
}

/** Whether a normalised text is a USCC with a right check character. */
export function isUscc(text: string): boolean {
  return text.length === 18 && usccCheckCharacter(text.slice(0, 17)) === text.charAt(17);
}
