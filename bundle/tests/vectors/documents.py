"""Good and bad documents of format 1, each with the exit code that a reader must give: `<kind>/<exit>-<what is special>.json`, 0 for good.

They are what a verified signature or an opened seal hands over, so nothing here is about signatures.
"""

import base64
import copy
import json

import reference as ref

ISSUED = "2026-11-21T09:00:00Z"
FAR = 9007199254740991


def key(number):
    return ref.Signer(bytes([number] * 32), bytes([number] * 8)).listed()


def text(document):
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def leaf(count):
    entries = {ref.sha256(ref.u32(i)): (ref.sha256(b"x" + ref.u32(i)), 1024) for i in range(count)}
    return base64.b64encode(ref.build_index(entries)[0]).decode()


def bases(site):
    kdf = {"id": "a", "alg": "argon2id", "m": 65536, "t": 3, "p": 1, "epoch": 0}
    root = {
        "format": 1,
        "type": "root",
        "site": site,
        "name": "Example",
        "version": 1,
        "issued": ISSUED,
        "expires": "2027-11-21T09:00:00Z",
        "roles": {
            "root": {"threshold": 2, "keys": [key(1), key(2), key(3)]},
            "release": {"threshold": 1, "keys": [key(4)]},
            "timestamp": {"threshold": 1, "keys": [key(5), key(6)]},
        },
        "policy": {
            "kdf": [kdf],
            "code_length": [16],
            "phrases": False,
            "hardware": False,
            "lifetimes": {"root": 365, "release": 120, "timestamp": 7, "activation": 365},
            "offline_max": 30,
            "mirrors": ["https://mirror.example"],
            "inbox_key": "07" * 32,
            "formats": [{"format": 1}],
        },
        "critical": [],
    }
    release = {
        "format": 1,
        "type": "release",
        "site": site,
        "version": 7,
        "root": 1,
        "issued": ISSUED,
        "expires": "2027-03-21T09:00:00Z",
        "offline_until": "2026-12-21T09:00:00Z",
        "index": {"activations": {"count": 200, "sha256": "ab" * 32}, "packs": {"count": 1, "node": leaf(1)}},
        "public": {"sha256": "cd" * 32, "length": 2},
        "inbox_url": "https://inbox.example/",
        "critical": [],
    }
    timestamp = {
        "format": 1,
        "type": "timestamp",
        "site": site,
        "version": 9,
        "root": 1,
        "issued": ISSUED,
        "expires": "2026-11-28T09:00:00Z",
        "release": {"version": 7, "length": 900, "sha256": "ef" * 32},
        "critical": [],
    }
    offer = {"profile": "debian", "title": "Debian", "pack_id": "01" * 32, "generation": 0, "pack_key": "02" * 32}
    activation = {
        "format": 1,
        "site": site,
        "locator": "04" * 32,
        "status": "active",
        "org": "north",
        "label": "pc-07",
        "not_before": ISSUED,
        "not_after": "2027-11-21T09:00:00Z",
        "uses": 5,
        "online": False,
        "machines": [],
        "offers": [offer | {"unattended": False}],
        "answers": {"hostname": "pc-07"},
        "critical": [],
    }
    return {"root": root, "release": release, "timestamp": timestamp, "activation": activation}


def changed(base, path, value):
    document = copy.deepcopy(base)
    *parents, last = path.split(".")
    inner = document
    for name in parents:
        inner = inner[int(name) if isinstance(inner, list) else name]
    last = int(last) if isinstance(inner, list) else last
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return text(document)


def any_kind(base, broken):
    """Cases that every kind of document has; `broken` is the exit code of what is not well-formed."""
    good = text(base)
    yield "0-good", good
    yield "0-without-a-line-feed", good[:-1]
    yield "0-indented", json.dumps(base, indent=2).encode()
    yield "0-unknown-member", changed(base, "colour", {"deep": [{"er": None}]})
    yield "0-largest-integer", changed(base, "colour", FAR)
    yield "27-format-2", changed(base, "format", 2)
    yield "27-format-0", changed(base, "format", 0)
    yield "27-format-2-of-another-shape", b'{"format":2,"colour":{}}'
    yield "27-unknown-critical-name", changed(base, "critical", ["colour"])
    yield f"{broken}-format-missing", changed(base, "format", None)
    yield f"{broken}-format-a-string", changed(base, "format", "1")
    yield f"{broken}-site-missing", changed(base, "site", None)
    yield f"{broken}-site-in-lower-case", changed(base, "site", base["site"].lower())
    yield f"{broken}-site-too-short", changed(base, "site", base["site"][:-1])
    yield f"{broken}-site-with-unused-bits-set", changed(base, "site", base["site"][:-1] + "9")
    yield f"{broken}-byte-order-mark", b"\xef\xbb\xbf" + good
    yield f"{broken}-two-line-feeds", good + b"\n"
    yield f"{broken}-carriage-return", good[:-1] + b"\r\n"
    yield f"{broken}-blank-behind", good[:-1] + b" "
    yield f"{broken}-blank-before", b" " + good
    yield f"{broken}-second-document", good[:-1] + good
    yield f"{broken}-a-list", b"[" + good[:-1] + b"]"
    yield f"{broken}-empty", b""
    yield f"{broken}-cut", good[:-3]
    yield f"{broken}-not-utf-8", good[:-2] + b',"colour":"\xff"}\n'
    yield f"{broken}-member-twice", good[:-2] + b',"format":1}\n'
    yield f"{broken}-member-twice-by-escape", good[:-2] + b',"\\u0066ormat":1}\n'
    yield f"{broken}-unknown-member-twice-inside", good[:-2] + b',"colour":{"a":1,"b":2,"a":1}}\n'
    for name, value in (("fraction", b"1.0"), ("exponent", b"1e3"), ("negative", b"-1"), ("negative-zero", b"-0"), ("two-to-the-53", b"9007199254740992")):
        yield f"{broken}-number-{name}", good[:-2] + b',"colour":' + value + b"}\n"
    yield f"{broken}-nine-deep", good[:-2] + b',"colour":' + b"[" * 8 + b"]" * 8 + b"}\n"
    yield "0-eight-deep", good[:-2] + b',"colour":' + b"[" * 7 + b"]" * 7 + b"}\n"


def signed_kind(base, days):
    yield "24-type-of-another-document", changed(base, "type", "timestamp" if base["type"] != "timestamp" else "release")
    yield "24-type-missing", changed(base, "type", None)
    yield "24-version-0", changed(base, "version", 0)
    yield "24-version-a-string", changed(base, "version", "1")
    yield "24-expires-when-issued", changed(base, "expires", ISSUED)
    for name, time in (
        ("with-offset", "2026-11-25T09:00:00+00:00"),
        ("with-fraction", "2026-11-25T09:00:00.0Z"),
        ("in-lower-case", "2026-11-25t09:00:00z"),
        ("of-no-day", "2026-11-31T09:00:00Z"),
        ("a-leap-second", "2026-11-25T23:59:60Z"),
    ):
        yield f"24-time-{name}", changed(base, "expires", time)
    longest = {7: "2026-11-28", 30: "2026-12-21", 400: "2027-12-26"}[days]
    yield f"0-longest-life-of-{days}-days", changed(base, "expires", f"{longest}T09:00:00Z")
    yield f"24-life-of-{days}-days-and-a-second", changed(base, "expires", f"{longest}T09:00:01Z")


def root(base):
    yield from signed_kind(base, 400)
    keys = base["roles"]["root"]["keys"]
    yield "0-eight-root-keys", changed(base, "roles.root.keys", keys + [key(n) for n in range(11, 16)])
    yield "24-nine-root-keys", changed(base, "roles.root.keys", keys + [key(n) for n in range(11, 17)])
    yield "24-threshold-0", changed(base, "roles.root.threshold", 0)
    yield "24-threshold-above-the-number-of-keys", changed(base, "roles.root.threshold", 4)
    yield "24-no-root-keys", changed(base, "roles.root.keys", [])
    for role in ("release", "timestamp"):
        four = [key(n) for n in range(11, 15)]
        yield f"0-four-{role}-keys", changed(base, f"roles.{role}.keys", four)
        yield f"24-five-{role}-keys", changed(base, f"roles.{role}.keys", four + [key(15)])
        two = json.loads(changed(base, f"roles.{role}.keys", four))
        yield f"24-{role}-threshold-2", changed(two, f"roles.{role}.threshold", 2)
        yield f"24-{role}-threshold-0", changed(base, f"roles.{role}.threshold", 0)
        yield f"24-no-{role}-keys", changed(base, f"roles.{role}.keys", [])
        yield f"24-root-key-also-signs-{role}s", changed(base, f"roles.{role}.keys", [key(1)])
        yield f"24-{role}-role-missing", changed(base, f"roles.{role}", None)
    yield "24-key-bytes-twice", changed(base, "roles.root.keys.1.key", keys[0]["key"])
    yield "24-key-bytes-in-two-roles", changed(base, "roles.release.keys.0.key", keys[0]["key"])
    yield "24-key-id-twice", changed(base, "roles.root.keys.1.id", keys[0]["id"])
    yield "24-key-id-in-two-roles", changed(base, "roles.timestamp.keys.0.id", keys[0]["id"])
    yield "24-key-id-in-lower-case", changed(base, "roles.root.keys.0.id", "0a" * 8)
    yield "24-key-id-without-its-zero", changed(base, "roles.root.keys.0.id", "A" * 15)
    yield "24-key-in-upper-case", changed(base, "roles.root.keys.0.key", keys[0]["key"].upper())
    yield "24-key-of-31-bytes", changed(base, "roles.root.keys.0.key", keys[0]["key"][2:])
    yield "24-key-of-small-order", changed(base, "roles.root.keys.0.key", "01" + "00" * 31)
    yield "24-key-not-canonical", changed(base, "roles.root.keys.0.key", "f0" + "ff" * 30 + "7f")
    yield "24-key-not-on-the-curve", changed(base, "roles.root.keys.0.key", "02" + "00" * 31)
    first = base["policy"]["kdf"][0]
    yield "0-two-derivations", changed(base, "policy.kdf", [first, first | {"id": "b", "epoch": 4294967295}])
    yield "24-no-derivation", changed(base, "policy.kdf", [])
    yield "24-three-derivations", changed(base, "policy.kdf", [first | {"id": name} for name in "abc"])
    yield "24-derivation-name-twice", changed(base, "policy.kdf", [first, first])
    for name, change in (
        ("of-256-mib-and-4-passes", {"m": 262144, "t": 4}),
        ("of-128-mib-and-8-passes", {"m": 131072, "t": 8}),
    ):
        yield f"0-derivation-{name}", changed(base, "policy.kdf", [first | change])
    for name, change in (
        ("by-argon2i", {"alg": "argon2i"}),
        ("under-64-mib", {"m": 65535}),
        ("over-256-mib", {"m": 262145}),
        ("of-2-passes", {"t": 2}),
        ("of-9-passes", {"t": 9}),
        ("over-1-gib-in-all", {"m": 262144, "t": 5}),
        ("of-2-lanes", {"p": 2}),
    ):
        yield f"27-derivation-{name}", changed(base, "policy.kdf", [first | change])
    yield "0-codes-of-both-lengths", changed(base, "policy.code_length", [16, 20])
    yield "27-codes-of-24-symbols", changed(base, "policy.code_length", [16, 24])
    yield "24-codes-of-no-length", changed(base, "policy.code_length", [])
    for name, most in (("root", 400), ("release", 400), ("timestamp", 30)):
        yield f"0-policy-{name}-life-at-its-ceiling", changed(base, f"policy.lifetimes.{name}", most)
        yield f"24-policy-{name}-life-above-its-ceiling", changed(base, f"policy.lifetimes.{name}", most + 1)
    yield "0-never-offline", changed(base, "policy.offline_max", 0)
    yield "0-offline-at-its-ceiling", changed(base, "policy.offline_max", 400)
    yield "24-offline-above-its-ceiling", changed(base, "policy.offline_max", 401)


def release(base):
    yield from signed_kind(base, 400)
    yield "0-never-offline", changed(base, "offline_until", ISSUED)
    yield "24-offline-until-missing", changed(base, "offline_until", None)
    yield "24-offline-for-more-than-400-days", changed(base, "offline_until", "2027-12-26T09:00:01Z")
    empty, node = leaf(0), base["index"]["packs"]["node"]
    yield "0-empty-map", changed(base, "index.packs", {"count": 0, "node": empty})
    yield "0-inlined-node-of-1096-bytes", changed(base, "index.packs", {"count": 16, "node": leaf(16)})
    yield "24-inlined-node-of-1164-bytes", changed(base, "index.packs", {"count": 17, "node": leaf(17)})
    yield "24-map-both-inlined-and-named", changed(base, "index.packs.sha256", "ab" * 32)
    yield "24-map-neither-inlined-nor-named", changed(base, "index.packs", {"count": 1})
    yield "24-map-missing", changed(base, "index.activations", None)
    unpadded, alphabet = node.rstrip("="), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    assert unpadded != node
    loose = unpadded[:-1] + alphabet[alphabet.index(unpadded[-1]) + 1] + "=" * (len(node) - len(unpadded))
    yield "24-inlined-node-without-padding", changed(base, "index.packs.node", unpadded)
    yield "24-inlined-node-with-unused-bits-set", changed(base, "index.packs.node", loose)
    yield "24-hash-in-upper-case", changed(base, "public.sha256", "CD" * 32)
    yield "24-hash-of-31-bytes", changed(base, "public.sha256", "cd" * 31)


def timestamp(base):
    yield from signed_kind(base, 30)
    yield "0-release-of-8-kib", changed(base, "release.length", 8192)
    yield "24-release-of-more-than-8-kib", changed(base, "release.length", 8193)
    yield "24-release-missing", changed(base, "release", None)
    yield "24-hash-in-upper-case", changed(base, "release.sha256", "EF" * 32)


def activation(base):
    yield "0-used-up-without-offers", changed(json.loads(changed(base, "offers", [])), "status", "used-up")
    yield "25-of-another-site", changed(base, "site", "A" * 26)
    yield "25-of-another-locator", changed(base, "locator", "05" * 32)
    yield "25-status-unknown", changed(base, "status", "sleeping")
    yield "25-not-after-missing", changed(base, "not_after", None)
    yield "25-organisation-not-a-name", changed(base, "org", "../north")
    yield "25-pack-key-of-31-bytes", changed(base, "offers.0.pack_key", "02" * 31)
    yield "25-pack-key-in-upper-case", changed(base, "offers.0.pack_key", "AB" * 32)
    yield "25-generation-above-32-bits", changed(base, "offers.0.generation", 2**32)


def make(site):
    files = {}
    special = {"root": root, "release": release, "timestamp": timestamp, "activation": activation}
    for kind, base in bases(site).items():
        for name, body in [*any_kind(base, 25 if kind == "activation" else 24), *special[kind](base)]:
            assert f"{kind}/{name}.json" not in files, name
            files[f"{kind}/{name}.json"] = body
    return files
