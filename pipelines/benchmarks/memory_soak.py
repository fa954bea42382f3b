"""Whether memory grows: over syntheses in one process, and over the steps of a training.

Each runs in a process of its own, with tiny networks. The resident set is read after every volume or step; a line
is fitted to what follows the warm-up, in which libraries and caches fill.

    python pipelines/benchmarks/memory_soak.py [--volumes 200] [--steps 2000] [--json FILE] [--picture FILE.png]

The exit code is 1 where memory grows by more than the limit.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import tiny

SETTINGS = (
    *tiny.SETTINGS,
    "training.steps_per_epoch=20",
    "training.checkpoint_seconds=2",
    "training.preview_seconds=2",
    "simulation.heads=0",
)
LIMIT = 1.0
"""MiB that 100 volumes or steps may add."""
WARM_UP = 0.3
"""The share of the volumes or steps in which memory may grow."""
_KINDS = {"volumes": "volumes synthesised", "steps": "training steps"}


def resident() -> float:
    """MiB of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def open_files() -> int:
    """How many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def over_steps(folder: Path, number: int) -> dict[str, list[float]]:
    """Train for `number` steps, with previews, checkpoints and models on the way."""
    from medgan.training import Observer, Status, train

    class Watch(Observer):
        def __init__(self) -> None:
            self.memory: list[float] = []
            self.files: list[float] = []

        def stepped(self, status: Status) -> None:
            self.memory.append(resident())
            self.files.append(open_files())

    watch = Watch()
    for contrast, people in (("t1", range(1, 3)), ("t2", range(3, 5))):
        tiny.write_heads(folder / contrast, contrast, people)
    epochs = f"training.epochs={-(-number // 20)}"
    train(
        folder / "t1",
        folder / "t2",
        out=folder / "run",
        changes=[*SETTINGS, epochs],
        device="cpu",
        observer=watch,
    )
    return {"memory": watch.memory, "files": watch.files}


def over_volumes(folder: Path, number: int) -> dict[str, list[float]]:
    """Synthesise `number` volumes with one model, each read from a file and written to one."""
    from medgan.models import load_model
    from medgan.synthesis import Destination, Synthesizer, find_inputs, synthesize_each

    over_steps(folder / "training", 20)
    tiny.write_heads(folder / "cohort", "t1", range(10))
    synthesizer = Synthesizer(load_model(folder / "training" / "run"), target="t2", device="cpu")
    memory: list[float] = []
    files: list[float] = []
    while len(memory) < number:
        inputs = find_inputs([folder / "cohort"], series=None)[: number - len(memory)]
        for result in synthesize_each(inputs, synthesizer, Destination(out=folder / f"out{len(memory)}")):
            if result.error is not None:
                raise result.error
            memory.append(resident())
            files.append(open_files())
    return {"memory": memory, "files": files}


def growth(memory: list[float]) -> float:
    """MiB by which memory grows in 100 volumes or steps, once warm: the slope of a fitted line."""
    import numpy as np

    start = int(len(memory) * WARM_UP)
    slope: float = (
        np.polynomial.Polynomial.fit(np.arange(start, len(memory)), memory[start:], 1).convert().coef[1]
    )
    return 100 * slope


def measure(kind: str, number: int) -> dict[str, Any]:
    """Run one in this process."""
    with tempfile.TemporaryDirectory(prefix="memory-soak-") as place:
        found = {"volumes": over_volumes, "steps": over_steps}[kind](Path(place), number)
    gc.collect()
    memory, files = found["memory"], found["files"]
    start = int(len(memory) * WARM_UP)
    return {
        "kind": kind,
        "number": number,
        "warm_up": start,
        "mib_per_100": round(growth(memory), 4),
        "limit_mib_per_100": LIMIT,
        "mib_first": round(memory[0], 1),
        "mib_warm": round(memory[start], 1),
        "mib_last": round(memory[-1], 1),
        "open_files_warm": max(files[start : start + 10]),
        "open_files_last": max(files[-10:]),
        "mib": [round(value, 2) for value in memory],
    }


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """A panel for each curve."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(results), squeeze=False).ravel()
    for panel, row in zip(panels, results, strict=True):
        start, memory = row["warm_up"], row["mib"]
        panel.plot(range(1, len(memory) + 1), memory, linewidth=1.2)
        panel.axvspan(0, start, alpha=0.12, color="grey", linewidth=0)
        panel.text(start / 2, 30, "warm-up", ha="center", fontsize=8, color="dimgrey")
        slope = row["mib_per_100"]
        panel.set_title(f"{row['number']} {_KINDS[row['kind']]}: {slope:+.2f} MiB per 100", fontsize=10)
        panel.set_xlabel(_KINDS[row["kind"]], fontsize=9)
        panel.set_ylabel("resident memory (MiB)", fontsize=9)
        panel.set_xlim(0, len(memory))
        panel.set_ylim(0, 1.25 * max(memory))
        panel.grid(alpha=0.3)
        panel.tick_params(labelsize=8)
    figure.savefig(path, dpi=110, format="png")


def main() -> None:
    """Run each in its own process, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--volumes", type=int, default=200)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--one", choices=_KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, getattr(options, options.one))))
        return
    results = []
    print("what     number  MiB first   warm   last  MiB per 100  limit  open files warm, last")
    for kind in _KINDS:
        number = getattr(options, kind)
        if not number:
            continue
        command = [sys.executable, __file__, "--one", kind, f"--{kind}", str(number)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        row = json.loads(output.splitlines()[-1])
        results.append(row)
        print(
            f"{kind:8s} {number:6d}  {row['mib_first']:9.1f} {row['mib_warm']:6.1f} {row['mib_last']:6.1f}  "
            f"{row['mib_per_100']:+11.3f}  {LIMIT:5.1f}  {row['open_files_warm']:d}, {row['open_files_last']:d}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.picture:
        draw(results, options.picture)
    sys.exit(any(row["mib_per_100"] > LIMIT for row in results))


if __name__ == "__main__":
    main()
