// The one parameter set of scores under an encrypted model, and what follows from it. BFV (Fan, Vercauteren, eprint 2012/144) of
// Microsoft SEAL, by the package node-seal.

/** Ring degree N: so many companies in one answer. */
export const linearDegree = 8192;
/** Bits of the primes; the last one is SEAL's own for keys. Inside the HomomorphicEncryption.org 2018 table: 217 <= 218 bits for N = 8192. */
export const linearPrimeBits = [54, 54, 54, 55] as const;
/** Primes of the data modulus q. */
export const dataPrimes = 3;
/** Scores are integers modulo t = 2^28, signed: a weight has at most 12 bits, a code 9, and the plan's bound on their sum stays below 2^27. */
export const linearPlainBits = 28;
export const linearPlain = 1n << BigInt(linearPlainBits);
/** |score| must stay below this. */
export const maxScore = 2 ** (linearPlainBits - 1) - 1;
export const maxWeight = 2 ** 11;
export const maxCode = 2 ** 8;
/** Weights of one model at one provider. */
export const maxWeights = 1024;

/** Most bytes of an answer in SEAL's saved form: two polynomials modulo one prime, and a head. */
export const linearAnswerBytes = 2 * linearDegree * 8 + 256;
/** Most bytes of a key in its short form, of a text whose second polynomial is a seed, and of both where the weights are one polynomial. */
export const sealedKeyBytes = linearPrimeBits.length * linearDegree * 8 + 1024;
export const sealedTextBytes = dataPrimes * linearDegree * 8 + 1024;
/** The same where each weight has a text of its own. */
export const sealedBatchBytes = (weights: number): number => sealedKeyBytes + weights * (sealedTextBytes + 4) + 256;
export const sealedForOneBytes = sealedKeyBytes + sealedTextBytes + 256;

/**
 * Joint trees: one company and one sum of `totalBits` per answer, in a ring of two data primes, 163 of the 218 bits. Entries are multiples of
 * 2^(28 - totalBits), so that the flood of `tableFloodBits` leaves an answer no more than 13 bits (54 - 41) where one provider answers, and a bit more for
 * each doubling of them: 17 for sixteen. The floods of all stay below half an entry's step, p1 p2 / 2^13 = p1 * 2^41, with a factor 2 to spare. What one hides is
 * at most 2^21 (8,192 places of 0 or 1, errors of SEAL below 2^5, Enc(0)): the statistical distance of an answer is 2^-74, for sixteen providers 2^-70.
 */
export const tablePrimeBits = [54, 54, 55] as const;
export const totalBits = 12;
/** |sum of entries| must stay below this. */
export const maxTotal = 2 ** (totalBits - 1) - 1;
/** Entries of one text, beside the place that is always picked. */
export const maxEntries = linearDegree - 1;
export const tableFloodBits = (providers: number): number => 41 - Math.ceil(Math.log2(providers));
/** Most providers whose floods fit, also those of `oneFloodBits`. */
export const mostTableProviders = 16;
/** Most bytes of the key and of a text with entries, both in the short form. */
export const tableKeyBytes = tablePrimeBits.length * linearDegree * 8 + 1024;
export const tableTextBytes = (tablePrimeBits.length - 1) * linearDegree * 8 + 512;

/**
 * The flood is uniform over 2^`floodBits` * p1 * p2 values, centred: about 2^131.9. Decoding needs |noise| < q / 2t = 2^133 before the switch to
 * one prime and below p / 2t = 2^25 after it, where the flood is 2^23.9 and the switch's own rounding below 2^13.
 *
 * What it hides is at most 2^36 (1,024 weights, codes of 9 bits, N coefficients, errors of SEAL below 2^5, and Enc(0)): the statistical distance of
 * an answer is at most N * 2^36 / 2^131.9 = 2^-82, of 2^20 answers 2^-62. It is also as large as decoding lets it be, so that a bank whose texts
 * encrypt nothing sees at most log2(q / flood) = 30 bits of a company where an honest one sees the 28 of the score.
 */
export const floodBits = 24;
/** Where one company's sum is opened over several providers at once: bits of the flood's range beyond the first prime. Together as large as one of `floodBits`; with the mask of the providers
 *  uniform modulo q, so that nothing of one provider's text by itself can be read; distance of an answer of sixteen 2^-78. */
export const oneFloodBits = (providers: number): number => (linearPrimeBits[1] ?? 0) + floodBits - Math.ceil(Math.log2(providers));
