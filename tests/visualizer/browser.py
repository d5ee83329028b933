"""A headless Chromium that opens pages at any width, light or dark, and says how they look."""

import base64
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--mute-audio")
LISTENS = re.compile(r"DevTools listening on (ws://\S+)")
READY = """
new Promise((resolve) => {
  const films = [...document.querySelectorAll(".film")];
  const end = performance.now() + 30000;
  const look = () => {
    films.forEach((film) => film.dataset.ready || film.scrollIntoView());
    const ready = films.every((film) => film.dataset.ready);
    if (ready || performance.now() > end) { scrollTo(0, 0); setTimeout(() => resolve(ready), 100); }
    else setTimeout(look, 50);
  };
  look();
})
"""
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
TOO_WIDE = """
(() => {
  const wide = [...document.querySelectorAll("body *")].filter((one) =>
    one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".wide, pre"));
  const root = document.documentElement;
  return {page: root.scrollWidth, window: innerWidth,
    parts: wide.slice(0, 5).map((one) => one.outerHTML.slice(0, 120))};
})()
"""


def find_chromium() -> str | None:
    """Give the program, or None where this machine has none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass(frozen=True)
class Widths:
    """How wide a page and its window are, in pixels, and the first parts that stand out of it."""

    page: int
    window: int
    parts: list[str]


class Browser:
    """One tab, driven by Chromium's own protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, count(1)
        self.errors: list[str] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        found = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime"):
            self._ask(f"{domain}.enable")

    def open(self, page: str) -> bool:
        """Open a page; tell whether its films are ready to play."""
        self._ask("Page.navigate", url=page)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")
        return bool(self.run(READY))

    def shape(self, *, width: int, dark: bool, height: int = 900) -> None:
        """Make the window so wide, and say that its owner likes the dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        self.run(DRAWN)

    def wait_for(self, condition: str, timeout_s: float = 60) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + timeout_s
        while not self.run(condition):
            assert time.monotonic() < end, f"{condition} did not come true"
            time.sleep(0.05)

    def run(self, script: str) -> Any:  # noqa: ANN401 (as JavaScript gives it)
        """Give what a JavaScript expression comes to."""
        asked = {"expression": script, "awaitPromise": True, "returnByValue": True}
        answer = self._ask("Runtime.evaluate", **asked)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def widths(self) -> Widths:
        """Measure the page against its window."""
        return Widths(**self.run(TOO_WIDE))

    def screenshot(self) -> bytes:
        """Give the whole page as PNG."""
        whole = self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(whole["data"])

    def _ask(self, method: str, **params: Any) -> Any:  # noqa: ANN401 (as JSON nests it)
        number, session = next(self._numbers), getattr(self, "_session", None)
        said = {"id": number, "method": method, "params": params}
        self._socket.send(json.dumps(said | ({"sessionId": session} if session else {})))
        while True:
            came = json.loads(self._socket.recv(timeout=120))
            if came.get("method") == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(came["params"]["exceptionDetails"])[:500])
            if came.get("id") == number:
                assert "error" not in came, came
                return came["result"]


@contextmanager
def browsing(program: str, profile: Path) -> Iterator[Browser]:
    """Run Chromium, and end it with all that it started."""
    command = [program, *FLAGS, "--remote-debugging-port=0"]
    process = subprocess.Popen(
        [*command, f"--user-data-dir={profile}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        found = next(found for line in process.stderr if (found := LISTENS.search(line)))
        with connect(found[1], max_size=None, open_timeout=60) as socket:
            yield Browser(socket)
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=60)
