# Costs of single Paillier operations in native big integers (GMP through gmpy2), as CPU seconds, and an exact check of the whole
# path on a small histogram. Usage: paillier-gmpy2.py KEYBITS SAMPLES PAIRBITS; prints one line of JSON.
import json
import secrets
import sys
import time

import gmpy2
from gmpy2 import mpz, powmod

bits, samples, pair_bits = (int(a) for a in sys.argv[1:4])


def prime(size):
    while True:
        p = gmpy2.next_prime(mpz(secrets.randbits(size) | (3 << (size - 2)) | 1))
        if p.bit_length() == size:
            return p


p = prime(bits // 2)
q = prime(bits // 2)
n = p * q
n2, p2, q2 = n * n, p * p, q * q
p_inverse = gmpy2.invert(p, q)


def h_of(prime_, square):
    return gmpy2.invert((powmod(n + 1, prime_ - 1, square) - 1) // prime_, prime_)


hp, hq = h_of(p, p2), h_of(q, q2)
# Damgard, Jurik, Nielsen: h = (-x^2)^n, and encryption with a short exponent.
h_s = powmod(-(mpz(secrets.randbelow(int(n))) ** 2), n, n2)


def encrypt(m):
    r = mpz(secrets.randbelow(int(n)))
    return (m * n + 1) * powmod(r, n, n2) % n2


def encrypt_short(m):
    return (m * n + 1) * powmod(h_s, mpz(secrets.randbits(bits // 2)), n2) % n2


def decrypt(c):
    dp = (powmod(c, p - 1, p2) - 1) // p * hp % p
    dq = (powmod(c, q - 1, q2) - 1) // q * hq % q
    return (dq - dp) * p_inverse % q * p + dp


def check():
    rows, bins, half = 48, 4, pair_bits // 2
    g = [secrets.randbelow(1 << 53) for _ in range(rows)]
    h = [secrets.randbelow(1 << 52) for _ in range(rows)]
    bin_of = [secrets.randbelow(bins) for _ in range(rows)]
    cells = [mpz(1)] * bins
    for i in range(rows):
        cells[bin_of[i]] = cells[bin_of[i]] * (encrypt if i % 2 else encrypt_short)((mpz(g[i]) << half) + h[i]) % n2
    packed = cells[0]
    for cell in cells[1:]:
        packed = powmod(packed, mpz(1) << pair_bits, n2) * cell % n2
    opened = decrypt(packed)
    for b in range(bins):
        pair = int((opened >> (pair_bits * (bins - 1 - b))) & ((1 << pair_bits) - 1))
        want = (sum(g[i] for i in range(rows) if bin_of[i] == b), sum(h[i] for i in range(rows) if bin_of[i] == b))
        if (pair >> half, pair & ((1 << half) - 1)) != want:
            return False
    return True


def seconds_of(work, count):
    began = time.process_time()
    for i in range(count):
        work(i)
    return (time.process_time() - began) / count


exact = check()
some = [encrypt_short(mpz(secrets.randbits(pair_bits))) for _ in range(64)]
shift = mpz(1) << pair_bits
total = [mpz(1)]


def add(i):
    total[0] = total[0] * some[i & 63] % n2


encrypt_s = seconds_of(lambda i: encrypt(mpz(i)), samples)
encrypt_short_s = seconds_of(lambda i: encrypt_short(mpz(i)), samples)
add_s = seconds_of(add, 200 * samples)
subtract_s = seconds_of(lambda i: some[i & 63] * gmpy2.invert(some[(i + 1) & 63], n2) % n2, 4 * samples)
shift_s = seconds_of(lambda i: powmod(some[i & 63], shift, n2), samples)
decrypt_s = seconds_of(lambda i: decrypt(some[i & 63]), samples)
print(json.dumps({
    "exact": exact, "keyBits": bits, "samples": samples, "encrypt": encrypt_s, "encryptShort": encrypt_short_s, "add": add_s,
    "subtract": subtract_s, "shift": shift_s, "decrypt": decrypt_s,
}))
