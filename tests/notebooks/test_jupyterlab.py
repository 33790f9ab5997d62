"""01_train in a real JupyterLab in a real browser, from its first cell to its last."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOT = ROOT / "build" / "jupyterlab_01_train.png"
RUN_TIMEOUT_S = 240


@pytest.fixture
def jupyterlab(tmp_path: Path, free_port: int) -> Iterator[str]:
    """JupyterLab on copies of the notebooks, without a token; yields its address."""
    work = tmp_path / "notebooks"
    for folder in ("notebooks", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    # Without the committed outputs: what is seen at the end was made in this browser.
    notebook = json.loads((work / "01_train.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    (work / "01_train.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    settings = tmp_path / "settings"
    # A fresh JupyterLab asks whether it may fetch news, and the question covers the page.
    asks = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    asks.parent.mkdir(parents=True)
    asks.write_text('{"fetchNews": "false", "checkForUpdates": false}', encoding="utf-8")
    # Every cell is drawn at once, not when it is scrolled to.
    draws = settings / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    draws.parent.mkdir(parents=True)
    draws.write_text('{"windowingMode": "none"}', encoding="utf-8")
    command = [
        *(sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser"),
        *(f"--ServerApp.port={free_port}", "--ServerApp.port_retries=0"),
        *("--IdentityProvider.token=", f"--ServerApp.root_dir={tmp_path}"),
        f"--LabApp.user_settings_dir={settings}",
    ]
    log = (tmp_path / "jupyterlab.log").open("wb")
    environ = {**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
    with log, subprocess.Popen(command, stdout=log, stderr=log, env=environ) as server:
        address = f"http://127.0.0.1:{free_port}"
        try:
            _wait_for(address + "/api/status", server)
            yield address
        finally:
            server.terminate()
            server.wait(30)


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        assert server.poll() is None, "JupyterLab ended"
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            assert time.monotonic() < deadline, "JupyterLab did not answer"
            time.sleep(0.2)


@pytest.mark.needs("chromium")
@pytest.mark.timeout(RUN_TIMEOUT_S + 120)
def test_the_first_notebook_runs_to_its_end(jupyterlab: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 1600})
        page.goto(f"{jupyterlab}/lab/tree/notebooks/01_train.ipynb?reset")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
        page.get_by_role("menuitem", name="Kernel", exact=True).click()
        page.get_by_role("menuitem", name="Restart Kernel and Run All Cells").click()
        page.get_by_role("button", name="Confirm Kernel Restart").click()
        # A cell that has run has its number; one that runs has a star, one that waits nothing.
        page.wait_for_function(
            """() => {
                const cells = [...document.querySelectorAll('.jp-CodeCell')];
                return cells.length && cells.every(cell =>
                    /\\[\\d+\\]/.test(cell.querySelector('.jp-InputPrompt').textContent));
            }""",
            timeout=RUN_TIMEOUT_S * 1000,
        )
        last = page.locator(".jp-CodeCell").last
        last.scroll_into_view_if_needed()
        SCREENSHOT.parent.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOT)
        errors = page.locator('.jp-OutputArea-output[data-mime-type*="error"]').count()
        assert errors == 0
        assert "cleaned up" in last.locator(".jp-OutputArea").inner_text()
        assert page.locator(".jp-CodeCell img").count() >= 1
        browser.close()
