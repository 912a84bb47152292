"""Format 1 in Python, written from docs/format.md and the RFCs alone.

The vectors beside this file come from here, so that `anode-bundle` is measured against the text and not against itself. Nothing
here is fast or meant for use; each function carries the sentence of the format that it implements.
"""

import base64
import hashlib
import hmac
import struct

from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def u16(n):
    return struct.pack(">H", n)


def u32(n):
    return struct.pack(">I", n)


def sha256(data):
    return hashlib.sha256(data).digest()


def raw_public(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


# Head of the page: LP, PRF; RFC 5869.


def lp(x):
    return u32(len(x)) + x


def lps(*parts):
    return b"".join(lp(part) for part in parts)


def prf(key, *parts):
    return hmac.new(key, lps(*parts), hashlib.sha256).digest()


def extract(salt, ikm):
    return hmac.new(salt, ikm, hashlib.sha256).digest()


def expand(prk, info, length=32):
    out, block, counter = b"", b"", 0
    while len(out) < length:
        counter += 1
        block = hmac.new(prk, block + info + bytes([counter]), hashlib.sha256).digest()
        out += block
    return out[:length]


# RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, base mode.

KEM_SUITE = b"KEM" + u16(0x0020)
HPKE_SUITE = b"HPKE" + u16(0x0020) + u16(0x0001) + u16(0x0003)


def labeled_extract(suite, salt, label, ikm):
    return extract(salt or bytes(32), b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite, prk, label, info, length):
    return expand(prk, u16(length) + b"HPKE-v1" + suite + label + info, length)


def derive_key_pair(ikm):
    """Section 7.1.3."""
    dkp_prk = labeled_extract(KEM_SUITE, b"", b"dkp_prk", ikm)
    secret = labeled_expand(KEM_SUITE, dkp_prk, b"sk", b"", 32)
    return secret, raw_public(X25519PrivateKey.from_private_bytes(secret))


def kem_shared_secret(dh, enc, recipient):
    """Section 4.1, ExtractAndExpand."""
    eae_prk = labeled_extract(KEM_SUITE, b"", b"eae_prk", dh)
    return labeled_expand(KEM_SUITE, eae_prk, b"shared_secret", enc + recipient, 32)


def key_schedule(shared_secret, info):
    """Section 5.1, mode_base: no PSK."""
    psk_id_hash = labeled_extract(HPKE_SUITE, b"", b"psk_id_hash", b"")
    info_hash = labeled_extract(HPKE_SUITE, b"", b"info_hash", info)
    context = b"\x00" + psk_id_hash + info_hash
    secret = labeled_extract(HPKE_SUITE, shared_secret, b"secret", b"")
    key = labeled_expand(HPKE_SUITE, secret, b"key", context, 32)
    nonce = labeled_expand(HPKE_SUITE, secret, b"base_nonce", context, 12)
    return key, nonce


def hpke_seal(recipient, ikm_e, info, aad, plain):
    """Single shot, sequence number 0: the nonce is base_nonce."""
    secret, enc = derive_key_pair(ikm_e)
    dh = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(recipient))
    key, nonce = key_schedule(kem_shared_secret(dh, enc, recipient), info)
    return enc, ChaCha20Poly1305(key).encrypt(nonce, plain, aad)


# Section 5: codes.

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXY"
CONFUSED = {"I": "1", "L": "1", "O": "0", "U": "V", "Z": "Y"}
SKIPPED = set(" \t-_.,:/'\u00a0ß\r\n") | {chr(c) for c in range(0x2010, 0x2016)}


def normalise(text):
    """The symbols, or (character, position from 1) of the first character that no code has."""
    symbols = ""
    for position, character in enumerate(text, 1):
        if "a" <= character <= "z":
            character = chr(ord(character) - 32)
        if character in SKIPPED:
            continue
        character = CONFUSED.get(character, character)
        if character not in ALPHABET:
            return text[position - 1], position
        symbols += character
    return symbols


def checksum(symbols):
    return sum(pow(3, i) * ALPHABET.index(s) for i, s in enumerate(symbols)) % 31


def with_check(symbols):
    return next(symbols + s for s in ALPHABET if checksum(symbols + s) == 1)


def code_password(symbols):
    return lps(b"code", symbols.encode())


def phrase_password(symbols):
    return lps(b"phrase", symbols.encode())


def hardware_password(uuid, serial):
    return lps(b"hw", uuid.lower().encode(), serial.strip().upper().encode())


def machine_binding(site, uuid, serial):
    return sha256(lps(b"anode/1 machine", site.encode(), uuid.lower().encode(), serial.strip().upper().encode()))


def stretch(password, site, m, t, epoch):
    salt = sha256(lps(b"anode/1 salt", site.encode()) + u32(epoch))
    return hash_secret_raw(password, salt, t, m, 1, 32, Type.ID, version=0x13)


def derive(prk):
    """locator, (skR, pkR), claim_key"""
    return expand(prk, b"anode/1 locator"), derive_key_pair(expand(prk, b"anode/1 seal")), expand(prk, b"anode/1 claim")


# Section 6: sealing.


def size_class(n):
    if n <= 64 * 1024:
        size = 1024
        while size < n:
            size *= 2
        return size
    step = 2 ** ((n - 1).bit_length() - 1 - 4)
    return (n + step - 1) // step * step


def pad(data, overhead):
    padded = u32(len(data)) + data
    return padded + bytes(size_class(overhead + len(padded)) - overhead - len(padded))


def seal_root(salt, secret):
    return extract(salt, secret)


ACTIVATION_HEADER = b"ANA1" + u16(0x0020) + u16(0x0001) + u16(0x0003)


def seal_activation(k, site, locator, recipient, plain):
    info = lps(b"anode/1 activation", site.encode(), locator)
    aad = ACTIVATION_HEADER
    padded = pad(plain, len(ACTIVATION_HEADER) + 32 + 16)
    ikm_e = prf(expand(k, b"anode/1 ephemeral"), ACTIVATION_HEADER, recipient, info, aad, padded)
    enc, ciphertext = hpke_seal(recipient, ikm_e, info, aad, padded)
    return ikm_e, ACTIVATION_HEADER + enc + ciphertext


def pack_id(k, profile, org):
    return expand(k, lps(b"anode/1 pack-id", profile.encode(), org.encode()))


def pack_key(k, profile, org, generation):
    return expand(k, lps(b"anode/1 pack-key", profile.encode(), org.encode()) + u32(generation))


PACK_SUITE = 1  # ChaCha20-Poly1305 with HKDF-SHA256, the only suite of format 1


def seal_pack(k, site, profile, org, generation, plain):
    pid, key = pack_id(k, profile, org), pack_key(k, profile, org, generation)
    padded = pad(plain, 4 + 2 + 4 + 32 + 32 + 16)
    tag = prf(expand(k, b"anode/1 pack-tag"), site.encode(), pid, u32(generation), padded)
    both = expand(extract(tag, key), lps(b"anode/1 pack", site.encode(), pid), 64)
    ck, commit = both[:32], both[32:]
    header = b"ANP1" + u16(PACK_SUITE) + u32(generation) + tag + commit
    return tag, commit, header + ChaCha20Poly1305(ck).encrypt(bytes(12), padded, header)


# Section 7: the index.


def child_at(key, depth):
    bits = "".join(f"{byte:08b}" for byte in key)
    return int(bits[5 * depth : 5 * depth + 5], 2)


def build_index(entries):
    """entries: {key: (sha256, length)} → root node, {sha256: node} of every other node"""
    nodes = {}

    def build(keys, depth):
        if len(keys) <= 128:
            body = b"".join(key + entries[key][0] + u32(entries[key][1]) for key in sorted(keys))
            return b"ANX1" + bytes([1, depth]) + u16(len(keys)) + body
        bitmap, hashes = 0, b""
        for child in range(32):
            below = [key for key in keys if child_at(key, depth) == child]
            if below:
                node = build(below, depth + 1)
                nodes[sha256(node)] = node
                bitmap |= 1 << (31 - child)
                hashes += sha256(node)
        return b"ANX1" + bytes([0, depth]) + u16(len(hashes) // 32) + u32(bitmap) + hashes

    return build(list(entries), 0), nodes


def walk_index(root, nodes, key):
    """(sha256, length) or None, and the depth at which the walk ended; no checks: the nodes are our own."""
    node, depth = root, 0
    while True:
        if node[4] == 1:
            for at in range(8, len(node), 68):
                if node[at : at + 32] == key:
                    return (node[at + 32 : at + 64], int.from_bytes(node[at + 64 : at + 68], "big")), depth
            return None, depth
        bitmap, child = int.from_bytes(node[8:12], "big"), child_at(key, depth)
        if not bitmap >> (31 - child) & 1:
            return None, depth
        before = bin(bitmap >> (32 - child)).count("1")
        node, depth = nodes[node[12 + 32 * before : 44 + 32 * before]], depth + 1


# Section 2: signature files.


class Signer:
    """A minisign key from a seed: key id as the 8 bytes of a key file."""

    def __init__(self, seed, key_id):
        self.key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = raw_public(self.key)
        self.id_bytes = key_id
        self.id = f"{int.from_bytes(key_id, 'little'):016X}"

    def listed(self):
        return {"id": self.id, "key": self.public.hex()}

    def sign(self, body, comment, *, algorithm=b"ED", id_bytes=None):
        message = hashlib.blake2b(body).digest() if algorithm == b"ED" else body
        signature = self.key.sign(message)
        return assemble(algorithm + (id_bytes or self.id_bytes) + signature, comment, self.key.sign(signature + comment))


def assemble(signed, comment, global_signature):
    return (
        b"untrusted comment: signature from minisign secret key\n"
        + base64.b64encode(signed)
        + b"\ntrusted comment: "
        + comment
        + b"\n"
        + base64.b64encode(global_signature)
        + b"\n"
    )


def comment(kind, version, site):
    return f"anode/1 {kind} {version} {site}".encode()


def self_test():
    """RFC 5869 A.1, RFC 9106 5.3 (by the library's own tests), RFC 9180 A.2.1."""
    h = bytes.fromhex
    assert extract(h("000102030405060708090a0b0c"), b"\x0b" * 22).hex().startswith("077709362c2e32df")
    secret, public = derive_key_pair(h("1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df"))
    assert secret == h("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb")
    assert public == h("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a")
    enc, ciphertext = hpke_seal(
        public,
        h("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b"),
        b"Ode on a Grecian Urn",
        b"Count-0",
        b"Beauty is truth, truth beauty",
    )
    assert enc == h("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a")
    assert ciphertext == h("1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28")
    assert [checksum(c) for c in ("0123456789ABCDER", "YYYYYYYYYYYYYYY0", "YXWVTSRQPNMKJHG6")] == [1, 1, 1]
