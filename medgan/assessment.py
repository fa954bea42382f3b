"""A model judged on paired subjects: both directions synthesised and compared with what was acquired, in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from medgan.contrasts import CONTRASTS
from medgan.devices import memory_errors
from medgan.errors import InputRefusedError, MedganError, ResourceError
from medgan.evaluation import Judged, judge
from medgan.evaluation.grids import refuse_other_grid
from medgan.evaluation.judging import Compared
from medgan.evaluation.matching import Acquired
from medgan.models import Model
from medgan.scans import Scan, read_scan
from medgan.synthesis import Synthesizer
from medgan.synthesis.synthesizer import MEMORY_REMEDY


def assess(
    model: Model,
    subjects: Iterable[Acquired],
    *,
    register: bool = False,
    device: str = "auto",
    look: Callable[[Judged, Compared], None] = lambda judged, compared: None,
) -> Iterator[list[Judged] | MedganError]:
    """Synthesise T2w from T1w and T1w from T2w of each subject, and judge both by the scan that was acquired.

    Of a model that knows its errors, its bound on them is judged as well.

    Args:
        model: what `load_model` returns.
        subjects: of `match_acquired`.
        register: as in `judge`, for subjects whose scans are on different grids.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        look: as in `judge`.

    Yields:
        The figures of both directions of a subject, or why it was refused.

    Raises:
        ModelRefusedError: the model has no such direction, or is damaged.
        ResourceError: no such device.
    """
    synthesizers = [
        Synthesizer(
            model,
            target=target,
            device=device,
            uncertainty=model.manifest.calibration_of(target) is not None,
        )
        for target in reversed(CONTRASTS)
    ]
    for subject in subjects:
        try:
            with memory_errors(MEMORY_REMEDY):
                scans = {"t1": read_scan(subject.t1), "t2": read_scan(subject.t2)}
                if not register:
                    _refuse_other_grid(scans["t1"], scans["t2"])
                yield [
                    _judged(synthesizer, scans, name=subject.name, register=register, look=look)
                    for synthesizer in synthesizers
                ]
        except (InputRefusedError, ResourceError) as error:
            yield error


def _judged(
    synthesizer: Synthesizer,
    scans: dict[str, Scan],
    *,
    name: str,
    register: bool,
    look: Callable[[Judged, Compared], None],
) -> Judged:
    source, reference = scans[synthesizer.source.key], scans[synthesizer.target.key]
    synthetic = synthesizer(source)
    return judge(
        synthetic.scan,
        reference,
        source=source,
        bound=None if synthetic.maps is None else synthetic.maps.bound,
        register=register,
        name=name,
        doubts=synthetic.warnings,
        look=look,
    )


def _refuse_other_grid(t1: Scan, t2: Scan) -> None:
    refuse_other_grid(
        t2,
        t1,
        called="T2w scan",
        beside="T1w scan",
        remedy="Give both on one grid, or let one be moved onto the other's with --register.",
    )
