"""Which DICOM series of a study are meant, by rules that are data, where nobody is there to choose.

The rules are tried in their order, and the first that any series meets decides; so `a 3D T1w, or else any T1w` is two
rules. A condition on an attribute of the header is a text (a regular expression that is looked for anywhere in the
value, whatever its case; with `!` before it, one that must not be found), a list of such texts that all have to hold,
a number, or two numbers between which the value has to lie.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as Items

from medgan.errors import InputRefusedError, SeriesChoiceError, UsageError
from medgan.scans.dicom_files import UNREADABLE, pydicom_without_warnings, read_dataset
from medgan.scans.dicom_series import Series
from medgan.scans.finding import Found
from medgan.scans.reading import series_line

Condition = tuple[str, ...] | tuple[float, float] | float
_LISTED = 40
_SEQUENCE, _THERE_OR_NOT = "SQ", (".", "!.")
_NO_VALUES = {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}
_FIRST_ITEMS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Rule(_Data):
    """What a series has to meet, all of it."""

    name: str = Field("", max_length=80, description="For messages.")
    contrast: Literal["t1", "t2"] | None = Field(
        None,
        description="As medgan recognises it, by description or times; one that it cannot tell is neither.",
    )
    slices: tuple[int, int] | None = Field(None, description="Fewest and most.")
    orientation: Literal["axial", "sagittal", "coronal"] | None = Field(None, description="The nearest.")
    conditions: dict[str, Condition] = Field(
        default_factory=dict, description="By DICOM keyword, such as SeriesDescription."
    )

    @field_validator("slices")
    @classmethod
    def _fewest_first(cls, slices: tuple[int, int] | None) -> tuple[int, int] | None:
        if slices is not None and not 0 <= slices[0] <= slices[1]:
            raise ValueError("slices are the fewest and the most, in this order")
        return slices

    @field_validator("conditions", mode="before")
    @classmethod
    def _can_be_met(cls, conditions: Any) -> Any:
        if not isinstance(conditions, Mapping):
            raise ValueError("conditions are given by DICOM keyword")
        return {str(keyword): _checked(str(keyword), wanted) for keyword, wanted in conditions.items()}

    def unmet(self, series: Series) -> str | None:
        """The first condition that a series does not meet, by its name; None where it meets them all."""
        if self.contrast not in (None, series.contrast):
            return "contrast"
        if self.slices is not None and not self.slices[0] <= series.shape[2] <= self.slices[1]:
            return "slices"
        if self.orientation not in (None, series.orientation):
            return "orientation"
        if not self.conditions:
            return None
        header = _header(series, self.conditions)
        if header is None:
            return "header"
        unmet = (name for name, wanted in self.conditions.items() if not _holds(wanted, header[name]))
        return next(unmet, None)


class SeriesRules(_Data):
    """Rules in the order of preference, and what is done where several series meet one."""

    rules: tuple[Rule, ...] = Field(min_length=1, max_length=100)
    several: Literal["refuse", "each"] = Field(
        "refuse", description="Refuse to choose among them, or take each of them."
    )


def series_rules(content: Any, *, file: Path | None = None) -> SeriesRules:
    """Rules from plain data, as YAML has them: `{rules: [{contrast: t1, conditions: {...}}], several: refuse}`.

    Args:
        content: the data.
        file: where it was read, for errors.

    Raises:
        UsageError: a rule or an attribute that does not exist, or a value that it does not take.
    """
    try:
        return SeriesRules.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part)[:80] for part in found["loc"])
        raise UsageError(
            f"the rules for series are not valid: {where or 'rules'}: {found['msg'][:300]}",
            file=file,
            remedy="See docs/how-to/monai-deploy.md for what rules may say.",
        ) from error


def choose_by_rules(found: Iterable[Found], rules: SeriesRules, *, place: Path) -> list[Found]:
    """The DICOM series among `found` that are meant: one, or each that meets the rule that decides.

    A series that cannot be read is chosen like any other, so that it is refused and never passed over in silence.

    Args:
        found: of `find_scans`; what is no DICOM is left out.
        rules: see above.
        place: where they were found, for errors.

    Raises:
        InputRefusedError: there is no DICOM series, or none meets a rule.
        SeriesChoiceError: several meet the rule that decides, and only one is wanted.
    """
    series = [(one, one.series) for one in found if one.series is not None]
    if not series:
        raise InputRefusedError("holds no DICOM series", file=place, remedy="Give a folder of DICOM images.")
    unmet: list[Sequence[str | None]] = []
    for rule in rules.rules:
        failed = [rule.unmet(one) for _, one in series]
        met = [which for which, why in zip(series, failed, strict=True) if why is None]
        if len(met) > 1 and rules.several == "refuse":
            raise SeriesChoiceError(
                f"holds {len(met)} series that meet the rule {_called(rule)}, and one is needed",
                file=place,
                remedy="\n".join(
                    [
                        "Narrow the rule, or say `several: each`:",
                        *_limited(series_line(one, None) for _, one in met),
                    ]
                ),
            )
        if met:
            return [one for one, _ in met]
        unmet.append(failed)
    raise InputRefusedError(
        f"holds no series that meets {'the rule' if len(rules.rules) == 1 else 'one of the rules'} "
        + ", ".join(map(_called, rules.rules)),
        file=place,
        remedy="\n".join(
            [
                "Widen the rules; here is what each series does not meet:",
                *_limited(
                    f"{series_line(one, None)}: {', '.join(dict.fromkeys(str(failed[k]) for failed in unmet))}"
                    for k, (_, one) in enumerate(series)
                ),
            ]
        ),
    )


def _called(rule: Rule) -> str:
    return repr(rule.name or rule.contrast or ", ".join(rule.conditions) or "any series")


def _limited(lines: Iterable[str]) -> list[str]:
    every = list(lines)
    return [*every[:_LISTED], *([f"  ... and {len(every) - _LISTED} more"] if len(every) > _LISTED else [])]


def _checked(keyword: str, wanted: Any) -> Condition:
    """A condition as it is kept.

    Raises:
        ValueError: it can never be met, or means nothing.
    """
    tag = tag_for_keyword(keyword)
    kinds = set() if tag is None else set(dictionary_VR(tag).split(" or "))
    parts = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
    if kinds == {_SEQUENCE}:
        if len(parts) == 1 and parts[0] in _THERE_OR_NOT:
            return (str(parts[0]),)
        raise ValueError(
            f"{keyword} is a sequence, of which can be asked whether it is there ('.') or not ('!.')"
        )
    if kinds <= _NO_VALUES:
        raise ValueError(f"{keyword!r} is no DICOM keyword of texts or numbers")
    if parts and all(isinstance(part, str) for part in parts):
        for pattern in parts:
            try:
                re.compile(pattern.removeprefix("!"))
            except re.error as error:
                raise ValueError(f"{keyword}: {pattern!r} is no regular expression: {error}") from error
        return tuple(parts)
    numbers = [float(part) for part in parts if _is_number(part)]
    if len(numbers) == len(parts) == 1:
        return numbers[0]
    if len(numbers) == len(parts) == 2 and numbers[0] <= numbers[1]:
        return numbers[0], numbers[1]
    raise ValueError(
        f"{keyword}: {wanted!r} is neither a text, a list of texts, a number nor two numbers, the lower one first"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _holds(wanted: Condition, values: Sequence[Any]) -> bool:
    """Whether the values of an attribute meet a condition; one that is not there has none."""
    if isinstance(wanted, tuple) and isinstance(wanted[0], str):
        text = "\\".join(map(str, values))
        return all(_is_found(str(pattern), text) for pattern in wanted)
    low, high = wanted if isinstance(wanted, tuple) else (wanted, wanted)
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        return False
    small = 1e-6 * max(abs(float(low)), abs(float(high)))  # decimals are texts in DICOM
    return bool(numbers) and all(float(low) - small <= number <= float(high) + small for number in numbers)


def _is_found(pattern: str, text: str) -> bool:
    found = re.search(pattern.removeprefix("!"), text, re.IGNORECASE) is not None
    return found != pattern.startswith("!")


def _header(series: Series, keywords: Iterable[str]) -> dict[str, Sequence[Any]] | None:
    """The values of some attributes in the first image of a series, of frames those of the first one; if readable."""
    wanted = tuple(keywords)
    with pydicom_without_warnings():
        try:
            dataset = read_dataset(series.files[0], tags=(*wanted, *_FIRST_ITEMS), pixels=False)
            return {keyword: _values(dataset, keyword) for keyword in wanted}
        except (*UNREADABLE, InputRefusedError):
            return None


def _values(dataset: Any, keyword: str) -> Sequence[Any]:
    for place in (dataset, *_groups(dataset)):
        value = place.get(keyword)
        if isinstance(value, Items):
            if len(value):
                return ("there",)
        elif value not in (None, "", []):
            return tuple(value) if isinstance(value, MultiValue) else (value,)
    return ()


def _groups(dataset: Any) -> Iterable[Any]:
    """The functional groups of the first frame (PS3.3 C.7.6.16), where enhanced objects keep what varies."""
    for sequence in _FIRST_ITEMS:
        for item in list(dataset.get(sequence) or ())[:1]:
            for element in item:
                if element.VR == "SQ" and element.value:
                    yield element.value[0]
