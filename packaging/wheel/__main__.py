"""Run the program that this package carries: python -m omniproxy."""

import os
import subprocess
import sys
from importlib.metadata import files

program = next(
    str(f.locate().resolve())
    for f in files("omniproxy")
    if f.name in ("omniproxy", "omniproxy.exe") and f.parent.name in ("bin", "Scripts")
)
if os.name == "nt":
    sys.exit(subprocess.call([program, *sys.argv[1:]]))
os.execv(program, [program, *sys.argv[1:]])
