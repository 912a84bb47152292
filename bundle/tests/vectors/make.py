#!/usr/bin/env python3
"""Writes the vectors of format 1 beside this file; `make.py --check` only compares.

Needs `argon2-cffi` and `cryptography`. Expected values come from `reference.py`, which was written from the text of the format. The files in `minisign/`
are not made here: the stock `minisign` program made them once; nor is `rfc.json`, which `--check` computes anew.
"""

import base64
import hashlib
import json
import pathlib
import sys

sys.dont_write_bytecode = True

import documents  # noqa: E402
import reference as ref  # noqa: E402
import rfc  # noqa: E402

HERE = pathlib.Path(__file__).parent
SITE = base64.b32encode(bytes(range(16))).decode().rstrip("=")
UUID, SERIAL = "4c4c4544-0042-3510-8054-b4c04f4d4e32", "5TNMN32"


def keyed():
    key = bytes(range(32))
    return {
        "prf": [
            {"key": key.hex(), "parts": [part.hex() for part in parts], "out": ref.prf(key, *parts).hex()}
            for parts in ([], [b""], [b"", b""], [b"ab", b"c"], [b"a", b"bc"], [bytes(300)])
        ],
        "lp": [{"x": x.hex(), "out": ref.lp(x).hex()} for x in (b"", b"a", bytes(256))],
        "hkdf": [
            {"salt": salt.hex(), "ikm": ikm.hex(), "prk": ref.extract(salt, ikm).hex(), "info": info.hex()}
            | {"okm64": ref.expand(ref.extract(salt, ikm), info, 64).hex()}
            for salt, ikm, info in ((key, b"ikm", b"info"), (b"", b"\x0b" * 22, b""))
        ],
    }


def codes():
    bodies = ["000000000000000", "0123456789ABCDE", "YYYYYYYYYYYYYYY", "YXWVTSRQPNMKJHG", "K7Q2M9TWX4C8RNB"]
    bodies += ["0123456789ABCDEFGHJ", "YYYYYYYYYYYYYYYYYYY", "P3V8S6JY2FHDA41EKWQ"]
    typed = [
        "0123-4567-89AB-CDER",
        "ol23 4567 89ab cder",
        "OI23.4567,89AB/CDER\r\n",
        "\t0123_4567:89AB'CDER ",
        "\u2010\u2011\u2012\u2013\u2014\u20150123\u00a04567ß89ABCDER",
        "zzzz-zzzz-zzzz-zzz0",
        "YXWU-TSRQ-PNMK-JHG6",
        "correct horse battery staple",
        "0123-4!67",
        "ä",
        "01\u001b",
        "ı",
        "０",
        "0\u20161",
        "0\u200f1",
        "0\u00002",
        "SS\u1e9e",
        "\u212a",
    ]
    normalised = []
    for text in typed:
        result = ref.normalise(text)
        found = {"symbols": result} if isinstance(result, str) else {"foreign_at": result[1]}
        normalised.append({"typed": text} | found)
    valid = [ref.with_check(body) for body in bodies]
    wrong = [code[:-1] + s for code in valid for s in ref.ALPHABET if s != code[-1]] + ["0" * 16]
    return {"alphabet": ref.ALPHABET, "valid": valid, "wrong_check": wrong, "normalised": normalised}


def kdf():
    cases = [
        ("code", "0123-4567-89AB-CDER", SITE, 65_536, 3, 0),
        ("code", "oi23 4567 89ab cder", SITE, 65_536, 3, 0),
        ("code", "0123-4567-89AB-CDER", SITE, 65_536, 3, 1),
        ("code", "0123-4567-89AB-CDER", SITE, 65_536, 4, 4_294_967_295),
        ("code", ref.with_check("0123456789ABCDEFGHJ"), SITE, 65_537, 3, 7),
        ("code", "0123-4567-89AB-CDER", "A" * 26, 65_536, 3, 0),
        ("phrase", "Correct horse battery staple", SITE, 65_536, 3, 0),
        ("hardware", f"{UUID.upper()}\n| {SERIAL.lower()} \n", SITE, 65_536, 3, 0),
    ]
    out = []
    for kind, text, site, m, t, epoch in cases:
        if kind == "hardware":
            uuid, serial = text.split("|")
            password = ref.hardware_password(uuid.strip(), serial)
        else:
            password = {"code": ref.code_password, "phrase": ref.phrase_password}[kind](ref.normalise(text))
        prk = ref.stretch(password, site, m, t, epoch)
        locator, (secret, public), claim = ref.derive(prk)
        out.append({"kind": kind, "text": text, "site": site, "m": m, "t": t, "epoch": epoch, "password": password.hex()})
        out[-1] |= {"prk": prk.hex(), "locator": locator.hex(), "skR": secret.hex(), "pkR": public.hex()}
        out[-1] |= {"claim_key": claim.hex()}
    binding = ref.machine_binding(SITE, UUID, SERIAL)
    return {"derivations": out, "machine": {"site": SITE, "uuid": UUID, "serial": SERIAL, "binding": binding.hex()}}


def seal():
    salt, secret = bytes([1] * 32), bytes([2] * 32)
    k = ref.seal_root(salt, secret)
    locator, seed = bytes([4] * 32), bytes([3] * 32)
    _, recipient = ref.derive_key_pair(seed)
    activations = []
    for plain in (b"", b"{}", b"x" * 962, b"x" * 963, b"y" * 5000):
        ikm_e, sealed = ref.seal_activation(k, SITE, locator, recipient, plain)
        activations.append({"plain": plain.hex(), "ikmE": ikm_e.hex(), "length": len(sealed)})
        activations[-1] |= {"sealed": sealed.hex()} if len(sealed) <= 2048 else {"sha256": ref.sha256(sealed).hex()}
    packs = []
    for profile, org, generation, plain in (
        ("debian", "", 0, b""),
        ("debian", "", 1, b"plain"),
        ("debian", "north", 1, b"plain"),
        ("debian", "north", 4_294_967_295, b"x" * 930),
        ("debian", "north", 2, b"x" * 931),
        ("office-pc", "a.b_c-d", 7, b"z" * 70_000),
    ):
        tag, commit, sealed = ref.seal_pack(k, SITE, profile, org, generation, plain)
        packs.append({"profile": profile, "org": org, "generation": generation, "plain": plain.hex() if len(plain) < 1000 else ""})
        packs[-1] |= {} if len(plain) < 1000 else {"plain_repeat": [plain[:1].hex(), len(plain)]}
        packs[-1] |= {"pack_id": ref.pack_id(k, profile, org).hex(), "pack_key": ref.pack_key(k, profile, org, generation).hex()}
        packs[-1] |= {"tag": tag.hex(), "commit": commit.hex(), "length": len(sealed)}
        packs[-1] |= {"sealed": sealed.hex()} if len(sealed) <= 2048 else {"sha256": ref.sha256(sealed).hex()}
    sizes = [1, 1023, 1024, 1025, 2048, 2049, 65_535, 65_536, 65_537, 69_632, 69_633, 131_072, 131_073, 1_000_000, 16_777_216]
    return {
        "site": SITE,
        "seal_salt": salt.hex(),
        "seal_secret": secret.hex(),
        "K": k.hex(),
        "locator": locator.hex(),
        "recipient_seed": seed.hex(),
        "pkR": recipient.hex(),
        "size_classes": [[n, ref.size_class(n)] for n in sizes],
        "padding": [{"data": d.hex(), "overhead": o, "padded": ref.pad(d, o).hex()} for d, o in ((b"", 58), (b"abc", 90))],
        "activations": activations,
        "packs": packs,
    }


def index():
    """The key of entry i is SHA-256("key" ‖ u32 i), behind `prefix`; its object's hash is the SHA-256 of the key, its length i + 1."""
    maps = []
    for prefix, count in ((b"", 0), (b"", 1), (b"", 16), (b"", 17), (b"", 128), (b"", 129), (b"", 3000), (b"\xab\xcd", 200)):

        def key(i):
            return (prefix + ref.sha256(b"key" + ref.u32(i)))[:32]

        entries = {key(i): (ref.sha256(key(i)), i + 1) for i in range(count)}
        root, nodes = ref.build_index(entries)
        walks = []
        for i in sorted({0, 1, count // 2, max(count - 1, 0), count, count + 1, count + 77}):
            found, depth = ref.walk_index(root, nodes, key(i))
            walks.append({"i": i, "found": bool(found), "depth": depth})
        stray = ref.walk_index(root, nodes, bytes(32))
        assert stray[0] is None
        maps.append({"prefix": prefix.hex(), "count": count, "root_length": len(root), "root_sha256": ref.sha256(root).hex()})
        maps[-1] |= {"inlined": len(root) <= 1100, "nodes": len(nodes)}
        maps[-1] |= {"nodes_sha256": ref.sha256(b"".join(sorted(nodes))).hex(), "walks": walks, "zero_key_depth": stray[1]}
        if len(root) <= 1100:
            maps[-1]["root"] = root.hex()
    return {"maps": maps}


P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493


def forged_with_identity_r(seed, public, message, r_bytes):
    """S·B = R + k·A holds with R = the identity, whatever its encoding; only a strict verifier refuses."""
    a = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little") & ~7 & (2**255 - 1) | 2**254
    k = int.from_bytes(hashlib.sha512(r_bytes + public + message).digest(), "little") % L
    return r_bytes + (k * a % L).to_bytes(32, "little")


def malleated(signature):
    return signature[:32] + (int.from_bytes(signature[32:], "little") + L).to_bytes(32, "little")


def signatures():
    seed = bytes([11] * 32)
    signer = ref.Signer(seed, bytes([0x21, 0x43, 0x65, 0x87, 0xA9, 0xCB, 0xED, 0x00]))
    body, said = b'{"any": "body"}\n', ref.comment("release", 7, SITE)
    good = signer.sign(body, said)
    lines = good.split(b"\n")
    signed, last = base64.b64decode(lines[1]), base64.b64decode(lines[3])
    hashed = hashlib.blake2b(body).digest()
    cases = [("good", True, good)]

    def bad(name, file):
        cases.append((name, False, file))

    def with_signature(signature):
        rest = signer.key.sign(signature + said)
        return ref.assemble(signed[:10] + signature, said, rest)

    bad("legacy algorithm", signer.sign(body, said, algorithm=b"Ed"))
    bad("legacy algorithm over the hash", ref.assemble(b"Ed" + signed[2:], said, last))
    bad("another key id", signer.sign(body, said, id_bytes=bytes(8)))
    bad("signature plus L", with_signature(malleated(signed[10:])))
    bad("global signature plus L", ref.assemble(signed, said, malleated(last)))
    for name, r in (("small-order R", (1).to_bytes(32, "little")), ("non-canonical R", (P + 1).to_bytes(32, "little"))):
        bad(name, with_signature(forged_with_identity_r(seed, signer.public, hashed, r)))
        rest = forged_with_identity_r(seed, signer.public, signed[10:] + said, r)
        bad(f"{name} of the global signature", ref.assemble(signed, said, rest))
    bad("comment not signed", good.replace(b"release 7", b"release 8"))
    bad("signature of another body", signer.sign(b"other", said))
    bad("global signature of another file", ref.assemble(signed, said, signer.key.sign(said)))
    bad("no final line feed", good[:-1])
    bad("fifth line", good + b"x\n")
    bad("empty fifth line", good + b"\n")
    bad("empty first line", b"\n" + good)
    bad("carriage returns", good.replace(b"\n", b"\r\n"))
    bad("carriage return in the comment", good.replace(SITE.encode(), SITE.encode() + b"\r"))
    bad("other untrusted comment", good.replace(b"signature from minisign secret key", b"verify with me"))
    bad("no untrusted comment", good.replace(b"untrusted comment: ", b""))
    bad("blank before the trusted comment", good.replace(b"\ntrusted", b"\n trusted"))
    bad("trusted comment in capitals", good.replace(b"\ntrusted", b"\nTrusted"))
    bad("escape in the comment", signer.sign(body, said + b"\x1b[2J"))
    bad("long comment", signer.sign(body, said + b"x" * 512))
    bad("more than 1 KiB", signer.sign(body, b"x" * 1024))
    bad("base64 without padding", good.replace(b"==\n", b"\n"))
    bad("base64 with a blank", good.replace(lines[1], lines[1] + b" "))
    bad("base64 of another length", good.replace(lines[3], base64.b64encode(last + b"\0")))
    tail = lines[3][:-3] + bytes([next_symbol(lines[3][-3])]) + b"=="
    bad("base64 with unused bits set", good.replace(lines[3], tail))
    return {
        "site": SITE,
        "key": signer.listed(),
        "body": base64.b64encode(body).decode(),
        "trusted_comment": said.decode(),
        "files": [{"name": n, "accept": a, "file": base64.b64encode(f).decode()} for n, a, f in cases],
    }


def next_symbol(symbol):
    """The base64 symbol whose value is one higher: same bytes, an unused bit set."""
    table = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return table[table.index(symbol) + 1]


def main():
    ref.self_test()
    tables = {"keyed": keyed, "codes": codes, "kdf": kdf, "seal": seal, "index": index, "signatures": signatures}
    files = {f"{name}.json": json.dumps(make(), indent=1).encode() + b"\n" for name, make in tables.items()}
    files |= {f"documents/{name}": body for name, body in documents.make(SITE).items()}
    stale = {str(p.relative_to(HERE)) for p in HERE.glob("documents/*/*")} - set(files)
    if "--check" in sys.argv:
        wrong = sorted(stale | {name for name, data in files.items() if (HERE / name).read_bytes() != data})
        wrong += rfc.check()
        sys.exit("differs: " + ", ".join(wrong) if wrong else 0)
    for name in stale:
        (HERE / name).unlink()
    for name, data in files.items():
        (HERE / name).parent.mkdir(parents=True, exist_ok=True)
        (HERE / name).write_bytes(data)


if __name__ == "__main__":
    main()
