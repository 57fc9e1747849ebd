"""A page in a driven Chromium, and what a careful person would notice there."""

import base64
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

T = TypeVar("T")

PATIENCE_S = 20.0  # For what a page does at once on a quiet machine.
SCREENSHOTS = "WORDAROUND_SCREENSHOTS"  # The folder in which screenshots are kept, where it is set.

# Chromium cuts what it loads, from loopback too, when the machine gets or loses an interface: Docker's tests,
# which may run beside, make some. That tells nothing of a page.
CUT = "net::ERR_NETWORK_CHANGED"
_CUT_MODULE = "Failed to fetch dynamically imported module"  # So the chat page tells, and loads itself anew.

_AXE = "const done = arguments[arguments.length - 1]; axe.run(document).then(r => done(r.violations));"


class Page:
    """One tab. Console and requests are those of the tab since it was opened or last asked for."""

    def __init__(self, chrome: webdriver.Chrome, axe: str) -> None:
        self.chrome = chrome
        self._axe = axe
        self._console: list[str] = []
        self._opened_at = 0  # How much was in the console then.
        self.expected: tuple[str, ...] = ()  # Parts of console lines that the test brings about.
        self._expects: list[Callable[[str], bool]] = []
        self._drop_logs()
        self._command(
            "Emulation.setFocusEmulationEnabled", enabled=True
        )  # Tabs of one browser share its focus.

    def open(self, url: str | Path) -> None:
        """Load a URL, or a file from the disk."""
        self._opened_at = len(self.console())
        self.chrome.get(url.absolute().as_uri() if isinstance(url, Path) else url)

    def open_until(self, url: str, condition: Callable[[], T], what: str) -> None:
        """Load a URL and wait until a condition comes true; again where the network cut the loading."""
        self.open(url)
        self._loaded(condition, what)

    def reload_until(self, condition: Callable[[], T], what: str) -> None:
        """Load the page anew and wait as `open_until` does."""
        self._opened_at = len(self.console())
        self.chrome.refresh()
        self._loaded(condition, what)

    def forget(self, origin: str) -> None:
        """Have the browser forget what pages of an origin have kept."""
        self._command("Storage.clearDataForOrigin", origin=origin, storageTypes="local_storage")

    def _loaded(self, condition: Callable[[], T], what: str) -> None:
        for _ in range(5):
            self.until(lambda: condition() or self._was_cut(), what)
            if condition():
                return
            self._opened_at = len(self.console())
            self.chrome.refresh()
        raise AssertionError(f"the machine's network changes all the time: {self._console}")

    def _was_cut(self) -> bool:
        return any(CUT in line for line in self._since_opened())

    def _since_opened(self) -> list[str]:
        return self.console()[self._opened_at :]

    def resize(self, width: int, height: int = 900) -> None:
        """Give the page a viewport of that many CSS pixels, phones' widths too."""
        self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def prefer(self, **features: str) -> None:
        """Emulate preferences: `color_scheme="dark"`, `reduced_motion="reduce"`."""
        wanted = [
            {"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()
        ]
        self._command("Emulation.setEmulatedMedia", features=wanted)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a function in the page and return what it returns."""
        return self.chrome.execute_script(script, *arguments)

    def one(self, selector: str) -> WebElement:
        """Return the first element that a CSS selector finds."""
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        """Return all that a CSS selector finds."""
        return self.chrome.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """Return the texts, as written, of all that a CSS selector finds."""
        found: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector
        )
        return found

    def until(self, condition: Callable[[], T], what: str, *, timeout_s: float = PATIENCE_S) -> T:
        """Wait until a condition comes true and return what it returned; fail with what was waited for."""
        end = time.monotonic() + timeout_s
        while True:
            try:
                if found := condition():
                    return found
            except StaleElementReferenceException:
                pass  # The page was redrawn between finding and asking.
            assert time.monotonic() < end, f"not within {timeout_s:g} s: {what}; {self._since_opened()}"
            time.sleep(0.02)

    def console(self) -> list[str]:
        """Return what the page wrote to the console, and its errors."""
        self._console += [f"{entry['level']} {entry['message']}" for entry in self.chrome.get_log("browser")]
        return self._console

    def expect(self, expects: Callable[[str], bool]) -> None:
        """Take no offence at console lines of which this holds; parts of lines tell less."""
        self._expects.append(expects)

    def requested(self) -> list[str]:
        """Return the URLs that the tab asked for since it was last asked; `data:` and `blob:` are none."""
        urls = []
        for entry in self.chrome.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            match message["method"]:
                case "Network.requestWillBeSent":
                    urls.append(message["params"]["request"]["url"])
                case "Network.webSocketCreated":
                    urls.append(message["params"]["url"])
        return [url for url in urls if urlsplit(url).scheme not in ("data", "blob", "devtools", "chrome")]

    def barriers(self, *impacts: str) -> list[str]:
        """Return what axe finds that is serious or critical (or of the impacts given), a line each."""
        self.run(self._axe)
        found = self.chrome.execute_async_script(_AXE)
        wanted = impacts or ("serious", "critical")
        return [
            f"{each['impact']} {each['id']}: {each['help']}: "
            f"{[node['html'][:160] for node in each['nodes'][:4]]}"
            for each in found
            if each["impact"] in wanted
        ]

    def screenshot(self, name: str, *, whole: bool = False) -> None:
        """Keep a picture `NAME.png`, of the viewport or of the whole page, where somebody asks for them."""
        if folder := os.environ.get(SCREENSHOTS):
            taken = self._command("Page.captureScreenshot", captureBeyondViewport=whole)
            Path(folder).mkdir(parents=True, exist_ok=True)
            Path(folder, f"{name}.png").write_bytes(base64.b64decode(taken["data"]))

    def close(self) -> None:
        """Close the tab.

        Raises:
            AssertionError: something is in its console that the test did not say it expects.
        """
        found = [line for line in self.console() if not self._is_expected(line)]
        self.chrome.close()
        assert not found, f"in the page's console: {found}"

    def _is_expected(self, line: str) -> bool:
        if _CUT_MODULE in line and any(CUT in each for each in self._console):
            return True
        return any(part in line for part in (CUT, *self.expected)) or any(
            expects(line) for expects in self._expects
        )

    def _command(self, command: str, **parameters: Any) -> Any:
        return self.chrome.execute_cdp_cmd(command, parameters)

    def _drop_logs(self) -> None:
        for kind in ("browser", "performance"):
            self.chrome.get_log(kind)
