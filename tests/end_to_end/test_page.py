"""The worker's page in a real browser: seen, heard by a screen reader, used by keyboard alone.

With HOMEVEIL_SHOTS=DIR, pictures of the page are put there, to be looked at.
"""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

import homeveil
from desks import some_events
from homeveil.frames import VeiledFrame
from homeveil.live.board import Board, Cause, OutputStatus
from homeveil.live.web.server import WebServer
from homeveil.live.web.telling import QUIET_SECONDS
from homeveil.media.reader import VideoReader
from pages import grey, leaving, serving
from receivers import wait_until

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed (Debian: apt-get install chromium)"
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "demo.mp4"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP rebound.example 127.0.0.1",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, with a profile of its own that is empty at first."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def frames() -> list[VeiledFrame]:
    """Some of the example, veiled by the real engine for nobody."""
    veiled: list[VeiledFrame] = []
    with VideoReader(EXAMPLE) as reader, homeveil.Redactor(None, delay_seconds=0.0) as redactor:
        for number, raw in enumerate(reader):
            if number == 24:
                break
            veiled += (frame.copy() for frame in redactor.process(raw))
    return veiled


@contextmanager
def opened(browser: Browser, server: WebServer, **options: object) -> Iterator[Page]:
    """The page, opened; no error in its console and no request to elsewhere."""
    context = browser.new_context(**{"locale": "en-GB", **options})  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(10_000)
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda line: line.type == "error" and troubles.append(line.text))
    origin = f"http://127.0.0.1:{server.port}/"
    page.on("request", lambda one: one.url.startswith(origin) or troubles.append(one.url))
    assert server.page_url is not None
    page.goto(server.page_url)
    expect(page.locator("#text")).not_to_be_empty()
    yield page
    assert not troubles
    assert not context.cookies()
    context.close()


def shade(page: Page) -> float:
    """Mean of the canvas, 0..255."""
    return float(
        page.evaluate(
            """() => {
                const canvas = document.getElementById("picture");
                const data = canvas.getContext("2d")
                    .getImageData(0, 0, canvas.width, canvas.height).data;
                return data.reduce((sum, value, at) => at % 4 < 3 ? sum + value : sum, 0)
                    / data.length * 4 / 3;
            }"""
        )
    )


def test_what_leaves_is_seen_and_covered_by_key_and_button(
    browser: Browser, frames: list[VeiledFrame], tmp_path: Path
) -> None:
    """P covers and never uncovers; the button does both, from the keyboard."""
    board = Board()
    board.watch(lambda: [OutputStatus("udp 127.0.0.1:5004", True, 1_200_000)], {})
    for event in some_events(3):
        board.put(event)
    heard: list[bool] = []
    board.on_pause(heard.append)
    with serving(board) as server, leaving(board, frames), opened(browser, server) as page:
        button = page.get_by_role("button", name="Cover the camera")
        expect(page.locator("#word")).to_have_text("Open")
        expect(page.locator("#text")).to_have_text(
            "You and your room are shown; everything not cleared is veiled."
        )
        wait_until(lambda: page.evaluate("document.getElementById('picture').width") > 16)
        bright = np.mean([frame.planes[0].mean() for frame in frames])
        wait_until(lambda: abs(shade(page) - bright) < 30)
        expect(page.locator("#events tbody tr")).to_have_count(3)
        expect(page.locator("#outputs tbody tr")).to_have_count(1)
        expect(page.locator("#level-text")).to_have_text("-24 dB")
        expect(button).to_have_attribute("aria-pressed", "false")
        expect(button).to_have_attribute("aria-keyshortcuts", "P")

        page.keyboard.press("Control+p")
        page.keyboard.press("p")
        expect(page.locator("#word")).to_have_text("Covered")
        assert board.paused
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(page.locator("[role=status]")).to_contain_text("Covered")
        wait_until(lambda: shade(page) < 60)
        page.keyboard.press("p")
        page.keyboard.press("Shift+P")
        button.focus()
        page.keyboard.press("Space")
        expect(page.locator("#word")).to_have_text("Open")
        assert not board.paused
        page.keyboard.press("Enter")
        expect(page.locator("#word")).to_have_text("Covered")
        page.keyboard.press("Enter")
        expect(button).to_have_attribute("aria-pressed", "false")

        page.get_by_label("The key P covers the camera").uncheck()
        page.keyboard.press("p")
        page.wait_for_timeout(300)
        assert not board.paused
        assert not button.get_attribute("aria-keyshortcuts")
    assert heard == [True, False, True, False]


def test_both_languages(browser: Browser, frames: list[VeiledFrame]) -> None:
    """By the browser's language, and by a switch that can be seen."""
    board = Board()
    with serving(board) as server, leaving(board, frames):
        with opened(browser, server, locale="es-ES") as page:
            assert page.locator("html").get_attribute("lang") == "es"
            expect(page.locator("#word")).to_have_text("Abierto")
            expect(page.get_by_role("button", name="Tapar la cámara")).to_be_enabled()
            page.get_by_role("link", name="English").click()
            assert page.locator("html").get_attribute("lang") == "en"
            expect(page.locator("#word")).to_have_text("Open")
            page.get_by_role("link", name="Español").click()
            expect(page.locator("#word")).to_have_text("Abierto")
        with opened(browser, server, locale="fr-FR") as page:
            expect(page.locator("#word")).to_have_text("Open")


def test_names_and_roles(browser: Browser) -> None:
    """What a screen reader is given: landmarks, headings, names, states; and every stop of the
    Tab key."""
    board = Board()
    with serving(board) as server, leaving(board, [grey()]), opened(browser, server) as page:
        expect(page.locator("#word")).to_have_text("Open")
        expect(page.locator("body")).to_match_aria_snapshot(
            """
            - banner:
              - heading "What leaves this computer" [level=1]
              - navigation "Language":
                - link "English"
                - link "Español"
            - main:
              - region "Now":
                - heading "Now" [level=2]
                - paragraph: /Open since/
                - status
                - button "Cover the camera"
                - paragraph:
                  - checkbox "The key P covers the camera" [checked]
              - figure:
                - img "The picture as it leaves"
                - paragraph:
                  - meter "Sound level as it leaves"
              - region "Sent today":
                - heading "Sent today" [level=2]
              - region "Where it goes":
                - heading "Where it goes" [level=2]
              - region "Desk events sent":
                - heading "Desk events sent" [level=2]
              - region "What leaves":
                - heading "What leaves" [level=2]
                - list
            """
        )
        button = page.get_by_role("button", name="Cover the camera")
        assert button.get_attribute("aria-describedby") == "hint"
        stops = []
        for _ in range(5):
            page.keyboard.press("Tab")
            stops.append(page.evaluate("document.activeElement.id || document.activeElement.lang"))
        assert stops[:4] == ["en", "es", "cover", "key"]
        assert page.evaluate("document.querySelectorAll('[role=status], [role=alert]').length") == 2


def test_a_flickering_state_is_not_read_out(browser: Browser) -> None:
    """The screen reader is told what lasts, and not every change of it."""
    board = Board()
    board.show(grey(), None, 0.04)
    with serving(board) as server, opened(browser, server) as page:
        expect(page.locator("[role=status]")).to_contain_text("Open")
        page.evaluate(
            """() => {
                window.told = [];
                new MutationObserver(() =>
                    window.told.push(document.getElementById("told").textContent)
                ).observe(document.getElementById("told"), {childList: true});
            }"""
        )
        for number in range(12):
            board.show(grey(), Cause.UNCLEARED if number % 2 else None, 0.04)
            page.wait_for_timeout(150)
        assert page.evaluate("window.told") == []
        board.show(grey(), Cause.PAUSED)
        expect(page.locator("[role=status]")).to_contain_text("Covered", timeout=1500)


def test_a_page_that_lost_its_session_shows_no_picture(browser: Browser) -> None:
    """Nothing old stands there as if it left now, whether frames stop or the server is gone."""
    board = Board()
    board.show(grey(level=200), None, 0.04)
    server = WebServer(board, page=True, metrics=False, broadcast=None)
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    try:
        assert server.page_url is not None
        page.goto(server.page_url)
        picture, note = page.locator("#picture"), page.locator("#no-picture")
        expect(picture).to_be_visible()
        board._shown_at -= QUIET_SECONDS
        expect(page.locator("#word")).to_have_text("Nothing leaves")
        expect(picture).not_to_be_visible()
        expect(note).to_be_visible()
        board.show(grey(), None, 0.04)
        expect(picture).to_be_visible()
    finally:
        server.close()
    expect(page.locator("#word")).to_have_text("No connection")
    expect(picture).not_to_be_visible()
    page.keyboard.press("p")
    expect(page.locator("[role=alert]")).to_contain_text("homeveil did not do that")
    context.close()


@contextmanager
def another_site(folder: Path) -> Iterator[str]:
    """A web server of somebody else on another port of this machine, with one empty page."""
    (folder / "index.html").write_text("<!DOCTYPE html><title>elsewhere</title>")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


ATTACK = """async (page) => {
    const base = new URL(page).origin, found = {};
    const tried = async (name, path, options) => {
        try { found[name] = (await fetch(path, options)).type; } catch { found[name] = "failed"; }
    };
    const body = JSON.stringify({paused: true}), type = {"Content-Type": "application/json"};
    await tried("state", page + "state", {});
    await tried("metrics", base + "/metrics", {});
    await tried("switch", page + "pause", {method: "POST", headers: type, body});
    await tried("blind switch", page + "pause", {method: "POST", mode: "no-cors", body});
    await tried("blind picture", page + "picture", {mode: "no-cors"});
    const form = document.createElement("form");
    form.method = "POST"; form.action = page + "pause"; form.target = "frame";
    const frame = document.createElement("iframe");
    frame.name = "frame"; document.body.append(frame, form); form.submit();
    const image = new Image();
    found.image = await new Promise((done) => {
        image.onload = () => done("loaded"); image.onerror = () => done("failed");
        image.src = page + "picture";
    });
    const framed = document.createElement("iframe");
    await new Promise((done) => {
        framed.onload = done; framed.src = page; document.body.append(framed);
    });
    return found;
}"""


def test_other_sites_in_the_browser_are_kept_out(browser: Browser, tmp_path: Path) -> None:
    """A site on another port of this machine that even knows the token: it can neither read the
    page nor its picture nor the metrics, nor use the switch, nor frame the page."""
    board = Board()
    board.show(grey(), None, 0.04)
    with serving(board) as server, another_site(tmp_path) as site:
        context = browser.new_context()
        page = context.new_page()
        page.goto(site)
        answers: list[int] = []
        page.on("response", lambda one: site in one.url or answers.append(one.status))
        found = page.evaluate(ATTACK, server.page_url)
        assert set(answers) == {403}  # those of the frames; the rest fails without one
        assert found.pop("blind switch") in ("failed", "opaque")
        assert set(found.values()) == {"failed"}
        assert not board.paused
        for frame in page.frames[1:]:
            assert "homeveil" not in frame.content()
        # A name that was rebound to this machine.
        for path in ("metrics", "health", server.page_url.split("/")[3] + "/"):  # type: ignore[union-attr]
            answer = page.goto(f"http://rebound.example:{server.port}/{path}")
            assert answer is not None
            assert answer.status == 421
        context.close()


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_cut_off(browser: Browser, frames: list[VeiledFrame], width: int) -> None:
    """On a narrow window, and at the width of a desktop, the page does not scroll sideways."""
    board = Board()
    board.watch(lambda: [OutputStatus("webhook https://monitor.example/" + "x" * 60, True, 1)], {})
    for event in some_events(5):
        board.put(event)
    with serving(board) as server, leaving(board, frames):
        options = {"viewport": {"width": width, "height": 800}, "locale": "es-ES"}
        with opened(browser, server, **options) as page:
            expect(page.locator("#events tbody tr")).to_have_count(5)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width
            shots = os.environ.get("HOMEVEIL_SHOTS")
            if shots:
                page.screenshot(path=Path(shots) / f"page-{width}.png", full_page=True)


def test_a_url_without_its_token_shows_nothing(browser: Browser) -> None:
    with serving(Board()) as server:
        context = browser.new_context()
        page = context.new_page()
        assert server.page_url is not None
        answer = page.goto(re.sub(r"/[^/]+/$", "/guess/", server.page_url))
        assert answer is not None
        assert (answer.status, page.content().count("homeveil")) == (404, 0)
        context.close()
