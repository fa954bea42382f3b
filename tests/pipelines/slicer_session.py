"""What 3D Slicer's libraries see in files, and how its views stand, as JSON; a process of its own, which they may end.

python slicer_session.py read A.nii.gz B.dcm     each volume's place; its voxels beside it as .npy
python slicer_session.py show SCRIPT A B C       each view, after SCRIPT has shown the volumes
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np

slicer = importlib.import_module("slicer")


class Session:
    """A scene as Slicer's application has it: colours, a layout, and volumes that are read by its own module."""

    def __init__(self) -> None:
        self.scene = slicer.vtkMRMLScene()
        self.application = slicer.vtkMRMLApplicationLogic()
        self.application.SetMRMLScene(self.scene)
        self.colours, self.layout = slicer.vtkMRMLColorLogic(), slicer.vtkMRMLLayoutLogic()
        self.volumes = slicer.vtkSlicerVolumesLogic()
        for name, logic in (("Colors", self.colours), ("Layout", self.layout), ("Volumes", self.volumes)):
            logic.SetMRMLScene(self.scene)
            logic.SetMRMLApplicationLogic(self.application)
            self.application.SetModuleLogic(name, logic)
        self.colours.AddDefaultColorNodes()
        self.views = importlib.import_module("vtkmodules.vtkCommonCore").vtkCollection()
        self.application.SetSliceLogics(self.views)

    def read(self, path: str) -> Any:
        """What slicer.util.loadVolume does, once Slicer's window has found the reader."""
        node = self.volumes.AddArchetypeVolume(path, Path(path).name.partition(".")[0], 0)
        if node is None:
            raise SystemExit(f"Slicer cannot read {path}")
        return node

    def open_views(self) -> None:
        """What Slicer's window does with a layout: a view for each of its nodes."""
        for index in range(self.scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
            view = slicer.vtkMRMLSliceLogic()
            view.SetMRMLApplicationLogic(self.application)
            view.SetMRMLScene(self.scene)
            view.AddSliceNode(self.scene.GetNthNodeByClass(index, "vtkMRMLSliceNode").GetLayoutName())
            self.views.AddItem(view)

    def name(self, key: str | None) -> str | None:
        return self.scene.GetNodeByID(key).GetName() if key else None

    def view(self, index: int) -> dict[str, Any]:
        node = self.scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
        return {
            "view": node.GetLayoutName(),
            "behind": self.name(node.GetBackgroundVolumeID()),
            "front": self.name(node.GetForegroundVolumeID()),
            "linked": bool(node.GetLinkedControl()),
        }


def place(node: Any) -> dict[str, Any]:
    matrix = importlib.import_module("vtkmodules.vtkCommonMath").vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    rows = [[matrix.GetElement(row, column) for column in range(4)] for row in range(4)]
    return {"affine": rows, "name": node.GetName()}


def read(session: Session, paths: list[str]) -> list[dict[str, Any]]:
    told = []
    for path in paths:
        node = session.read(path)
        np.save(f"{path}.npy", slicer.util.arrayFromVolume(node))
        told.append(place(node))
    return told


def show(session: Session, script: str, paths: list[str]) -> dict[str, Any]:
    spec = spec_from_file_location("shown", script)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    volumes = [session.read(path) for path in paths]
    module.arrange(session.scene)
    session.open_views()
    module.show(session.scene, *volumes)
    overlay = volumes[2].GetDisplayNode()
    return {
        "views": [
            session.view(index)
            for index in range(session.scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode"))
        ],
        "window": [overlay.GetWindowLevelMin(), overlay.GetWindowLevelMax()],
        "colours": session.name(overlay.GetColorNodeID()),
    }


if __name__ == "__main__":
    asked, *rest = sys.argv[1:]
    session = Session()  # kept to the end: Slicer's objects do not bear being taken apart in Python's order
    found: Any = read(session, rest) if asked == "read" else show(session, rest[0], rest[1:])
    print(json.dumps(found), flush=True)  # noqa: T201
    os._exit(0)
