"""Checks rfc.json: every value in it was copied from the RFC or paper that it names, and is computed here once more by programs that are not ours.

`make.py --check` calls this. Nothing is written: what an RFC says does not change.
"""

import hashlib
import json
import pathlib

import edwards
import reference as ref
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305


def hkdf(row):
    prk = ref.extract(row["salt"], row["ikm"])
    return prk == row["prk"] and ref.expand(prk, row["info"], len(row["okm"])) == row["okm"]


def ed25519(row):
    good = edwards.verifies(row["key"], row["message"], row["signature"])
    return good and not edwards.verifies(row["key"], row["message"] + b"x", row["signature"])


def ed25519_variant(row):
    """Valid as what it is, and not as the pure Ed25519 that minisign uses."""
    prehashed = row["variant"] == "ph"
    message = hashlib.sha512(row["message"]).digest() if prehashed else row["message"]
    dom = edwards.dom2(prehashed, row["context"])
    valid = edwards.verifies(row["key"], message, row["signature"], dom)
    return valid and not edwards.verifies(row["key"], row["message"], row["signature"])


def ed25519_edge(row):
    return edwards.verifies(row["key"], row["message"], row["signature"]) == row["accept"]


def hpke(row):
    for ikm, secret, public in (("ikmE", "skEm", "pkEm"), ("ikmR", "skRm", "pkRm")):
        if ref.derive_key_pair(row[ikm]) != (row[secret], row[public]):
            return False
    shared = X25519PrivateKey.from_private_bytes(row["skRm"]).exchange(X25519PublicKey.from_public_bytes(row["enc"]))
    key, nonce = ref.key_schedule(ref.kem_shared_secret(shared, row["enc"], row["pkRm"]), row["info"])

    def sealed(entry):
        number = int.from_bytes(nonce, "big") ^ entry["sequence"]
        return ChaCha20Poly1305(key).encrypt(number.to_bytes(12, "big"), entry["pt"], entry["aad"]) == entry["ct"]

    return all(sealed(entry) for entry in row["encryptions"])


def chacha20poly1305(row):
    return ChaCha20Poly1305(row["key"]).encrypt(row["nonce"], row["plain"], row["aad"]) == row["sealed"]


def blake2b(row):
    return hashlib.blake2b(row["message"]).digest() == row["hash"]


def argon2id(row):
    cost = dict(time_cost=row["t"], memory_cost=row["m"], parallelism=row["p"], hash_len=len(row["tag"]), type=Type.ID)
    if "secret" in row:
        # argon2-cffi takes neither secret nor associated data.
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        kdf = Argon2id(
            salt=row["salt"],
            length=len(row["tag"]),
            iterations=row["t"],
            lanes=row["p"],
            memory_cost=row["m"],
            ad=row["data"],
            secret=row["secret"],
        )
        return kdf.derive(row["password"]) == row["tag"]
    return hash_secret_raw(row["password"], row["salt"], **cost) == row["tag"]


CHECKS = {
    "hkdf": hkdf,
    "ed25519": ed25519,
    "ed25519_variants": ed25519_variant,
    "ed25519_edges": ed25519_edge,
    "hpke": hpke,
    "chacha20poly1305": chacha20poly1305,
    "blake2b": blake2b,
    "argon2id": argon2id,
}


def unhex(value):
    if isinstance(value, dict):
        return {name: text if name in ("variant", "name") else unhex(text) for name, text in value.items()}
    if isinstance(value, list):
        return [unhex(item) for item in value]
    return bytes.fromhex(value) if isinstance(value, str) else value


def check():
    """The names of the rows that other programs compute differently."""
    tables = json.loads((pathlib.Path(__file__).parent / "rfc.json").read_text())
    assert set(tables) == set(CHECKS)
    rows = ((name, at, row) for name, table in tables.items() for at, row in enumerate(table["rows"]))
    return [f"rfc.json {name} {at}" for name, at, row in rows if not CHECKS[name](unhex(row))]
