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
 * The flood is uniform over 2^`floodBits` * p1 * p2 values, centred: about 2^131.9. Decoding needs |noise| < q / 2t = 2^133 before the switch to
 * one prime and below p / 2t = 2^25 after it, where the flood is 2^23.9 and the switch's own rounding below 2^13.
 *
 * What it hides is at most 2^36 (1,024 weights, codes of 9 bits, N coefficients, errors of SEAL below 2^5, and Enc(0)): the statistical distance of
 * an answer is at most N * 2^36 / 2^131.9 = 2^-82, of 2^20 answers 2^-62. It is also as large as decoding lets it be, so that a bank whose texts
 * encrypt nothing sees at most log2(q / flood) = 30 bits of a company where an honest one sees the 28 of the score.
 */
export const floodBits = 24;
