"""Archives by the command line."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from archives import STATE, files_in, recorded, times_done
from commands import PASSPHRASE, Run
from homeveil.batch.engine import Engine
from homeveil.batch.jobs import Job, Outcome
from homeveil.batch.run import Run as Work
from homeveil.batch.run import Told
from homeveil.batch.sources import Defaults, jobs_from
from homeveil.batch.state import State
from homeveil.batch.work import clear
from homeveil.policy import Policy
from homeveil.profile.store import load_profile, save_profile

CORES = len(os.sched_getaffinity(0))
ENROLL = Path(__file__).parents[2] / "examples" / "enroll"


recordings = recorded(3)


@pytest.fixture(scope="module")
def profile(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile of the example's agent."""
    path = tmp_path_factory.mktemp("profile") / "agent.veil"
    assert run("enroll", path, "--images", ENROLL).returncode == 0
    return path


def test_a_file_alone_may_take_all_places(run: Run, recordings: Path, tmp_path: Path) -> None:
    """Two workers, one file: both are its, and as it is too short for that it is done all the
    same, in one pass."""
    out = tmp_path / "out"
    words = ("--nobody", "--workers", 2, "--stretches", "auto")
    assert run("batch", recordings / "cut00.mp4", "--out", out, *words).returncode == 0
    with sqlite3.connect(out / STATE) as base:
        ((report,),) = base.execute("SELECT report FROM files").fetchall()
    assert json.loads(report)["one_pass"] == "it is too short"


def test_an_archive_is_cleared_once_and_as_redact_does(
    run: Run, recordings: Path, profile: Path, tmp_path: Path
) -> None:
    """Each result is the one of `redact` on one core (how many an encoder sees changes its
    bytes, not the frames that it is given); a second run does nothing; a changed recording, a
    lost result and another policy are done again."""
    source, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(recordings, source)
    words = ("batch", source, "--out", out, "--profile", profile, "--workers", CORES)
    planned = run(*words, "--dry-run")
    assert planned.stdout.count("new") == 3
    assert not out.exists()
    first = run(*words, "--json", "--html", tmp_path / "s.html", "--report", tmp_path / "s.json")
    assert first.returncode == 0, first.stderr
    lines = [json.loads(line) for line in first.stdout.splitlines()]
    assert [line["kind"] for line in lines] == ["done", "done", "done", "summary"]
    assert lines[-1]["picture_seconds"] == pytest.approx(3.3, abs=0.1)
    assert json.loads((tmp_path / "s.json").read_text())["done"] == 3
    assert "<svg" in (tmp_path / "s.html").read_text()
    assert files_in(out) == ["cut00.mp4", "cut01.mp4", "cut02.mp4"]
    single = run(
        "redact", source / "cut00.mp4", tmp_path / "one.mp4", "--profile", profile,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    )  # fmt: skip
    assert single.returncode == 0
    assert (tmp_path / "one.mp4").read_bytes() == (out / "cut00.mp4").read_bytes()

    assert run(*words).returncode == 0
    assert times_done(out / STATE) == dict.fromkeys(files_in(out), 1)
    shutil.copy(source / "cut01.mp4", source / "cut00.mp4")
    (out / "cut02.mp4").unlink()
    os.utime(source / "cut01.mp4")
    assert run(*words).returncode == 0
    assert times_done(out / STATE) == {"cut00.mp4": 2, "cut01.mp4": 1, "cut02.mp4": 2}
    changed = run(*words, "--style", "fill", "--dry-run")
    assert changed.stdout.count("changed") == 3


class _Meanwhile(Engine):
    """Clears at once. Before each file the profile is replaced by the next of these."""

    free = 1

    def __init__(self, profile: Path, *others: bytes) -> None:
        self.profile, self.others = profile, list(others)
        self.done: list[tuple[Job, Outcome]] = []

    def submit(self, job: Job) -> None:
        self.profile.write_bytes(self.others.pop(0))
        self.done.append((job, clear(job)))

    def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
        done, self.done = self.done, []
        return done

    def close(self) -> None:
        """Nothing runs."""


def test_a_run_clears_with_the_profile_that_it_began_with(
    recordings: Path, profile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's lies under its name for a while, and then it does again: nothing is cleared
    for anybody else, what could not be cleared is told and not counted."""
    monkeypatch.setenv("HOMEVEIL_PASSPHRASE", PASSPHRASE["HOMEVEIL_PASSPHRASE"])
    own, other, told = tmp_path / "agent.veil", tmp_path / "other.veil", list[Told]()
    shutil.copy(profile, own)
    # The same agent's, which would be opened and used.
    opened = load_profile(own, PASSPHRASE["HOMEVEIL_PASSPHRASE"])
    save_profile(other, opened, PASSPHRASE["HOMEVEIL_PASSPHRASE"])
    defaults = Defaults(str(tmp_path / "out"), str(own), nobody=False, policy=Policy())
    jobs = jobs_from([str(recordings / f"cut0{number}.mp4") for number in (0, 1)], defaults)
    engine = _Meanwhile(own, other.read_bytes(), own.read_bytes())
    with State(tmp_path / "state") as state:
        Work(jobs, state, tell=told.append).work(engine)
        rows = state.rows()
    assert [(each.job.source[-9:], each.kind) for each in told] == [
        ("cut00.mp4", "failed"), ("cut01.mp4", "done"),
    ]  # fmt: skip
    assert "agent.veil: is another profile" in told[0].outcome.reason
    assert [row.attempts for row in rows] == [0, 0]
    assert files_in(tmp_path / "out") == ["cut01.mp4"]


def test_a_name_that_is_not_utf8_is_a_name(run: Run, recordings: Path, tmp_path: Path) -> None:
    """One such file among others, good or bad: cleared or told of like them, and remembered."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    names = [os.fsdecode(name) for name in (b"caf\xe9.mp4", b"bad\xff.mp4")]
    try:
        (source / names[1]).write_bytes(b"no recording")
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    shutil.copy(recordings / "cut00.mp4", source / names[0])
    shutil.copy(recordings / "cut00.mp4", source / "plain.mp4")
    words = ("batch", source, "--out", out, "--nobody", "--tries", 1)
    assert run(*words, "--dry-run").stdout.count("new") == 3
    html, summary = tmp_path / "s.html", tmp_path / "s.json"
    result = run(*words, "--html", html, "--report", summary)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert files_in(out) == [names[0], "plain.mp4"]
    assert "bad\\udcff.mp4" in html.read_text("utf-8")
    (failure,) = json.loads(summary.read_text())["failures"]
    assert failure["file"] == str(source / names[1])
    (source / names[1]).unlink()
    again = run(*words, "--json")
    assert again.returncode == 0, again.stderr
    assert [json.loads(line)["kind"] for line in again.stdout.splitlines()] == ["summary"]
    assert set(times_done(out / STATE).values()) == {0, 1}


def test_a_name_does_not_write_lines_of_its_own(run: Run, tmp_path: Path) -> None:
    """Ends of lines and what steers a terminal, in a plan and in what is told of a file."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    (source / "a\nnew b\x1b[2J").mkdir()
    (source / "a\nnew b\x1b[2J" / "c.mp4").write_bytes(b"no recording")
    (out / "a\nnew b\x1b[2J").write_bytes(b"no folder")
    words = ("batch", source, "--out", out, "--nobody", "--tries", 1)
    plan, result = run(*words, "--dry-run"), run(*words)
    assert r"a\nnew b\x1b[2J/c.mp4" in plan.stdout
    assert plan.stdout.count("\n") == 1
    assert r"a\nnew b\x1b[2J/c.mp4: its folder cannot be made" in result.stderr
    assert "\x1b" not in plan.stdout + result.stderr


def test_names_may_be_as_long_as_names_can_be(
    run: Run, recordings: Path, tmp_path: Path
) -> None:
    """255 bytes, most of them of letters of three; a result whose name would be longer is told of
    by that name."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    name, longer = f"{'会' * 83}-a.mp4", f"{'b' * 251}.wmv"
    for one in (name, longer):
        shutil.copy(recordings / "cut00.mp4", source / one)
    result = run("batch", source, "--out", out, "--nobody", "--tries", 1)
    assert files_in(out) == [name]
    assert f"{out}/{longer}.mp4: cannot be written" in result.stderr


def test_a_dry_run_changes_nothing(run: Run, tmp_path: Path) -> None:
    """No state is made; a file that was set aside stays so, whatever is asked."""
    source, out = tmp_path / "in", tmp_path / "out"
    for folder in (source, out):
        folder.mkdir()
    (source / "bad.mp4").write_bytes(b"no recording")
    words = ("batch", source, "--out", out, "--nobody", "--tries", 1)
    assert run(*words, "--dry-run").stdout.startswith("new")
    assert list(out.iterdir()) == []
    assert run(*words).returncode == 1
    before = (out / STATE).read_bytes()
    assert run(*words, "--dry-run", "--again").stdout.startswith("new")
    assert (out / STATE).read_bytes() == before
    assert run(*words, "--dry-run").stdout.startswith("poison")


def test_a_bad_file_is_set_aside_and_the_rest_goes_on(
    run: Run, recordings: Path, tmp_path: Path
) -> None:
    """Two tries, then set aside with the reason; status 1; tried again when asked or changed."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "bad.mp4").write_bytes(b"no recording")
    shutil.copy(recordings / "cut00.mp4", source / "good.mp4")
    words = ("batch", source, "--out", out, "--nobody", "--tries", 2, "--json")
    result = run(*words)
    assert result.returncode == 1
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    bad = [line["kind"] for line in lines if line.get("file", "").endswith("bad.mp4")]
    assert bad == ["again", "poison"]
    (failure,) = lines[-1]["failures"]
    assert failure["set_aside"]
    assert "bad.mp4" in failure["reason"]
    assert files_in(out) == ["good.mp4"]
    second = run(*words)
    assert second.returncode == 1
    assert len(second.stdout.splitlines()) == 1
    assert len(run(*words, "--again").stdout.splitlines()) == 3
    shutil.copy(recordings / "cut01.mp4", source / "bad.mp4")
    assert run(*words).returncode == 0


def test_misuse_ends_with_status_2(run: Run, recordings: Path, tmp_path: Path) -> None:
    """What cannot be meant is told at once, and nothing is made."""
    out = tmp_path / "out"
    for words in (
        (recordings, "--out", out),
        (recordings, "--out", out, "--nobody", "--workers", 0),
        (recordings, "--out", "sftp://me:pass@localhost/x", "--nobody"),
        (recordings, "--out", out, "--nobody", "--ray-address", "auto"),
    ):
        result = run("batch", *words)
        assert result.returncode == 2, result.stderr
        assert "Traceback" not in result.stderr
    assert not out.exists()


def test_the_result_of_another_recording_stays(
    run: Run, recordings: Path, tmp_path: Path
) -> None:
    """Of two runs for one folder of results, the second fails; so it does while another one is
    still at it, and that is no success, though there is a result of the name."""
    words = ("--out", tmp_path / "out", "--nobody", "--json")
    for name, cut in (("x", "cut00.mp4"), ("y", "cut01.mp4")):
        (tmp_path / name).mkdir()
        shutil.copy(recordings / cut, tmp_path / name / "a.mp4")
    assert run("batch", tmp_path / "x", *words).returncode == 0
    result = (tmp_path / "out" / "a.mp4").read_bytes()
    refused = run("batch", tmp_path / "y", *words)
    assert refused.returncode == 2
    assert "is the result of" in refused.stderr
    with sqlite3.connect(tmp_path / "out" / STATE) as base:
        base.execute("UPDATE files SET source = 'sftp://localhost:1/a.mp4'")
    unknown = run("batch", tmp_path / "y", *words)
    assert unknown.returncode == 1
    assert "cannot be asked for now" in unknown.stdout
    assert (tmp_path / "out" / "a.mp4").read_bytes() == result


def test_a_manifest_with_a_server_that_is_gone(
    run: Run, recordings: Path, tmp_path: Path
) -> None:
    """The other file is done; the summary tells of the one that was not reached."""
    pytest.importorskip("paramiko")
    manifest, gone = tmp_path / "list.csv", "sftp://tester@localhost:1/b.mp4"
    manifest.write_text(f"file\n{gone}\n{recordings / 'cut00.mp4'}\n")
    words = ("batch", manifest, "--out", tmp_path / "out", "--nobody", "--json")
    assert "unreached" in run(*words, "--dry-run").stdout
    result = run(*words)
    assert result.returncode == 1, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    kinds = sorted(line["kind"] for line in lines)
    assert kinds == ["again", "again", "done", "failed", "summary"]
    assert (lines[-1]["files"], lines[-1]["done"], lines[-1]["failed"]) == (2, 1, 1)
    assert lines[-1]["failures"][0]["file"] == gone
    assert "cannot be reached" in lines[-1]["failures"][0]["reason"]
    assert files_in(tmp_path / "out") == ["cut00.mp4"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--report", "in/a.mp4"), "report would be written over the input"),
        (("--html", "out/in/a.mp4"), "html would be written over the result"),
        (("--report", "s", "--html", "s"), "html would be written over the report"),
        (("--state", "s", "--report", "s"), "report would be written over the state"),
        (("--report", f"out/{STATE}"), "state would be written over the report"),
        (("--report", "list.csv"), "report would be written over the input"),
        (("--report", "out"), "report would be written over the folder of results"),
        (("--report", "nodir/r.json"), "no directory nodir"),
        (("--html", "in"), "is a directory"),
    ],
)
def test_what_would_cost_another_file_is_refused(
    run: Run, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    """Of an archive as of one file: nothing is cleared and nothing is touched."""
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.mp4").write_bytes(b"a recording")
    (tmp_path / "list.csv").write_text("file\nin/a.mp4\n")
    result = run("batch", "list.csv", "--out", "out", "--nobody", *words, cwd=tmp_path)
    assert result.returncode == 3, result.stderr
    assert told in result.stderr
    assert (source / "a.mp4").read_bytes() == b"a recording"
    assert (tmp_path / "list.csv").read_text() == "file\nin/a.mp4\n"
    assert sorted(one.name for one in tmp_path.iterdir() if one.name != "out") == ["in", "list.csv"]


def test_a_wrong_passphrase_sets_nothing_aside(
    run: Run, recordings: Path, profile: Path, tmp_path: Path
) -> None:
    """It is no fault of the files: once it is right, all are done. It is never told."""
    out = tmp_path / "out"
    words = ("batch", recordings, "--out", out, "--profile", profile, "--json")
    missing = tmp_path / "secret"
    missing.write_text("hunter2 of wrongness")
    missing.chmod(0o600)
    wrong = run(*words, "--passphrase-file", missing, "--tries", 1)
    assert wrong.returncode == 1
    assert "hunter2" not in wrong.stdout + wrong.stderr
    assert files_in(out) == []
    assert run(*words, "--tries", 1).returncode == 0
    kept = (out / STATE).read_bytes()
    assert b"hunter2" not in kept
    assert PASSPHRASE["HOMEVEIL_PASSPHRASE"].encode() not in kept
