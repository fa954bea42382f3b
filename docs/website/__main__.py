"""Build the site: python docs/website [--out build/docs]. A warning is an error; no page fetches anything."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT)]


def main() -> int:
    """Lay out the sources, build, and look through what was built."""
    import outside
    import pages
    import staging
    from sphinx.cmd.build import main as sphinx

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs")
    out = parser.parse_args().out
    for name in ("source", "html"):
        shutil.rmtree(out / name, ignore_errors=True)
    try:
        staging.stage(ROOT, out / "source")
    except pages.BrokenLinkError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    arguments = ["-b", "html", "-c", str(HERE), "-d", str(out / "doctrees"), "-W", "--keep-going", "-q"]
    failed = sphinx([*arguments, str(out / "source"), str(out / "html")])
    if failed:
        return int(failed)
    requests = list(outside.requests(out / "html"))
    for page, address in requests:
        sys.stderr.write(f"{page} would fetch {address}\n")
    sys.stdout.write(f"{out / 'html' / 'index.html'}\n")
    return 1 if requests else 0


if __name__ == "__main__":
    sys.exit(main())
