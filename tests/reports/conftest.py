"""What reads pages: a parser, and a headless Chromium, told what to do over a pipe (DevTools), so nothing listens."""

from __future__ import annotations

import base64
import io
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image


class Page(HTMLParser):
    """Counts what is opened and not closed, and keeps what there is and every attribute that could load something.

    Attributes:
        tags: of all elements.
        loads: values of attributes that load.
    """

    _VOID = ("meta", "img", "br", "wbr", "line", "polyline", "circle", "path", "link", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Of an element that ends later, or never."""
        self.tags.add(tag)
        self.loads += [
            value or "" for key, value in attrs if key in ("src", "href", "srcset", "action", "data")
        ]
        if tag not in self._VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Of an element that ends at once."""
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        """Of an element."""
        if tag not in self._VOID:
            assert self._open.pop() == tag


@pytest.fixture(scope="session")
def wellformed() -> type[Page]:
    """Parses a page, which must be well-formed."""
    return Page


_CALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SECONDS = 60.0
_SLOW = "GL Driver Message (OpenGL, Performance"  # of drawing without a graphics card
_FLAGS = (
    "--headless",
    "--no-sandbox",  # which root cannot have
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--remote-debugging-pipe",
)


class Browser:
    """One page of a headless Chromium, and what went on in it.

    Attributes:
        complaints: errors and warnings of the console and the page's own policy, and exceptions.
        requests: addresses that the page asked for, but itself and what it holds (`data:`, `blob:`).
    """

    def __init__(self, program: str, profile: Path, *, flags: tuple[str, ...] = ()) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._number, self._waiting, self._session = 0, b"", ""
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        # Chromium reads commands from descriptor 3 and writes answers to 4
        line = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        arguments = (*_FLAGS, *flags, f"--user-data-dir={profile}", "about:blank")
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", line, "bash", program, *arguments],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(1200, 1600)

    def close(self) -> None:
        """End it."""
        try:
            self._session = ""
            self.call("Browser.close")
            self._process.wait(timeout=10)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._to)
            os.close(self._from)

    def open(self, path: Path, *, until: str = "true") -> None:
        """Open a file, and wait until a JavaScript expression is true."""
        self.complaints.clear()
        self.requests.clear()
        self.call("Page.navigate", url=path.absolute().as_uri())
        self.until(f"location.protocol == 'file:' && document.readyState == 'complete' && ({until})")

    def until(self, expression: str) -> None:
        """Wait for an expression to be true."""
        ended = time.monotonic() + _SECONDS
        while not self.value(f"Boolean({expression})"):
            assert time.monotonic() < ended, f"never so: {expression}; the console: {self.complaints}"
            time.sleep(0.1)

    def value(self, expression: str) -> Any:
        """What an expression is; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def click(self, selector: str, *, across: float = 0.5, down: float = 0.5) -> None:
        """Press and let go of the left button over an element, at these shares of its size."""
        place = self.value(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            f"return {{x: b.x + {across} * b.width, y: b.y + {down} * b.height}}; }})()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def resize(self, width: int, height: int) -> None:
        """Give the window another size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def appear(self, *, scheme: str = "light", medium: str = "") -> None:
        """Prefer `light` or `dark`, on a screen or as `print`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=medium, features=features)

    def picture(self, *, of: str = "") -> npt.NDArray[np.uint8]:
        """A screenshot (H, W, 3) of the window, or of what is seen in it of the element that a selector finds."""
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        window = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        if not of:
            return window
        box = self.value(
            f"(() => {{ const b = document.querySelector({json.dumps(of)}).getBoundingClientRect();"
            "return [b.top, b.bottom, b.left, b.right].map(Math.round); })()"
        )
        top, bottom, left, right = (max(0, edge) for edge in box)
        return window[top:bottom, left:right]

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol, and its answer; what happens meanwhile is noted."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer.get("method", ""), answer.get("params", {}))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._waiting:
            ready, _, _ = select.select([self._from], [], [], _SECONDS)
            block = os.read(self._from, 1 << 20) if ready else b""
            assert block, "the browser is silent"
            self._waiting += block
        message, _, self._waiting = self._waiting.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def _note(self, event: str, about: dict[str, Any]) -> None:
        if event == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            self.complaints.append(
                str([part.get("value", part.get("description")) for part in about["args"]])
            )
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(about["exceptionDetails"]))
        elif event == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.complaints += [text for text in [about["entry"]["text"]] if _SLOW not in text]
        elif event == "Network.requestWillBeSent" and about.get("type") != "Document":
            self.requests += [
                url for url in [about["request"]["url"]] if not url.startswith(("data:", "blob:"))
            ]


@pytest.fixture(scope="session")
def start_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Browser]]:
    """Starts headless Chromium; skips where it is not installed."""
    started: list[Browser] = []

    def start(*flags: str) -> Browser:
        program = next(filter(None, map(shutil.which, _CALLED)), None)
        if program is None:
            pytest.skip(f"none of {', '.join(_CALLED)} is installed, which pages are looked at with")
        started.append(Browser(program, tmp_path_factory.mktemp("browser"), flags=flags))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture(scope="session")
def browser(start_browser: Callable[..., Browser]) -> Browser:
    """One for all tests of a session."""
    return start_browser()
