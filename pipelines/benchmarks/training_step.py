"""Time and peak memory of a training step, beside those of references and the least that the machine allows.

Each case runs in a process of its own, so that its peak memory is its own. One step is what `medgan train` does, with
the simulated pairs that the recipe mixes in: all networks, forward, backward and optimisers, on images in memory. The
references are `cyclegan_2017.py`, and of the recipe `seeds` also `notebooks.py`, in the same run. The floor is the
step's floating-point operations over the machine's measured rate of matrix products in the same precision.

    python pipelines/benchmarks/training_step.py [--device auto] [--sizes 64 128 256] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES = (64, 128, 256)
REFERENCE = "cyclegan_2017"
OF_SEEDS = "notebooks"
_SETTLING = 2
"""Steps before those that count."""


def cases(sizes: list[int]) -> list[dict[str, Any]]:
    """What is measured: reference first, then recipes at the same sizes."""
    flat = [
        {"what": what, "slab": slab, "size": size}
        for size in sizes
        for what, slab in ((REFERENCE, 1), ("slices", 1), ("slices", 3))
    ]
    return [
        *flat,
        {"what": OF_SEEDS, "slab": 1, "size": 64},
        {"what": "seeds", "slab": 1, "size": 64},
        {"what": "volumes", "slab": 1, "size": min(sizes)},
    ]


def measure(case: dict[str, Any], device_name: str, steps: int) -> dict[str, Any]:
    """Median seconds of a step, and peak bytes of this process (CPU) or of the allocator (CUDA)."""
    import torch
    from floor import operations, product_rate, wait_for

    from medgan.devices import choose_device
    from medgan.memory import peak_memory

    device = choose_device(device_name).device
    before = peak_memory(device)
    step, batch, precision = (
        _reference(device, case["what"], case["size"])
        if case["what"] in (REFERENCE, OF_SEEDS)
        else _recipe(device, **case)
    )
    seconds = []
    for _ in range(steps + _SETTLING):
        started = time.perf_counter()
        step()
        wait_for(device)
        seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds[_SETTLING:])
    peak = peak_memory(device)
    floor = operations(step) / product_rate(device, precision)
    return {
        **case,
        "batch": batch,
        "device": str(device),
        "precision": str(precision).removeprefix("torch."),
        "seconds_per_step": median,
        "seconds_per_image": median / batch,
        "times_the_floor": median / floor,
        "peak_bytes": peak,
        "peak_bytes_before": before,
        "threads": torch.get_num_threads(),
    }


def _reference(device: Any, what: str, size: int) -> tuple[Callable[[], object], int, Any]:
    import torch
    from cyclegan_2017 import CycleGAN2017
    from notebooks import Notebooks

    gan = CycleGAN2017(device) if what == REFERENCE else Notebooks(device)
    real = {key: torch.rand(gan.batch, 1, size, size, device=device) * 2 - 1 for key in ("t1", "t2")}
    return lambda: gan.step(real), gan.batch, torch.float32


def _recipe(device: Any, what: str, slab: int, size: int) -> tuple[Callable[[], object], int, Any]:
    import torch

    from medgan.recipe import load_recipe
    from medgan.training.engine import CycleGANTrainer
    from medgan.training.pace import choose_pace
    from medgan.training.schedule import Schedule
    from medgan.training.state import TrainingState

    recipe = load_recipe(what)
    batch = recipe.sampling.batch_size
    shape = (batch, slab) + (size,) * recipe.spatial_dims
    pace = choose_pace(recipe, shape, device)
    state = TrainingState(recipe, slab=slab, seed=0, device=device)
    state.lay_out(pace)
    state.step = 5_000  # in the midst of it: all losses count
    trainer = CycleGANTrainer(
        state,
        None,  # type: ignore[arg-type]  # the step is given its images
        Schedule(recipe=recipe, steps=10_000, seconds=None),
        epoch_length=100,
        seed=0,
        pace=pace,
    )
    real, pairs = (
        {key: pace.arranged(torch.rand(shape, device=device) * 2 - 1) for key in ("t1", "t2")}
        for _ in range(2)
    )
    return lambda: trainer.step(real, pairs if recipe.simulation.heads else {}, {}), batch, pace.dtype


def ratio(row: dict[str, Any], rows: list[dict[str, Any]], reference: str) -> float | None:
    """How many images a row learns from in the time of one of a reference at its size; None where it has no such."""
    alike = (one for one in rows if (one["what"], one["size"]) == (reference, row["size"]))
    beside = None if row["what"] == "volumes" else next(alike, None)
    return beside["seconds_per_image"] / row["seconds_per_image"] if beside else None


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as text, each beside the references of its size."""
    lines = [
        "what                  size  batch  s/step  s/image  2017's / it  notebooks' / it  x floor  peak (libraries)"
    ]
    for row in rows:
        against = [ratio(row, rows, reference) for reference in (REFERENCE, OF_SEEDS)]
        of_2017, of_notebooks = (f"{one:.1f}" if one else "-" for one in against)
        peak, before = (
            "?" if row[key] is None else f"{row[key] / 2**30:.2f} GiB"
            for key in ("peak_bytes", "peak_bytes_before")
        )
        name = f"{row['what']}, slab of {row['slab']}" if row["slab"] > 1 else row["what"]
        lines.append(
            f"{name:20s}  {row['size']:4d}  {row['batch']:5d}  {row['seconds_per_step']:6.3f}  "
            f"{row['seconds_per_image']:7.3f}  {of_2017:>11s}  {of_notebooks:>15s}  "
            f"{row['times_the_floor']:7.1f}  {peak} ({before})"
        )
    return "\n".join(lines)


def main() -> None:
    """Run each case in its own process and print the table."""
    from processes import in_own_process, machine, write_rows

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--only", nargs="+", help="such as slices cyclegan_2017")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(json.loads(options.one), options.device, options.steps)))
        return
    passed_on = ("--device", options.device, "--steps", str(options.steps))
    wanted = [case for case in cases(list(options.sizes)) if not options.only or case["what"] in options.only]
    rows = [in_own_process(__file__, case, *passed_on) for case in wanted]
    print(f"{machine()}; on {rows[0]['device']}, {rows[0]['threads']} threads")
    print(f"precision: {rows[0]['precision']}, medgan's {rows[-1]['precision']}")
    print(table(rows))
    if options.json:
        write_rows(options.json, rows, device=rows[0]["device"], threads=rows[0]["threads"])


if __name__ == "__main__":
    main()
