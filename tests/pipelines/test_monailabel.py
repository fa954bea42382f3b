"""MONAI Label's server serves synthetic images and makes them when asked, as docs/how-to/monai-label.md says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "monai-label.md"
PRIVATE = ("-rnp", "--fork", "--kill-child")
LOOPBACK = (
    "import fcntl, socket, struct; "
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 1))"  # SIOCSIFFLAGS, IFF_UP
)
ASK_MORE = """
ask() {
  curl -s -X POST "$SERVER/infer/t2_from_t1?image=$2&output=json" -F "params=$3" -o "$1" -w '%{http_code}' >"$1.code"
}
cp scan.nii.gz studies/late.nii.gz
ask again.json second '{"add_image": true}'
ask label.json scan '{"save_label": true}'
ask synthetic.json scan_desc-medganFromT1w_T2w '{}'
until curl -sf "$SERVER/datastore/?output=all" -o store.json && grep -q late store.json; do sleep 0.5; done
kill %1
"""


@pytest.fixture
def page(head: Callable[..., Path], tiny_run: Path, tmp_path: Path) -> Callable[[], Path]:
    """Run the page's blocks, but for installing and Orthanc, and then `ASK_MORE`; gives the folder."""
    label, unshare = shutil.which("monailabel"), shutil.which("unshare")
    if label is None:
        pytest.skip(
            "MONAI Label is not installed (monailabel is not on the PATH; pip install monailabel 'pydicom<3')"
        )
    if shutil.which("curl") is None or shutil.which("jq") is None:
        pytest.skip("curl or jq is not installed")
    if unshare is None or subprocess.run([unshare, *PRIVATE, "true"], capture_output=True).returncode:
        pytest.skip("no private network namespace can be made here (unshare -rnp)")
    commands, folder = tmp_path / "commands", tmp_path / "page"
    commands.mkdir()
    folder.mkdir()
    # The tiny model is a run in the folder where medgan starts, which for the server's is the same.
    medgan = f'#!/bin/sh\nexport PYTHONPATH={ROOT}\nexec {sys.executable} -m medgan "$@"\n'
    (commands / "medgan").write_text(medgan, encoding="utf-8")
    (commands / "medgan").chmod(0o755)
    (folder / "medgan-run").symlink_to(tiny_run)
    (folder / "pipelines").symlink_to(ROOT / "pipelines")
    turned = np.array([[0, 5, 0, -80], [-4.8, 0, 1.4, 90], [1.4, 0, 4.8, -60], [0, 0, 0, 1.0]])
    head(folder / "scan.nii.gz", "t1", 1, affine=turned)
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(label).parent), str(commands), os.environ["PATH"]]),
        "OMP_NUM_THREADS": "1",
        "HOME": str(tmp_path),  # MONAI Label keeps sessions there
    }
    environment.pop("PYTHONPATH", None)

    def run() -> Path:
        blocks = re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
        script = "".join(block for block in blocks if "pip install" not in block and "8042" not in block)
        up = f'{sys.executable} -c "{LOOPBACK}"\n'
        command = [unshare, *PRIVATE, "bash", "-euo", "pipefail", "-c", up + script + ASK_MORE]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False
        )
        log = folder / "server.log"
        assert done.returncode == 0, done.stderr[-2000:] + (log.read_text()[-3000:] if log.exists() else "")
        return folder

    return run


def document(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_server_serves_makes_and_keeps_synthetic_images_and_takes_none_for_a_label(
    page: Callable[[], Path],
) -> None:
    folder = page()
    assert {model["type"] for model in document(folder / "info.json")["models"].values()} == {"others"}
    source = nibabel.load(folder / "scan.nii.gz")
    made = nibabel.load(folder / "studies" / "scan_desc-medganFromT1w_T2w.nii.gz")
    for name in ("stored_t2", "sent_t2", "studies/second_desc-medganFromT1w_T2w"):
        image = nibabel.load(folder / f"{name}.nii.gz")
        np.testing.assert_array_equal(image.affine, source.affine)
        np.testing.assert_array_equal(np.asarray(image.dataobj), np.asarray(made.dataobj))
        assert b"synthetic T2w from T1w" in bytes(image.header["descrip"])
    held = document(folder / "store.json")["objects"]
    synthetic = {f"{name}_desc-medganFromT1w_T2w" for name in ("scan", "second")}
    assert held.keys() == {"scan", "second", "late"} | synthetic
    assert held["second_desc-medganFromT1w_T2w"]["image"]["info"]["synthetic"] is True
    assert not any(each["labels"] for each in held.values())
    for name, cause in (("again", "already"), ("label", "no label"), ("synthetic", "itself synthetic")):
        assert (folder / f"{name}.json.code").read_text() == "422"
        assert cause in document(folder / f"{name}.json")["detail"]
