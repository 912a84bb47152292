"""Ed25519 verification from the text of RFC 8032, section 5.1, with the strictness of docs/format.md, section 2. Slow, plain, and nobody else's code."""

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P
    return x, y


def multiply(scalar, point):
    result = (0, 1)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def decode(data):
    """Section 5.1.3: a point, or None for what is not the canonical encoding of one."""
    number = int.from_bytes(data, "little")
    y, sign = number & (1 << 255) - 1, number >> 255
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square or (x == 0 and sign):
        return None
    return (x if x & 1 == sign else P - x), y


def is_small(point):
    return multiply(8, point) == (0, 1)


BASE = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def dom2(prehashed, context):
    return b"SigEd25519 no Ed25519 collisions" + bytes([prehashed, len(context)]) + context


def verifies(key, message, signature, dom=b""):
    """[S]B = R + [k]A without a cofactor, S < L, A and R canonical and not of small order."""
    if len(signature) != 64:
        return False
    a, r, s = decode(key), decode(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L or is_small(a) or is_small(r):
        return False
    k = int.from_bytes(hashlib.sha512(dom + signature[:32] + key + message).digest(), "little") % L
    return multiply(s, BASE) == add(r, multiply(k, a))
