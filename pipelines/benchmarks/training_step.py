"""Time and peak memory of a training step at 64, 128 and 256 pixels.

Each size runs in a process of its own, so that its peak memory is its own. One step is what `medgan train` does:
both generators, both discriminators, forward, backward and optimiser, on images in memory.

    python pipelines/benchmarks/training_step.py [--recipe slices] [--device auto] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

SIZES = (64, 128, 256)


def measure(recipe_name: str, size: int, device_name: str, steps: int) -> dict[str, object]:
    """Median seconds of a step, and peak bytes of this process (CPU) or of the allocator (CUDA)."""
    import torch

    from medgan.devices import choose_device, choose_precision
    from medgan.recipe import load_recipe
    from medgan.training.engine import CycleGANTrainer
    from medgan.training.plan import peak_memory
    from medgan.training.schedule import Schedule
    from medgan.training.state import TrainingState

    recipe = load_recipe(recipe_name)
    device = choose_device(device_name).device
    before = peak_memory(device)
    precision = choose_precision(recipe.training.precision, device)
    state = TrainingState(recipe, slab=1, seed=0, device=device)
    schedule = Schedule(recipe=recipe, steps=10_000, seconds=None)
    trainer = CycleGANTrainer(state, None, schedule, epoch_length=100, seed=0, precision=precision)
    batch = recipe.sampling.batch_size
    shape = (batch, 1) + (size,) * recipe.spatial_dims
    real = {key: torch.rand(shape, device=device) * 2 - 1 for key in ("t1", "t2")}
    seconds = []
    for number in range(steps + 2):
        started = time.perf_counter()
        trainer.step(real, {}, {})
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if number >= 2:
            seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds)
    return {
        "recipe": recipe_name,
        "size": size,
        "batch": batch,
        "device": str(device),
        "precision": str(precision).removeprefix("torch."),
        "seconds_per_step": median,
        "seconds_per_image": median / batch,
        "peak_bytes": peak_memory(device),
        "peak_bytes_before": before,
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    """Run each size in its own process and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="slices")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.recipe, options.one, options.device, options.steps)))
        return
    rows = []
    print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}")
    print("size  batch  s/step  s/image  peak memory (of which libraries)  device, precision")
    for size in options.sizes:
        command = [sys.executable, __file__, "--one", str(size), "--recipe", options.recipe]
        command += ["--device", options.device, "--steps", str(options.steps)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        row = json.loads(output.splitlines()[-1])
        rows.append(row)
        peak, before = (
            "?" if row[key] is None else f"{row[key] / 2**30:.2f} GiB"
            for key in ("peak_bytes", "peak_bytes_before")
        )
        print(
            f"{size:4d}  {row['batch']:5d}  {row['seconds_per_step']:6.3f}  {row['seconds_per_image']:7.3f}  "
            f"{peak} ({before})  {row['device']}, {row['precision']}, {row['threads']} threads",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
