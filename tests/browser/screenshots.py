"""Makes the pictures of the traders' screens, both themes, from a running simulated platform.

    .venv/bin/python -m tests.browser.screenshots http://127.0.0.1:3070

A platform that asks real markets is refused: the pictures are published, and say that they are
simulated.
"""

import sys
import time
from pathlib import Path

import httpx

from tests.support.screens import Screen, chromium

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
PAGES = (
    "intraday",
    "position",
    "forecasts",
    "balance",
    "day-ahead",
    "flows",
    "gas",
    "outages",
    "data",
)
THEMES = ("dark", "light")
_WAITING = ".panel-note:text('Asking'), .grid-empty:visible:text('Asking')"
_PATIENCE_SECONDS = 60.0
_DRAWN_SECONDS = 1.0


def main(address: str) -> None:
    """Write one picture per page and theme into docs/screenshots."""
    if not httpx.get(f"{address}/api/catalogue", timeout=30).json()["simulated"]:
        sys.exit("the pictures are made of simulated markets only")
    with chromium() as browser:
        screen = Screen(browser, address)
        for theme in THEMES:
            for page in PAGES:
                screen.open(page)
                if screen.theme() != theme:
                    screen.key("t")
                screen.until(lambda: screen.page.locator(_WAITING).count() == 0, _PATIENCE_SECONDS)
                time.sleep(_DRAWN_SECONDS)
                picture = FOLDER / f"{page}-{theme}.png"
                screen.page.screenshot(path=picture)
        screen.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
