"""Judgements that take networks: a model on paired subjects, and predictions without a reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from medgan.contrasts import CONTRASTS, other
from medgan.devices import choose_device, memory_errors
from medgan.errors import InputRefusedError, MedganError, ResourceError, UsageError
from medgan.evaluation import Judged, judge
from medgan.evaluation.cohort import read_usable
from medgan.evaluation.grids import refuse_other_grid
from medgan.evaluation.judging import Compared
from medgan.evaluation.matching import Acquired, Made
from medgan.evaluation.unpaired import Domain, Features, Seen, domain_of, see
from medgan.models import Model, load_model
from medgan.models.catalogue import has_default
from medgan.models.features import feature_reader
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


class WithoutReference:
    """Judges predictions by their sources, and by what is at hand beside them.

    Args:
        targets: a folder with acquired scans of the predictions' contrast, of other people.
        model: whose way back gives the cycle error.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Attributes:
        left_out: a sentence for each target scan that is not used.

    Raises:
        UsageError, ResourceError: no such device.
    """

    def __init__(
        self, *, targets: Path | None = None, model: Model | None = None, device: str = "auto"
    ) -> None:
        self.targets, self.model, self.device = targets, model, device
        self.left_out: list[str] = []
        self._where = choose_device(device).device
        self._targets: dict[str | None, tuple[Domain, Features | None] | InputRefusedError] = {}
        self._back: dict[str, Synthesizer] = {}

    def __call__(
        self,
        prediction: Scan,
        source: Scan,
        *,
        mask: Scan | None = None,
        name: str | None = None,
        look: Callable[[Seen, Compared], None] = lambda seen, compared: None,
    ) -> Seen:
        """Judge one prediction; arguments as for `see`.

        Raises:
            InputRefusedError: as there; there is no target scan, or it is not known which contrast leads back.
            ModelRefusedError: the model has no way back, or is damaged.
        """
        domain, features = self._of_targets(prediction.contrast)
        return see(
            prediction,
            source,
            mask=mask,
            domain=domain,
            features=features,
            way_back=None if self.model is None else lambda made: self._lead_back(made, source),
            name=name,
            look=look,
        )

    def _of_targets(self, key: str | None) -> tuple[Domain | None, Features | None]:
        """The target contrast's distribution, read once, and what reads features of it."""
        if self.targets is None:
            return None, None
        if key not in self._targets:
            try:
                self._targets[key] = self._read_targets(self.targets, key)
            except InputRefusedError as error:  # of the folder, for all predictions alike
                error.file = error.file or self.targets
                self._targets[key] = error
        known = self._targets[key]
        if isinstance(known, InputRefusedError):
            raise known
        return known

    def _read_targets(self, folder: Path, key: str | None) -> tuple[Domain, Features | None]:
        features = None
        if key is not None and has_default():
            features = feature_reader(load_model(), key, self._where)
        left_out: list[str] = []
        domain = domain_of(read_usable(folder, key, left_out), features=features)
        self.left_out += [text for text in left_out if text not in self.left_out]
        return domain, features

    def _lead_back(self, prediction: Scan, source: Scan) -> Scan:
        assert self.model is not None  # noqa: S101 - see __call__
        made, before = prediction.contrast, source.contrast
        key = before or (other(made).key if made else None)
        if key is None or key == made:
            raise InputRefusedError(
                "it is not known which contrast it has, and so not what leads back from it",
                file=prediction.source.path,
                remedy="Let the names of prediction and source end in _T1w and _T2w, or leave out --model.",
            )
        if key not in self._back:
            self._back[key] = Synthesizer(self.model, target=key, device=self.device, force=True)
        return self._back[key](prediction).scan


def see_each(
    subjects: Iterable[Made],
    judge_one: WithoutReference,
    *,
    look: Callable[[Seen, Compared], None] = lambda seen, compared: None,
) -> Iterator[list[Seen] | MedganError]:
    """Read and judge each prediction without a reference; gives its figures, or why it was refused.

    Args:
        subjects: of `match_sources`.
        judge_one: with what.
        look: as in `see`.
    """
    for subject in subjects:
        try:
            with memory_errors(MEMORY_REMEDY):
                prediction, source = read_scan(subject.prediction), read_scan(subject.source)
                yield [judge_one(prediction, source, name=subject.name, look=look)]
        except (InputRefusedError, UsageError, ResourceError) as error:
            error.file = error.file or Path(subject.name)
            yield error
