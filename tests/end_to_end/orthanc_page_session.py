"""Runs a script beside an Orthanc of its own and keeps what that holds then; in a namespace, as orthanc_session.py.

    unshare -rnp --fork --kill-child python orthanc_page_session.py SCRIPT WORK PLUGIN [SERIES ...]

The series are there from the beginning. What the archive holds in the end lies in WORK/held, an instance a file.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from orthanc_session import get, orthanc


def main(script: Path, work: Path, plugin: str, *folders: str) -> None:
    with orthanc(work, plugin):
        for file in (file for folder in folders for file in sorted(Path(folder).glob("*.dcm"))):
            get("/instances", data=file.read_bytes())
        shell = [shutil.which("bash") or "bash", "-euo", "pipefail", str(script)]
        code = subprocess.run(shell, cwd=script.parent, check=False).returncode
        (work / "held").mkdir()
        for instance in json.loads(get("/instances")):
            (work / "held" / f"{instance}.dcm").write_bytes(get(f"/instances/{instance}/file"))
    sys.exit(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
