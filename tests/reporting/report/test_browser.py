"""The page in a real browser: nothing overflows on a phone, on a screen or in print, and nothing is asked for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from simulator.reporting.report import html_page
from tests.reporting.report.cases import CASES, report

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium: install Debian's package chromium")
WIDTHS = (375, 1280)
ASKED = """
<iframe id="probe" style="width:WIDTHpx;height:900px;border:0"></iframe>
<pre id="told"></pre>
<script>
const page = PAGE;
const frame = document.getElementById("probe");
frame.onload = () => {
  const inner = frame.contentDocument, view = frame.contentWindow, root = inner.documentElement;
  const wide = [...inner.body.querySelectorAll("*")].filter(one => {
    const box = one.getBoundingClientRect();
    return !one.closest("svg *") && box.width > 2 && (box.right > root.clientWidth + 0.5 || box.left < -0.5);
  });
  const cut = [...inner.querySelectorAll("p, td, th, h1, h2, caption, figcaption, li, .table")].filter(
    one => one.clientWidth > 2 && one.scrollWidth > one.clientWidth + 1);
  const texts = [...inner.querySelectorAll("svg text")].filter(one => {
    const box = one.getBoundingClientRect(), svg = one.ownerSVGElement.getBoundingClientRect();
    return box.right > svg.right + 1 || box.left < svg.left - 1;
  });
  const letters = [...inner.querySelectorAll("svg text")].map(one => one.getBoundingClientRect().height);
  document.getElementById("told").textContent = JSON.stringify({
    scroll: root.scrollWidth, client: root.clientWidth,
    wide: wide.map(one => one.outerHTML.slice(0, 120)), cut: cut.map(one => one.outerHTML.slice(0, 120)),
    texts: texts.map(one => one.textContent), smallest: Math.min(...letters),
    asked: view.asked,
  });
};
frame.srcdoc = page;
</script>
"""
WATCHED = """<head><script>
window.asked = [];
document.addEventListener("securitypolicyviolation", event => window.asked.push(event.blockedURI));
</script><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""
"""Put into the copy: whatever the page wants from anywhere is refused, and told."""
SMALLEST_TEXT = 8.0
"""Height of the smallest text of a picture on a phone [px]."""


def chromium(folder: Path, *arguments: str) -> str:
    """What a headless browser that knows no other machine prints."""
    assert BROWSER is not None
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=3000", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def probed(page: str, width: int, folder: Path) -> dict[str, Any]:
    """Sizes of a page in a frame of a width, and what it asked for."""
    quoted = json.dumps(page.replace("<head>", WATCHED)).replace("</", "<\\/")
    copy = folder / "copy.html"
    copy.write_text(ASKED.replace("WIDTH", str(width)).replace("PAGE", quoted), encoding="utf-8")
    shown = chromium(folder, "--window-size=1600,1000", "--dump-dom", copy.as_uri())
    found = re.search(r'<pre id="told">(.+?)</pre>', shown, re.DOTALL)
    assert found is not None, "the page was not shown"
    told: dict[str, Any] = json.loads(unescape(found[1]))
    return told


@needs_browser
@pytest.mark.parametrize("name", CASES)
def test_nothing_overflows_and_nothing_is_asked_for(name: str, tmp_path: Path) -> None:
    page = html_page(report(name))
    for width in WIDTHS:
        told = probed(page, width, tmp_path)
        assert told["client"] in (width, width - 15), "the frame has another width"
        assert told["scroll"] <= told["client"], told["wide"]
        assert told["wide"] == told["cut"] == told["texts"] == told["asked"] == []
        assert told["smallest"] >= SMALLEST_TEXT


@needs_browser
def test_the_probe_sees_an_overflow_and_a_request(tmp_path: Path) -> None:
    """The check can fail."""
    page = html_page(report("stream"))
    wide = page.replace(
        "<main>", '<main><p style="width:2000px">x</p><img src="https://example.org/a.png"><img src="near.png">'
    )
    told = probed(wide, 375, tmp_path)
    assert told["scroll"] > told["client"]
    assert told["wide"]
    assert len(told["asked"]) == 2


@needs_browser
def test_it_prints(tmp_path: Path) -> None:
    page, printed = tmp_path / "page.html", tmp_path / "page.pdf"
    page.write_text(html_page(report("one")), encoding="utf-8")
    chromium(tmp_path, f"--print-to-pdf={printed}", "--no-pdf-header-footer", page.as_uri())
    data = printed.read_bytes()
    assert data.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", data)) <= 12
