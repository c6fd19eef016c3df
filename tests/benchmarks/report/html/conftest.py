import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium: the system's, or the one that Playwright brought."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    with playwright.sync_playwright() as driver:
        options = {"executable_path": found} if found else {}
        try:
            chromium = driver.chromium.launch(args=["--no-sandbox", "--disable-gpu"], **options)
        except playwright.Error as error:
            pytest.skip(f"no Chromium starts: {str(error).splitlines()[0]}")
        yield chromium
        chromium.close()
