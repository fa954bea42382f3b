"""Whether a name would give away the person in a DICOM file.

Archives like to call the folders of an export after the patient. What is written down by medgan (file names,
sidecars, reports) is compared with the header's identifiers first; they are read for that alone and not kept.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from medgan.errors import InputRefusedError

_NAMES = ("PatientName", "OtherPatientNames", "PatientBirthName")
_NUMBERS = ("PatientID", "OtherPatientIDs", "AccessionNumber")
_DATE, _MORE, _REMOVED = "PatientBirthDate", "OtherPatientIDsSequence", "PatientIdentityRemoved"
_SHORTEST_NAME, _SHORTEST_NUMBER = 3, 4  # letters and digits: what is shorter is found in any name ...
_SHORTEST_WORD, _SHORTEST_NUMERAL = 2, 3  # ... but counts where it stands as a word of its own
OWNER_TAGS = ("PatientID", "PatientName", "StudyInstanceUID")
Owner = tuple[str, str, str]
NO_OWNER: Owner = ("", "", "")
_FILES = 3  # of a series are looked at: the first may be damaged
_SEPARATORS = re.compile(r"[\W_]+")
_STROKES = str.maketrans(
    {"ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "þ": "th", "œ": "oe"}
)  # no accents
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae"})


def names_person(text: str, files: Iterable[Path]) -> bool:
    """Whether a text holds a patient's name, ID or date of birth, or the accession number, of DICOM files.

    Case, accents and separators do not count. Parts of a name are looked for from three letters on, numbers from
    four characters on; dates as `19701231`, `31121970` and `12311970`. Shorter ones (`Li`, `123`, `701231`) count
    where they stand as words of their own. A file whose identity was removed
    (PatientIdentityRemoved, PS3.3 C.7.1.1) has a pseudonym, which names no one.

    Args:
        text: such as a folder's name.
        files: of one series; the first few are looked at, and what is no DICOM says nothing.
    """
    return bool(_compact(text)) and holds_any(text, identifiers(files))


def identifiers(files: Iterable[Path]) -> frozenset[str]:
    """What `names_person` looks for, compacted: for `holds_any` alone, never to be written or shown."""
    return frozenset(found for file in islice(files, _FILES) for found in _identifiers(file))


def told_identifiers(content: Mapping[str, Any]) -> frozenset[str]:
    """As `identifiers`, of the JSON beside an image: converters may write DICOM's PatientName, PatientID, ... there."""
    usable = {keyword: content.get(keyword) for keyword in (*_NAMES, *_NUMBERS, _DATE)}
    return frozenset(part for part in _parts_of(usable) if part)


def holds_any(text: str, told: frozenset[str]) -> bool:
    """Whether a text holds one of a patient's identifiers, however it is spelt."""
    spellings = (text, text.casefold().translate(_UMLAUTS))
    forms = {_compact(spelling) for spelling in spellings}
    forms |= {_word(" ".join(map(_compact, _SEPARATORS.split(spelling)))) for spelling in spellings}
    return any(identifier in form for form in forms for identifier in told)


def owner(dataset: Any) -> Owner:
    """Whose image it is: digests of patient's ID, patient's name and study's UID, each empty where it is not told.

    They tell files of several patients apart and name no one. Case, accents and separators of names do not count.

    Args:
        dataset: a pydicom data set with `OWNER_TAGS`.
    """
    number, name, study = (_told(dataset, keyword) for keyword in OWNER_TAGS)
    return _digest(number), _digest(_compact(name)), _digest(study)


def _told(dataset: Any, keyword: str) -> str:
    from medgan.scans.dicom_files import UNREADABLE

    try:
        return " ".join(_values(dataset, keyword)).strip(" \0")
    except (*UNREADABLE, UnicodeError, LookupError):
        return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest() if text else ""


def _identifiers(file: Path) -> set[str]:
    """The identifiers in a file's header, compacted, in all the ways that they are looked for."""
    from medgan.scans.dicom_files import UNREADABLE, pydicom_without_warnings, read_dataset  # takes its time

    tags = (*_NAMES, *_NUMBERS, _DATE, _MORE, _REMOVED)
    try:
        with pydicom_without_warnings():
            dataset = read_dataset(file, tags=tags, pixels=False)
            if str(dataset.get(_REMOVED) or "").strip().upper() == "YES":
                return set()
            return {part for part in _parts_of(dataset) if part}
    except (*UNREADABLE, UnicodeError, InputRefusedError):
        return set()


def _parts_of(dataset: Any) -> Iterator[str]:
    for keyword in _NAMES:
        for name in _values(dataset, keyword):
            for spelling in (name, name.casefold().translate(_UMLAUTS)):
                yield from _parts_of_name(spelling)
    numbers = [value for keyword in _NUMBERS for value in _values(dataset, keyword)]
    for item in dataset.get(_MORE) or ():
        numbers += _values(item, "PatientID")
    for number in map(_compact, numbers):
        if len(number) >= _SHORTEST_NUMBER:
            yield number
        elif len(number) >= _SHORTEST_NUMERAL:
            yield _word(number)
    for date in map(_compact, _values(dataset, _DATE)):
        if re.fullmatch(r"\d{8}", date):
            year, month, day = date[:4], date[4:6], date[6:]
            yield from (date, day + month + year, month + day + year)
            yield from map(_word, (date[2:], day + month + year[2:], month + day + year[2:]))


def _parts_of_name(name: str) -> Iterator[str]:
    """The parts of a name, however short, and, where it is short, the whole of it written in one, either way round."""
    for spelling in name.split("="):  # PS3.5 6.2: in other alphabets; its components are parted by ^
        words = [_compact(part) for part in _SEPARATORS.split(spelling)]
        for part in (*words, *(_compact(part) for part in re.split(r"[\^\s]+", spelling))):
            if len(part) >= _SHORTEST_NAME or (not part.isascii() and len(part) > 1):
                yield part
            elif len(part) >= _SHORTEST_WORD and part.isalpha():
                yield _word(part)
        for whole in ("".join(words), "".join(reversed(words))):
            if len(whole) > _SHORTEST_NAME or (not whole.isascii() and len(whole) > 1):
                yield whole


def _word(text: str) -> str:
    """What stands for itself: no compacted text has spaces, so it is found among words alone."""
    return f" {text} "


def _values(dataset: Any, keyword: str) -> list[str]:
    value = dataset.get(keyword)
    if value is None or isinstance(value, bytes):
        return []
    several = not isinstance(value, str) and hasattr(value, "__iter__") and not hasattr(value, "components")
    return [str(one) for one in (value if several else (value,))]


def _compact(text: str) -> str:
    """Letters and digits alone, without case and accents."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_STROKES))
    return "".join(letter for letter in plain if letter.isalnum())
