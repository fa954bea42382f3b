"""An app for MONAI Label: its server makes the missing contrast of an image, by medgan in an environment of its own.

medgan needs pydicom 3, and MONAI Label 0.8.5 ends at its import with pydicom 3, so the server runs medgan as a program.
Copy this folder first: the server makes folders in it.

    cp -r pipelines/monailabel medgan-app
    monailabel start_server --app medgan-app --studies studies --host 127.0.0.1 --conf medgan /path/to/medgan

Settings (`--conf NAME VALUE`): `medgan`, the program (the one on the PATH if not given); `model` and `device`, as for
`medgan synthesize`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from monailabel.datastore.local import LocalDatastore
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

_LABELS = {"t1": "T1w", "t2": "T2w"}
_OTHER = {"t1": "T2w", "t2": "T1w"}
_REFUSED = 3


class MissingContrast(InferTask):
    """Makes one contrast of the other. It is an image and no segmentation, so its type is `others`.

    With `{"add_image": true}` in the request's `params` the image is also put into the data store, as
    `ID_desc-medganFromT1w_T2w`, to be annotated there.
    """

    def __init__(self, app: MONAILabelApp, target: str) -> None:
        self.app, self.target = app, target
        self.program = app.conf.get("medgan", "medgan")
        self.direction = f"desc-medganFrom{_OTHER[target]}_{_LABELS[target]}"
        about = (
            f"Synthetic {_LABELS[target]} from {_OTHER[target]}, by medgan. Research only, not for diagnosis."
        )
        super().__init__(InferType.OTHERS, None, 3, about)

    def is_valid(self) -> bool:
        """Whether there is a medgan."""
        return shutil.which(self.program) is not None

    def __call__(self, request: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """A NIfTI file on the image's grid, which the server removes once it is sent, and what is said of it."""
        if request.get("save_label"):
            raise HTTPException(
                422, "A synthetic image is no label; ask for add_image instead of save_label."
            )
        image = _as_acquired(Path(request["image"]))
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / f"{_stem(image)}_{self.direction}.nii.gz"
            self._synthesize(image, made)
            said = json.loads(Path(folder, f"{_stem(made)}.json").read_text(encoding="utf-8"))
            about = {
                "synthetic": True,
                "description": self.description,
                "warnings": said["Medgan"]["Warnings"],
            }
            if request.get("add_image"):
                about["image"] = self._add(made, about)
            number, kept = tempfile.mkstemp(suffix=f"_{self.direction}.nii.gz")
            os.close(number)
            shutil.move(made, kept)
        return kept, about

    def _synthesize(self, image: Path, made: Path) -> None:
        options = [
            text
            for name in ("model", "device")
            if name in self.app.conf
            for text in (f"--{name}", self.app.conf[name])
        ]
        command = [
            self.program,
            "synthesize",
            str(image),
            "--target",
            self.target,
            "--out",
            str(made),
            *options,
        ]
        environment = {
            name: value for name, value in os.environ.items() if name != "PYTHONPATH"
        }  # the server's own
        done = subprocess.run(
            [*command, "--quiet"], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise HTTPException(422 if done.returncode == _REFUSED else 500, done.stderr.strip())

    def _add(self, made: Path, about: dict[str, Any]) -> str:
        store = self.app.datastore()
        if type(store) is not LocalDatastore:  # those of archives keep DICOM series
            raise HTTPException(
                422, "add_image needs a folder as data store; send a derived series to an archive."
            )
        if _stem(made) in store.list_images():
            raise HTTPException(422, f"{_stem(made)} is in the data store already, and is not written over.")
        return str(store.add_image(_stem(made), str(made), dict(about)))


def _as_acquired(image: Path) -> Path:
    """The DICOM series that a DICOMweb store made a NIfTI file of: that has no mark of being synthetic any more."""
    series = image.with_name(_stem(image))
    return series if series.is_dir() else image


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


class Medgan(MONAILabelApp):
    """Both directions, and nothing else: this app trains nothing."""

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        about = "Makes T2w from T1w and T1w from T2w. Research software, not a medical device."
        super().__init__(app_dir, studies, conf, name="medgan", description=about)

    def init_infers(self) -> dict[str, InferTask]:
        """By what they make."""
        return {"t2_from_t1": MissingContrast(self, "t2"), "t1_from_t2": MissingContrast(self, "t1")}
