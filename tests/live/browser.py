"""A real browser without a window, told what to do over its DevTools protocol."""
import base64
import contextlib
import itertools
import json
import pathlib
import shutil
import subprocess
import time
import urllib.request

from tests.functional.console_client import WebSocket

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 60


def missing() -> str | None:
    """Why there is no browser; None when there is one."""
    return None if any(map(shutil.which, PROGRAMS)) else f"not installed: {PROGRAMS[0]}"


class Browser:
    """``with``: a browser with one empty page; ``folder`` holds its profile and what it says."""

    def __init__(self, folder: pathlib.Path):
        self._profile = folder / "profile"
        self._said = folder / "browser.log"
        self._numbers = itertools.count(1)

    def __enter__(self) -> "Browser":
        program = next(filter(None, map(shutil.which, PROGRAMS)))
        with open(self._said, "w") as said:
            self._process = subprocess.Popen(
                [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio",
                 "--remote-debugging-port=0", f"--user-data-dir={self._profile}", "about:blank"],
                stdout=said, stderr=said, stdin=subprocess.DEVNULL)
        try:
            port = self._wait("the browser listens", lambda: self._file_text("DevToolsActivePort").split("\n")[0])
            page = self._wait("the browser has a page", lambda: self._page(port))
            self._link = WebSocket(page, path=page[page.index("/devtools"):], subprotocols=(), text=True).__enter__()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info) -> None:
        with contextlib.suppress(AttributeError):
            self._link.__exit__()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _file_text(self, name: str) -> str:
        path = self._profile / name
        return path.read_text() if path.exists() else ""

    def _page(self, port: str) -> str | None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=SECONDS) as answer:
            return next((found["webSocketDebuggerUrl"] for found in json.load(answer) if found["type"] == "page"), None)
        return None

    def _wait(self, what: str, check):
        deadline = time.monotonic() + SECONDS
        while not (found := check()):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise TimeoutError(f"{what}: not seen; it says: {self._said.read_text()[-2000:]}")
            time.sleep(0.05)
        return found

    def call(self, method: str, **params) -> dict:
        """One command of the DevTools protocol; its result."""
        number = next(self._numbers)
        self._link.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._link.read_message())
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def open(self, url: str) -> None:
        """Go to a page."""
        self.call("Page.navigate", url=url)

    def evaluate(self, expression: str):
        """The value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression: str):
        """The first true value of an expression."""
        deadline = time.monotonic() + SECONDS
        while not (found := self.evaluate(expression)):
            assert time.monotonic() < deadline, (expression, self.evaluate("document.body.innerText"))
            time.sleep(0.1)
        return found

    def type(self, text: str) -> None:
        """Press and release the keys of a text; a line feed is the key Enter."""
        for letter in text:
            key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13} if letter == "\n" else {
                "key": letter, "code": f"Key{letter.upper()}" if letter.isalpha() else ""}
            for kind in ("keyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", type=kind, **key)

    def screenshot(self) -> bytes:
        """The page as a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
