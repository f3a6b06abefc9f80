"""Asks OpenSSL whether the SM2 line of an extract folder's checkpoint is right, and whether a changed text is wrong.

    python3 sm2_openssl.py FOLDER WORK
"""

import base64
import subprocess
import sys
from pathlib import Path

# SubjectPublicKeyInfo of an elliptic curve's point on sm2p256v1 (GB/T 35276).
SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")
TYPE = b"\xffsm2-sm3"


def main() -> None:
    folder, work = Path(sys.argv[1]), Path(sys.argv[2])
    keys = [line.split("+", 2) for line in (folder / "policy.txt").read_text().splitlines() if line.startswith("log ")]
    name, key_id, key = next(k for k in keys if base64.b64decode(k[2]).startswith(TYPE))
    point = base64.b64decode(key)[len(TYPE) :]
    note = (folder / "extract.tlog-proof").read_text().partition("\n\n")[2]
    text, _, signatures = note.rpartition("\n\n")
    signed = [base64.b64decode(line.rsplit(" ", 1)[1]) for line in signatures.splitlines()]
    signature = next(s[4:] for s in signed if s[:4].hex() == key_id)
    pem = base64.encodebytes(SPKI + point).decode()
    (work / "sm2.pem").write_text(f"-----BEGIN PUBLIC KEY-----\n{pem}-----END PUBLIC KEY-----\n")
    (work / "sm2.sig").write_bytes(signature)
    command = [
        "openssl", "pkeyutl", "-verify", "-pubin", "-inkey", work / "sm2.pem", "-rawin", "-digest", "sm3",
        "-pkeyopt", "distid:1234567812345678", "-sigfile", work / "sm2.sig", "-in", work / "sm2.txt",
    ]
    (work / "sm2.txt").write_text(text + "\n")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (work / "sm2.txt").write_text(text + "\n\n")
    assert subprocess.run(command, capture_output=True).returncode != 0, "OpenSSL believes a changed text"
    print(f"OpenSSL: the SM2 signature of {name.removeprefix('log ')} is right")


if __name__ == "__main__":
    main()
