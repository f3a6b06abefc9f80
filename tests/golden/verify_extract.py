#!/usr/bin/env python3
"""Verifies an extract folder of Greenpark. Written from proto/decisions/0018-what-was-published.md; shares no code with
the service.

    python3 verify_extract.py FOLDER [--policy FILE] [--since FILE]

Needs `pip install cryptography pyarrow`. It checks the digests, both signatures (Ed25519 and SM2 with SM3), that the
manifest is in the signed log, that the log begins with an older checkpoint, and by the readings themselves: the table of
readings, the daily totals of interval and event meters, and that each figure is its numerator over its denominator.
"""

import argparse
import base64
import csv
import hashlib
import json
import re
import sys
from decimal import ROUND_HALF_EVEN, Decimal, getcontext
from pathlib import Path

import pyarrow.parquet as pq
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

getcontext().prec = 60
BESIDE = {"manifest.json", "extract.tlog-proof", "policy.txt", "consistency.txt"}
DAY_MS, SHANGHAI_MS = 86_400_000, 8 * 3_600_000


class Wrong(Exception):
    """Why a folder is not believed."""


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def sm3(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SM3())
    digest.update(data)
    return digest.finalize()


# ---- SM2 (GB/T 32918): the curve, and the check of a signature ----

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)


def add(one, other):
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    if one == other:
        slope = (3 * x1 * x1 + A) * pow(2 * y1, -1, P) % P
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, P) % P
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


def multiply(times: int, point):
    found = None
    while times:
        if times & 1:
            found = add(found, point)
        point = add(point, point)
        times >>= 1
    return found


def der_integers(data: bytes) -> tuple[int, int]:
    """The two integers of a DER sequence, in the only form that DER allows."""

    def item(data: bytes, tag: int) -> tuple[bytes, bytes]:
        if len(data) < 2 or data[0] != tag or data[1] >= 0x80 or len(data) < 2 + data[1]:
            raise Wrong("an SM2 signature is no DER")
        return data[2 : 2 + data[1]], data[2 + data[1] :]

    body, rest = item(data, 0x30)
    r, body = item(body, 0x02)
    s, body = item(body, 0x02)
    for number in (r, s):
        minimal = number and number[0] < 0x80 and (len(number) == 1 or number[0] or number[1] >= 0x80)
        if not minimal:
            raise Wrong("an SM2 signature is no DER")
    if rest or body:
        raise Wrong("an SM2 signature has more bytes than it needs")
    return int.from_bytes(r, "big"), int.from_bytes(s, "big")


def sm2_verifies(key: bytes, text: bytes, signature: bytes) -> bool:
    if len(key) != 65 or key[0] != 4:
        return False
    point = int.from_bytes(key[1:33], "big"), int.from_bytes(key[33:], "big")
    if (point[1] ** 2 - point[0] ** 3 - A * point[0] - B) % P:
        return False
    r, s = der_integers(signature)
    if not (0 < r < N and 0 < s < N):
        return False
    identity = b"1234567812345678"
    number = lambda value: value.to_bytes(32, "big")
    curve = number(A) + number(B) + number(G[0]) + number(G[1])
    za = sm3((len(identity) * 8).to_bytes(2, "big") + identity + curve + number(point[0]) + number(point[1]))
    e = int.from_bytes(sm3(za + text), "big")
    t = (r + s) % N
    found = add(multiply(s, G), multiply(t, point)) if t else None
    return found is not None and (e + found[0]) % N == r


def ed25519_verifies(key: bytes, text: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


ALGORITHMS = {b"\x01": (ed25519_verifies, 1), b"\xffsm2-sm3": (sm2_verifies, 8)}


# ---- keys, notes, checkpoints ----


def decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Wrong(f"{text[:20]!r} is no base64") from error


class Key:
    def __init__(self, text: str):
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise Wrong(f"{text!r} is no key")
        self.text, self.name, key = text, parts[0], decode(parts[2])
        kind = next((kind for kind in ALGORITHMS if key.startswith(kind)), None)
        if kind is None:
            raise Wrong(f"{text!r} is a key of an unknown algorithm")
        self.id = sha256(self.name.encode() + b"\n" + key)[:4]
        if parts[1] != self.id.hex():
            raise Wrong(f"{text!r} has a wrong ID")
        self.verifies, skip = ALGORITHMS[kind]
        self.key = key[skip:]


def read_policy(text: str) -> list[Key]:
    lines = [line.split() for line in text.splitlines()]
    lines = [words for words in lines if words and not words[0].startswith("#")]
    keys = [Key(words[1]) for words in lines if len(words) == 2 and words[0] == "log"]
    quorums = [words for words in lines if words == ["quorum", "none"]]
    if len(keys) + len(quorums) != len(lines) or len(quorums) != 1 or not keys:
        raise Wrong("the policy has a line that is neither `log KEY` nor `quorum none`")
    if len({key.name for key in keys}) != 1:
        raise Wrong("the policy names more than one log")
    return keys


def open_note(note: str, keys: list[Key]) -> str:
    """The text of a note that every key signed."""
    text, found, signatures = note.rpartition("\n\n")
    if not found or not signatures.endswith("\n"):
        raise Wrong("the checkpoint is no signed note")
    text += "\n"
    lines = [re.fullmatch("\u2014 (\\S+) (\\S+)", line) for line in signatures[:-1].split("\n")]
    if not all(lines):
        raise Wrong("the checkpoint has a line that is no signature")
    signed = [(line[1], decode(line[2])) for line in lines]
    for key in keys:
        own = [of[4:] for name, of in signed if name == key.name and of[:4] == key.id]
        if len(own) != 1 or not key.verifies(key.key, text.encode(), own[0]):
            raise Wrong(f"the checkpoint is not signed by {key.text}")
    return text


def read_checkpoint(note: str, keys: list[Key]) -> tuple[int, bytes]:
    lines = open_note(note, keys).split("\n")
    if len(lines) != 4 or lines[3] or not re.fullmatch("0|[1-9][0-9]*", lines[1]):
        raise Wrong("the note is no checkpoint")
    if lines[0] != keys[0].name:
        raise Wrong(f"the checkpoint is of the log {lines[0]}, and not of {keys[0].name}")
    root = decode(lines[2])
    if len(root) != 32:
        raise Wrong("the checkpoint has no root")
    return int(lines[1]), root


# ---- the hash tree (RFC 9162, sections 2.1.3.2 and 2.1.4.2) ----


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf)


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right)


def included(index: int, leaf: bytes, path: list[bytes], size: int, root: bytes) -> bool:
    if index >= size:
        return False
    fn, sn, found = index, size - 1, leaf
    for step in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            found = node_hash(step, found)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            found = node_hash(found, step)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and found == root


def consistent(older: int, older_root: bytes, path: list[bytes], size: int, root: bytes) -> bool:
    if older == size:
        return not path and older_root == root
    if not 0 < older < size:
        return False
    if older & (older - 1) == 0:
        path = [older_root, *path]
    if not path:
        return False
    fn, sn = older - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = path[0]
    for step in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            first, second = node_hash(step, first), node_hash(step, second)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            second = node_hash(second, step)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and first == older_root and second == root


# ---- the folder ----


def read_text(files: dict[str, bytes], name: str) -> str:
    if name not in files:
        raise Wrong(f"{name} is missing")
    try:
        return files[name].decode()
    except UnicodeDecodeError as error:
        raise Wrong(f"{name} is no text") from error


def check_files(files: dict[str, bytes], manifest: dict) -> None:
    for name, of in manifest["files"].items():
        data = files.get(name)
        if data is None or len(data) != of["bytes"] or sha256(data).hex() != of["sha256"]:
            raise Wrong(f"{name} is not the file of the manifest")
    stray = set(files) - set(manifest["files"]) - BESIDE
    if stray:
        raise Wrong(f"{sorted(stray)} are not in the manifest")
    for name, data in files.items():
        if name.startswith("readings/") and not name.endswith(f".{sha256(data).hex()[:16]}.parquet"):
            raise Wrong(f"{name} does not begin its digest")


def check_proof(files: dict[str, bytes], manifest: dict, keys: list[Key]) -> tuple[int, bytes]:
    head, found, note = read_text(files, "extract.tlog-proof").partition("\n\n")
    lines = head.split("\n")
    index = re.fullmatch("index (0|[1-9][0-9]*)", lines[1]) if len(lines) > 1 else None
    if not found or lines[0] != "c2sp.org/tlog-proof@v1" or not index:
        raise Wrong("extract.tlog-proof is no proof")
    size, root = read_checkpoint(note, keys)
    text = files["manifest.json"]
    leaf = {
        "kind": "extract", "name": manifest["name"], "sha256": sha256(text).hex(), "size": len(text),
        "recorded_at": manifest["as_of_ms"], "version": 0,
    }
    line = json.dumps(leaf, separators=(",", ":"), ensure_ascii=False).encode()
    path = [decode(line) for line in lines[2:]]
    if not included(int(index[1]), leaf_hash(line), path, size, root):
        raise Wrong("the manifest is not in the signed log")
    return size, root


def check_since(files: dict[str, bytes], head: tuple[int, bytes], since: str, keys: list[Key]) -> None:
    note = since.partition("\n\n")[2] if since.startswith("c2sp.org/tlog-proof@v1\n") else since
    older, older_root = read_checkpoint(note, keys)
    path = []
    if older != head[0]:
        lines = read_text(files, "consistency.txt").split("\n")
        if lines[0] != f"older {older}" or lines[-1]:
            raise Wrong("consistency.txt does not start from the older checkpoint")
        path = [decode(line) for line in lines[1:-1]]
    if not consistent(older, older_root, path, *head):
        raise Wrong("the log does not begin with the older checkpoint")


# ---- what follows from the readings ----


def read_rows(files: dict[str, bytes], root: Path) -> list[dict]:
    rows = []
    for name in sorted(name for name in files if name.startswith("readings/")):
        for row in pq.ParquetFile(root / name).read().to_pylist():
            if not row["superseded"]:
                row["ms"] = round(row["instant"].timestamp() * 1000)
                rows.append(row)
    return rows


def table(files: dict[str, bytes], name: str) -> list[dict]:
    return list(csv.DictReader(read_text(files, name).removeprefix("\ufeff").splitlines()))


def day_number(text: str) -> int:
    from datetime import date

    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def civil_day(ms: int) -> int:
    return (ms + SHANGHAI_MS) // DAY_MS


def check_readings(files: dict[str, bytes], manifest: dict, rows: list[dict]) -> int:
    """The table of readings has the readings of the sealed files, and no other."""
    first, last = day_number(manifest["first"]), day_number(manifest["last"])
    within = [row for row in rows if first <= civil_day(row["ms"]) <= last]
    key = lambda row: (row["meter"], row["quantity"], row["kind"], Decimal(row["value"]), row["flag"])
    expected = sorted(map(key, within))
    found = sorted(map(key, table(files, "readings.csv")))
    if expected != found:
        raise Wrong("readings.csv does not have the readings of the sealed files")
    return len(found)


def multipliers(files: dict[str, bytes]) -> dict[tuple[str, str], list]:
    """The registrations of each meter and quantity, the latest first."""
    found: dict[tuple[str, str], list] = {}
    for line in read_text(files, "reference.jsonl").splitlines():
        entry = json.loads(line)
        if entry["kind"] == "meter":
            body = json.loads(entry["body"])
            to = day_number(entry["valid_to"]) if entry["valid_to"] else None
            dated = (day_number(entry["valid_from"]), to, Decimal(body.get("multiplier", "1")))
            found.setdefault((entry["subject"].split("/")[5], body["quantity"]), []).insert(0, dated)
    return found


def check_totals(files: dict[str, bytes], manifest: dict, rows: list[dict]) -> int:
    """The daily totals of meters that send amounts, not registers, are the sums of their readings."""
    dated = multipliers(files)
    withdrawn = any('"kind":"withdrawal"' in line for line in read_text(files, "reference.jsonl").splitlines())
    sums: dict[tuple, Decimal] = {}
    for row in rows:
        if row["kind"] in ("interval", "event") and row["flag"] in ("N", "S"):
            day = civil_day(row["ms"])
            of = (entry for entry in dated.get((row["meter"], row["quantity"]), []))
            times = next((t for f, to, t in of if f <= day and (to is None or day <= to)), Decimal(1))
            key = (row["meter"], row["quantity"], row["kind"], day)
            sums[key] = sums.get(key, Decimal(0)) + row["value"] * times
    checked = 0
    for row in table(files, "daily-totals.csv"):
        key = (row["meter"], row["quantity"], row["kind"], day_number(row["day"]))
        if row["kind"] not in ("interval", "event") or withdrawn:
            continue
        if sums.get(key, Decimal(0)).quantize(Decimal("1e-6"), ROUND_HALF_EVEN) != Decimal(row["consumption"]):
            raise Wrong(f"daily-totals.csv: {key} is {row['consumption']}, and the readings sum to {sums.get(key)}")
        checked += 1
    return checked


def check_figures(files: dict[str, bytes]) -> int:
    checked = 0
    for figure in json.loads(read_text(files, "figures.json")):
        if not figure["value"]:
            continue
        above, below = (Decimal(figure[term].split(" ")[0]) for term in ("numerator", "denominator"))
        value = above / below * (100 if figure["unit"] == "percent" else 1)
        if value.quantize(Decimal("1e-6"), ROUND_HALF_EVEN) != Decimal(figure["value"]):
            raise Wrong(f"figures.json: {figure['indicator']} is not its numerator over its denominator")
        checked += 1
    return checked


def verify(root: Path, policy: str | None = None, since: str | None = None) -> dict:
    """What the folder was found to hold; raises Wrong."""
    files = {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if not p.is_dir()}
    try:
        manifest = json.loads(read_text(files, "manifest.json"))
        if manifest["format"] != "greenpark-extract/1":
            raise Wrong(f"the format is {manifest['format']}")
        check_files(files, manifest)
        own = read_text(files, "policy.txt")
        if own != "".join(f"log {key.text}\n" for key in read_policy(own)) + "quorum none\n":
            raise Wrong("policy.txt was written anew")
        keys = read_policy(policy if policy is not None else own)
        if [key.text for key in keys] != [key.text for key in read_policy(own)]:
            raise Wrong("policy.txt names other keys than those that were given")
        head = check_proof(files, manifest, keys)
        if since is not None:
            check_since(files, head, since, keys)
        rows = read_rows(files, root)
        return {
            "name": manifest["name"], "log": keys[0].name, "leaves": head[0], "files": len(manifest["files"]),
            "readings": check_readings(files, manifest, rows), "totals": check_totals(files, manifest, rows),
            "figures": check_figures(files),
        }
    except Wrong:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, ArithmeticError, OSError) as error:
        raise Wrong(f"the folder cannot be read: {error!r}") from error


def main() -> int:
    parser = argparse.ArgumentParser(description="Verifies an extract folder of Greenpark.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--policy", type=Path, help="the keys that the park gave before")
    parser.add_argument("--since", type=Path, help="a checkpoint that was kept before")
    args = parser.parse_args()
    try:
        found = verify(
            args.folder, args.policy and args.policy.read_text(), args.since and args.since.read_text()
        )
    except (Wrong, OSError) as wrong:
        print(f"wrong: {wrong}", file=sys.stderr)
        return 1
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
