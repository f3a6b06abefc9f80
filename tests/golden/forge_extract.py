"""Changes an extract folder in every way it can be changed, and asks both verifiers: each change must be found by both.

    python3 forge_extract.py BINARY FOLDER SINCE
"""

import concurrent.futures
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from verify_extract import Wrong, sha256, verify

CHANGES = 520


def with_manifest(folder: Path, name: str, data: bytes) -> None:
    """Writes a file, and its digest into the manifest."""
    text = (folder / "manifest.json").read_text()
    before, found, after = text.partition(f'"{name}": {{')
    if found:
        old = (folder / name).read_bytes()
        after = after.replace(f'"bytes": {len(old)},', f'"bytes": {len(data)},', 1)
        after = after.replace(sha256(old).hex(), sha256(data).hex(), 1)
        (folder / "manifest.json").write_text(before + found + after)
    (folder / name).write_bytes(data)


def change(folder: Path, chance: random.Random) -> str:
    """Changes something in the folder, and says what."""
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    # Every file is as likely as any other, sealed files together as one.
    sealed = [name for name in names if name.startswith("readings/")]
    name = chance.choice([n for n in names if n not in sealed] + [chance.choice(sealed)])
    data = bytearray((folder / name).read_bytes())
    kind = chance.choice(["flip", "flip", "flip", "cut", "grow", "remove", "swap", "stray", "edit", "line"])
    place = chance.randrange(len(data))
    if kind == "flip":
        data[place] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del data[place:]
    elif kind == "grow":
        data += b"\n"
    elif kind == "remove":
        (folder / name).unlink()
        return f"{name} removed"
    elif kind == "swap":
        other = chance.choice([n for n in names if n != name])
        one, two = (folder / name).read_bytes(), (folder / other).read_bytes()
        (folder / name).write_bytes(two)
        (folder / other).write_bytes(one)
        return f"{name} and {other} swapped"
    elif kind == "stray":
        (folder / "stray.csv").write_text("a\n")
        return "a stray file"
    elif kind == "edit":
        data[place] ^= 1
        with_manifest(folder, name, bytes(data))
        return f"{name}, byte {place}, with its digest in the manifest"
    elif kind == "line":
        lines = bytes(data).splitlines(keepends=True)
        line = chance.randrange(len(lines))
        data = bytearray(b"".join(lines[:line] + lines[line + 1 :]))
    (folder / name).write_bytes(bytes(data))
    return f"{name}: {kind} at {place}"


def one(binary: str, folder: Path, since: Path, seed: int) -> list[str]:
    chance = random.Random(seed)
    policy = folder / "policy.txt"
    with tempfile.TemporaryDirectory() as work:
        copy = Path(work) / "folder"
        shutil.copytree(folder, copy)
        what = change(copy, chance)
        missed = []
        same = all((copy / p).is_file() and (copy / p).read_bytes() == (folder / p).read_bytes()
                   for p in [q.relative_to(folder) for q in folder.rglob("*") if q.is_file()])
        if same and not (copy / "stray.csv").exists():
            return []
        try:
            verify(copy, policy.read_text(), since.read_text())
            missed.append(f"Python did not find: {what}")
        except Wrong:
            pass
        ours = subprocess.run(
            [binary, "verify", str(copy), "--policy", str(policy), "--since", str(since)], capture_output=True
        )
        if ours.returncode != 1:
            missed.append(f"greenpark did not find ({ours.returncode}): {what}")
        return missed


def main() -> int:
    binary, folder, since = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    verify(folder, (folder / "policy.txt").read_text(), since.read_text())
    subprocess.run(
        [binary, "verify", str(folder), "--since", str(since), "--format", "json"], check=True, capture_output=True
    )
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        missed = [line for lines in pool.map(lambda seed: one(binary, folder, since, seed), range(CHANGES)) for line in lines]
    print("\n".join(missed) if missed else f"{CHANGES} changes, each found by both verifiers")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
