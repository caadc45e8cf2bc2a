#!/usr/bin/env python3
"""Asks zbar, a reader that shares nothing with the program, for every code of the gallery.

    tests/gallery/codes.py target/gallery/codes
"""

import subprocess
import sys
from pathlib import Path


def main():
    folder = Path(sys.argv[1])
    pictures = sorted(folder.glob("*.png"))
    if not pictures:
        sys.exit(f"no pictures in {folder}")
    wrong = 0
    for picture in pictures:
        wanted = picture.with_suffix(".txt").read_text("utf-8")
        decoded = subprocess.run(["zbarimg", "-q", "--raw", "-Sdisable", "-Sqrcode.enable", picture],
                              capture_output=True, text=True, check=False).stdout.rstrip("\n")
        if decoded != wanted:
            wrong += 1
            print(f"{picture.name}: read as {decoded!r}, wanted {wanted!r}")
    print(f"zbar: {len(pictures) - wrong} passed, {wrong} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
