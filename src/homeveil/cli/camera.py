"""``homeveil camera``: a camera in, a redacted live stream out."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeveil.cli import options
from homeveil.errors import EventError, UsageError

if TYPE_CHECKING:
    from homeveil.desk_events import DeskEvents
    from homeveil.live.board import Board
    from homeveil.live.output import LiveOutput
    from homeveil.live.outputs.served import Served
    from homeveil.live.session import Session
    from homeveil.live.take import Shot
    from homeveil.policy import Policy


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "camera",
        help="redact a camera, live",
        description="Redact a camera as it films. Everybody but the profile's agent is veiled, and "
        "every voice but the agent's is muted; when anything fails, a blank card leaves. Ends "
        "with Ctrl-C, SIGTERM or its terminal; SIGUSR1, or p and Enter, covers and uncovers the "
        "camera.",
    )
    add_arguments(parser)
    parser.add_argument(
        "--config", type=Path, metavar="F", help="read these options from a file (TOML)"
    )
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All that can also stand in a config file."""
    parser.add_argument(
        "source",
        nargs="?",
        metavar="CAMERA",
        help="0, /dev/video0, an address (rtsp://, http://, …), or with --realtime a file",
    )
    options.add_profile(parser, required=False)
    options.add_policy(parser)
    options.add_sound(parser)
    taken = parser.add_argument_group("camera")
    taken.add_argument(
        "--realtime", action="store_true", help="play a file at its own pace, as if it were live"
    )
    taken.add_argument("--size", metavar="WxH", help="wanted of the camera, and put out")
    taken.add_argument("--rate", type=options.positive, metavar="FPS", help="wanted of the camera")
    taken.add_argument(
        "--microphone",
        metavar="NAME",
        help="record sound beside a camera of this machine; 'default' for the system's own",
    )
    taken.add_argument(
        "--delay",
        type=float,
        default=0.0,
        metavar="S",
        help="let pictures wait so long: what is learnt meanwhile still counts",
    )
    taken.add_argument("--isolate", choices=["auto", "require", "off"], default="auto",
                       help="as for redact")  # fmt: skip
    sent = parser.add_argument_group("outputs (several at once)")
    sent.add_argument(
        "--stream",
        action="append",
        metavar="URL",
        help="send it to a server: rtsp://, rtmp://, srt://, udp://, tcp://",
    )
    sent.add_argument("--record", type=Path, metavar="DIR", help="record into files there")
    sent.add_argument("--record-minutes", type=options.positive, default=10.0, metavar="M",
                      help="how long each is (10)")  # fmt: skip
    sent.add_argument("--record-keep", type=options.positive, metavar="GB",
                      help="delete the oldest beyond so much")  # fmt: skip
    sent.add_argument(
        "--virtual-camera",
        nargs="?",
        const="",
        metavar="DEV",
        help="be a camera of this machine for other programs",
    )
    sent.add_argument("--http", action="store_true", help="serve an MPEG-TS stream on loopback")
    sent.add_argument("--page", action="store_true", help="serve the worker's page on loopback")
    sent.add_argument("--metrics", action="store_true", help="serve health and Prometheus metrics")
    sent.add_argument("--port", type=options.port, default=0, metavar="N",
                      help="of what is served; else a free one")  # fmt: skip
    options.add_events(parser, start=False)
    parser.add_argument("--log", choices=["text", "json"], default="text")


def run(arguments: argparse.Namespace) -> int:
    """Run a session until it is stopped."""
    from homeveil.cli import logs

    if arguments.config is not None:
        arguments = _with_config(arguments)
    logs.set_up(arguments.log)
    policy = options.policy_from(arguments)
    check_outputs(arguments)
    shot = shot_from(arguments, policy)
    from homeveil.live.board import Board
    from homeveil.live.session import Session
    from homeveil.live.today import Today

    board = Board(Today.of_installation())
    with ExitStack() as stack:
        outputs, served = _outputs(arguments, shot, board)
        session = stack.enter_context(
            Session(shot, outputs, board, size=options.size_from(arguments.size))
        )
        if arguments.page or arguments.metrics or arguments.http:
            _serve(arguments, board, served, stack)
        with _signals(session, board):
            session.run()
    return 0


def shot_from(arguments: argparse.Namespace, policy: Policy) -> Shot:
    """What the options ask to take. Raises UsageError, ProfileError."""
    from homeveil.isolation import Isolate
    from homeveil.live.take import Shot
    from homeveil.media.live_source import read_source

    if arguments.source is None:
        raise UsageError("no camera is named; give 0, /dev/video0, an address or a file")
    if arguments.profile is None and not arguments.nobody:
        raise UsageError("say whom to show: --profile F, or --nobody")
    if not 0 <= arguments.delay <= 10:
        raise UsageError(f"--delay is {arguments.delay}; give 0 to 10 seconds")
    source = read_source(
        arguments.source,
        realtime=arguments.realtime,
        size=options.size_from(arguments.size),
        frame_rate=arguments.rate,
        microphone=arguments.microphone,
    )
    return Shot(
        source,
        options.locked_profile_from(arguments),
        policy,
        Isolate(arguments.isolate),
        arguments.delay,
    )


def check_outputs(arguments: argparse.Namespace) -> None:
    """Raise UsageError or EventError for outputs that cannot be, before any is made."""
    from homeveil.emit.events.places import check_apart, read_place
    from homeveil.live.outputs.broadcast import Broadcast
    from homeveil.live.outputs.push import Push

    given = (arguments.stream, arguments.http, arguments.page, arguments.events)
    named = (arguments.record, arguments.virtual_camera)
    if not any(given) and all(one is None for one in named):
        raise UsageError(
            "nothing would leave: give an output, such as --stream URL, --record DIR, "
            "--virtual-camera, --http or --page"
        )
    for url in arguments.stream or ():
        Push(Broadcast(), url)
    places = [read_place(text) for text in arguments.events or ()]
    check_apart(places)
    for file in (place.file for place in places if place.file is not None):
        if not os.path.isdir(file.parent):
            raise EventError(f"{file}: no folder {file.parent} for events; make it first")
        if os.path.isdir(file):
            raise EventError(f"{file}: is a folder; give the name of a file for events")


def _outputs(
    arguments: argparse.Namespace, shot: Shot, board: Board
) -> tuple[list[LiveOutput], Served | None]:
    """All outputs, and the one among them that is fetched on loopback."""
    from homeveil.live.outputs.push import Push
    from homeveil.live.outputs.recorder import Recorder
    from homeveil.live.outputs.served import Served
    from homeveil.live.outputs.transport import Transport

    transport = Transport(shot.policy)
    broadcast = transport.broadcast
    encoded: list[LiveOutput] = [Push(broadcast, url) for url in arguments.stream or ()]
    if arguments.record is not None:
        keep = arguments.record_keep
        encoded.append(
            Recorder(
                broadcast,
                arguments.record,
                minutes=arguments.record_minutes,
                keep_bytes=None if keep is None else round(keep * 1e9),
            )
        )
    served = Served(broadcast) if arguments.http else None
    if served is not None:
        encoded.append(served)
    outputs: list[LiveOutput] = [transport, *encoded] if encoded else []
    if arguments.virtual_camera is not None:
        from homeveil.live.outputs.virtual_camera import VirtualCamera

        outputs.append(VirtualCamera(arguments.virtual_camera))
    if arguments.events:
        from homeveil.live.outputs.desk import DeskWatch

        outputs.append(DeskWatch(_events(arguments, shot, board)))
    return outputs, served


def _events(arguments: argparse.Namespace, shot: Shot, board: Board) -> DeskEvents:
    from homeveil.desk.times import Live
    from homeveil.desk_events import DeskEvents
    from homeveil.profile.store import desk_of

    return DeskEvents(
        [*arguments.events, board],
        shot.policy.desk,
        clock=Live(),
        models=shot.policy.models,
        template=desk_of(shot.profile),
    )


def _serve(
    arguments: argparse.Namespace, board: Board, served: Served | None, stack: ExitStack
) -> None:
    from homeveil.live.web.server import WebServer

    server = stack.enter_context(
        WebServer(
            board,
            port=arguments.port,
            page=arguments.page,
            metrics=arguments.metrics,
            broadcast=served,
        )
    )
    page = server.page_url
    if page is not None and not sys.stderr.isatty():
        # Logs are read by others, and the page's address holds its key.
        page = f"its address is in {_kept(page, stack)}"
    for what, url in (
        ("your page", page), ("stream", server.stream_url), ("metrics", server.metrics_url),
    ):  # fmt: skip
        if url is not None:
            print(f"{what}: {url}", file=sys.stderr, flush=True)


def _kept(address: str, stack: ExitStack) -> Path:
    """A file that holds the page's address for as long as it is served, for this user's eyes."""
    from homeveil.errors import OutputError
    from homeveil.installation import state_folder

    path = state_folder() / f"page-{os.getpid()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _forget_dead(path.parent)
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    stack.callback(path.unlink, missing_ok=True)
    with os.fdopen(handle, "w") as file:
        file.write(f"{address}\n")
    return path


def _forget_dead(folder: Path) -> None:
    """Remove addresses of pages whose process was killed before it could."""
    for path in folder.glob("page-*"):
        number = path.name.removeprefix("page-")
        if not (number.isascii() and number.isdigit()):
            continue
        with contextlib.suppress(OSError, OverflowError):
            try:
                os.kill(int(number), 0)
            except ProcessLookupError:
                path.unlink()


@contextlib.contextmanager
def _signals(session: Session, board: Board) -> Iterator[None]:
    """Stop and pause by signals, and by keys where there is a terminal."""

    def stop(_number: int, _frame: object) -> None:
        session.stop()

    def switch(_number: int, _frame: object) -> None:
        # Not here: the handler may have interrupted one that holds the lock.
        threading.Thread(target=lambda: board.pause(not board.paused), daemon=True).start()

    handlers: dict[signal.Signals, Any] = {signal.SIGINT: stop, signal.SIGTERM: stop}
    if hasattr(signal, "SIGUSR1"):
        handlers[signal.SIGUSR1] = switch
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        # The end of the terminal; what is ignored, as under nohup, stays so.
        handlers[signal.SIGHUP] = stop
    if hasattr(signal, "SIGTTIN"):
        # Else keys would stop all of it, with the camera held, while it is in the background.
        handlers |= {signal.SIGTTIN: signal.SIG_IGN, signal.SIGTTOU: signal.SIG_IGN}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    if sys.stdin is not None and sys.stdin.isatty():
        threading.Thread(target=_keys, args=(session, board), daemon=True).start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _keys(session: Session, board: Board) -> None:
    while True:
        try:
            # Bytes: what is no text must not end it.
            line = sys.stdin.buffer.readline()
        except OSError:
            # In the background nothing can be read; it may come to the front again.
            time.sleep(1.0)
            continue
        if not line:
            return
        key = line.strip().lower()
        if key == b"p":
            board.pause(not board.paused)
            print("camera covered" if board.paused else "camera uncovered", file=sys.stderr)
        elif key == b"q":
            session.stop()


def _with_config(arguments: argparse.Namespace) -> argparse.Namespace:
    from homeveil.cli.config import with_config

    return with_config(arguments.config, sys.argv[1:])
