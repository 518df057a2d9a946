"""Where files lie: paths of this machine, or URLs that fsspec knows. The one door to fsspec.

Another machine that does not move a byte for so many seconds (``wait_at_most``) is given up with
a TransferError; whoever waited goes on at once.

A file appears under its name whole or not at all: here by a rename, on S3 because an upload
shows only when complete, elsewhere by an upload beside the name and a move.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fnmatch
import functools
import glob
import hashlib
import os
import shutil
import socket
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, wait
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from homeveil.batch.jobs import WAIT_SECONDS
from homeveil.batch.scratch import scratch
from homeveil.errors import HomeveilError, InputError, OutputError, TransferError, UsageError
from homeveil.files import open_regular

_BLOCK = 1 << 20
_WHOLE_UPLOADS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs"})
"""Stores in which an object shows only when all of it has come."""

_SSH = ("sftp", "ssh")
_S3 = ("s3", "s3a")
_GS = ("gs", "gcs")
_HTTP = ("http", "https")
_ALIKE = (_SSH, _S3, _GS, ("az", "abfs"))
"""Names of one kind of place."""

_KEPT = frozenset({"simplecache", "filecache", "blockcache", "cached"})
"""What fsspec puts before the URL of a file of which it is to keep a copy here."""

_REMOVE_SECONDS = 10.0
_MARKS = ("size", "ETag", "mtime", "LastModified", "Last-Modified", "last_modified")
"""What fsspec's systems call the size of a file, its content and when it was changed."""

_PART_BYTES = 5 << 20
"""What is sent to S3 at once: only a part that has arrived tells that anything moves."""

_TIMEOUTS = (TimeoutError, asyncio.TimeoutError, CancelledError)
_LOST = (ConnectionError, socket.gaierror)
_LOST_NAMES = frozenset(
    {"ConnectionError", "ConnectionClosedError", "ClientConnectionError", "ClientPayloadError"}
)
"""Errors of connections, and what botocore and aiohttp call theirs: they say nothing against a
file."""

_GONE = (404, 410)
"""Statuses of HTTP that say that there is no such file."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})

_wait = [WAIT_SECONDS]


class UnreachedError(TransferError):
    """It is the whole server that does not answer, not one file of it."""


def wait_at_most(seconds: float) -> None:
    """For how long this process waits for a byte from or to another machine."""
    _wait[0] = seconds


def is_remote(url: str) -> bool:
    """Whether ``url`` is more than a path of this machine."""
    return "://" in url and not url.startswith("file://")


def server(url: str) -> str:
    """Kind and name of the server of ``url``, "" for what is on this machine."""
    return "/".join(url.split("/", 3)[:3]) if is_remote(url) else ""


def local_path(url: str) -> Path:
    """The path that a local ``url`` means."""
    return Path(url.removeprefix("file://"))


def check_url(url: str) -> None:
    """Raise UsageError for a URL that would spread a secret, or that nothing here reads."""
    if not is_remote(url):
        return
    check_secrets(url)
    _filesystem(url)


def check_secrets(url: str) -> None:
    """Raise UsageError for a URL that would spread a secret. Nothing is connected to."""
    # fsspec joins URLs of which one lies in the other by "::".
    for part in url.split("::") if is_remote(url) else ():
        try:
            host, secret = urlsplit(part).hostname, urlsplit(part).password
        except ValueError as error:
            raise UsageError(f"{url.rpartition('@')[2]}: no such URL ({error})") from error
        if secret is not None:
            raise UsageError(
                f"{host}: a password in a URL ends up in logs; give it in the"
                " environment (such as FSSPEC_SFTP_PASSWORD) or use a key"
            )


def absolute(url: str) -> str:
    """``url``, or the absolute path that it means."""
    return url if is_remote(url) else str(local_path(url).absolute())


def resolved(url: str) -> str:
    """The same for all names of one place, through links and ``..`` of this machine, copies that
    fsspec would keep here, and all that a kind of server is called by; to compare. Who signs in
    there is part of it: the same path may be another place for somebody else."""
    kept, mark, rest = url.partition("::")
    if mark and kept in _KEPT:
        return resolved(rest)
    if not is_remote(url):
        return os.path.realpath(local_path(url))
    scheme, _, rest = url.partition("://")
    if scheme == "local":
        return os.path.realpath(rest)
    host, slash, path = rest.partition("/")
    user, mark, host = host.rpartition("@")
    host = host.lower()
    if scheme in _SSH:
        host, path = host.removesuffix(":22"), os.path.normpath(f"/{path}").lstrip("/")
    if scheme in _S3 + _GS:
        user = mark = ""
    alike = next((one for one in _ALIKE if scheme in one), (scheme,))
    return f"{alike[0]}://{user}{mark}{host}{slash}{path}"


class Known:
    """Places by all their names, to find out whether something is one of them."""

    def __init__(self, urls: Iterable[str]) -> None:
        self._urls = set(urls)
        self._own = {resolved(url) for url in self._urls}
        self._names = set[str]().union(*map(_names, self._own))

    def __contains__(self, url: str) -> bool:
        """By name, or, on this machine, by what is there: it may be mounted twice, and capitals
        may be the same to its disk."""
        own = resolved(url)
        if own in self._names or not _names(own).isdisjoint(self._own):
            return True
        here = _number(own)
        return here is not None and here in self._numbers

    @functools.cached_property
    def _numbers(self) -> set[tuple[int, int] | None]:
        return {_number(own) for own in self._own}

    def holds(self, url: str) -> bool:
        """Whether ``url`` lies in one of these, which are folders: itself, or what it links to."""
        own = resolved(url)
        inside = [joined(one, "") for one in self._own]
        if not is_remote(url):
            path = local_path(url).absolute()
            folders = (*inside, *(joined(absolute(one), "") for one in self._urls))
            unfollowed = Path(os.path.realpath(path.parent), path.name)
            if any(str(one).startswith(folders) for one in (path, unfollowed)):
                return True
        named = tuple(joined(one, "") for one in self._names)
        return own.startswith(named) or any(one.startswith(tuple(inside)) for one in _names(own))


def _names(own: str) -> set[str]:
    """What ``resolved`` gave, and over SSH the same without a user: who signs in where none is
    named may be anybody."""
    scheme, _, rest = own.partition("://")
    host, slash, path = rest.partition("/")
    if not is_remote(own) or scheme not in _SSH:
        return {own}
    return {own, f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"}


def _number(own: str) -> tuple[int, int] | None:
    if is_remote(own):
        return None
    try:
        known = os.stat(own)
    except OSError:
        return None
    return known.st_dev, known.st_ino


def is_same(one: str, other: str) -> bool:
    """Whether both are names of one file."""
    return one == other or one in Known([other])


def knows_capitals(url: str) -> bool:
    """Whether names that differ in capitals alone are two files where ``url`` is to lie. Tried
    out with a file that is gone at once; taken for granted where that cannot be."""
    if is_remote(url):
        return True
    folder = next(one for one in local_path(url).absolute().parents if one.is_dir())
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".homeveil-") as file:
            path = Path(file.name)
            return not os.path.lexists(path.with_name(path.name.upper()))
    except OSError:
        return True


def joined(base: str, relative: str) -> str:
    """``relative`` below ``base``."""
    return f"{base.rstrip('/')}/{relative}"


def find(url: str) -> list[tuple[str, str]]:
    """(URL, name relative to what was asked for) of each file under a folder, of each that
    matches a pattern, or of the one file. Raises InputError if there is nothing."""
    found = _find_there(url) if is_remote(url) else _find_here(url)
    if not found:
        raise InputError(f"{url}: nothing there; check the name")
    return found


def _find_here(url: str) -> list[tuple[str, str]]:
    path = local_path(url)
    if os.path.isdir(path):
        files = sorted(_files_below(path))
        return [(str(one.absolute()), one.relative_to(path).as_posix()) for one in files]
    if os.path.exists(path):
        return [(str(path.absolute()), path.name)]
    base = Path(*_fixed_parts(path.parts))
    if "**" in path.parts:
        # What this means in ``glob`` goes round and round where a link leads to what is above it.
        inside = path.parts[len(base.parts) :]
        files = sorted(_files_below(base)) if base.is_dir() else []
        matches = [one for one in files if _fits(one.relative_to(base).parts, inside)]
    else:
        matches = sorted(Path(one) for one in glob.glob(str(path)))
    return [
        (str(one.absolute()), one.relative_to(base).as_posix())
        for one in matches
        if one.is_file() or _leads_nowhere(one)
    ]


def _fits(names: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern or pattern[0] != "**":
        both = bool(pattern) and bool(names) and fnmatch.fnmatchcase(names[0], pattern[0])
        return _fits(names[1:], pattern[1:]) if both else not pattern and not names
    return any(_fits(names[count:], pattern[1:]) for count in range(len(names) + 1))


def _files_below(path: Path) -> Iterator[Path]:
    """All but hidden ones, also of folders that links lead to, each once. A folder that cannot be
    listed is an error, and so is a link that leads nowhere: recordings in there would be left out,
    and the rest be told to be all. Not so one that is gone, or a file system's own."""

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    seen, roots = set[str](), deque([path])
    try:
        while roots:
            for folder, folders, names in os.walk(roots.popleft(), onerror=refuse):
                place = os.path.realpath(folder)
                folders[:] = [one for one in sorted(folders) if _is_looked_into(one)]
                if place in seen:
                    folders.clear()
                    continue
                seen.add(place)
                inside = map(Path(folder).joinpath, folders)
                roots.extend(one for one in inside if one.is_symlink())
                for one in map(Path(folder).joinpath, names):
                    if one.is_file() or _leads_nowhere(one):
                        yield one
    except OSError as error:
        raise InputError(
            f"{error.filename}: cannot be read ({error.strerror}); change its rights, or name the"
            " folders beside it"
        ) from error


def _is_looked_into(name: str) -> bool:
    return name[0] != "." and name != "lost+found"


def _leads_nowhere(path: Path) -> bool:
    """Whether it is a link to a file that is not there. One without a suffix may have been to a
    folder, on a disk that is not there: raises InputError."""
    if not path.is_symlink() or path.exists() or path.name[0] == ".":
        return False
    if not path.suffix:
        raise InputError(
            f"{path}: a link that leads nowhere; have there what it leads to, or remove it"
        )
    return True


def _fixed_parts(parts: tuple[str, ...]) -> list[str]:
    fixed: list[str] = []
    for part in parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return fixed


def _find_there(url: str) -> list[tuple[str, str]]:
    system, path = _filesystem(url)
    with _reading(url):
        if glob.has_magic(path):
            base = "/".join(_fixed_parts(tuple(path.split("/"))))
            names = sorted(one for one in system.glob(path) if system.isfile(one))
        elif _call(url, system, "isdir", path):
            ssh = _scheme(url) in _SSH
            found = _sftp_below(system, path) if ssh else system.find(path)
            base, names = path.rstrip("/"), sorted(found)
        elif _call(url, system, "exists", path):
            base, names = path.rpartition("/")[0], [path]
        else:
            return []
    start = url[: len(url) - len(path)] if url.endswith(path) else None
    return [
        (
            f"{start}{name}" if start is not None else system.unstrip_protocol(name),
            name.removeprefix(base).lstrip("/"),
        )
        for name in names
    ]


def _sftp_below(system: Any, path: str) -> Iterator[str]:
    """As :func:`_files_below`. fsspec leaves out what links lead to, and what cannot be listed."""
    seen, folders, links = set[str](), [path], deque[str]()
    while folders or links:
        folder = folders.pop() if folders else links.popleft()
        with contextlib.suppress(FileNotFoundError):
            place = system.ftp.normalize(folder)
            if place in seen:
                continue
            seen.add(place)
            for one in sorted(system.ls(folder, detail=True), key=lambda one: str(one["name"])):
                name, is_link = str(one["name"]), one["type"] == "link"
                if not _is_looked_into(name.rpartition("/")[2]):
                    continue
                if one["type"] != "directory" and not (is_link and system.isdir(name)):
                    yield name
                elif is_link:
                    links.append(name)
                else:
                    folders.append(name)


def stamp(url: str) -> str | None:
    """What changes when the file does, had without reading it; None if there is none."""
    if not is_remote(url):
        try:
            known = local_path(url).stat()
        except OSError:
            return None
        return f"{known.st_size} {known.st_mtime_ns}"
    told = _info(url)
    if told is None:
        return None
    marks = [told.get(key) for key in _MARKS]
    return " ".join(str(mark) for mark in marks if mark is not None)


def _info(url: str) -> dict[str, Any] | None:
    system, path = _filesystem(url)
    with _reading(url):
        system.invalidate_cache()
        try:
            told: dict[str, Any] = _call(url, system, "info", path)
        except FileNotFoundError as error:
            # Over HTTP that is what comes of every failure: to be gone is to be answered so.
            cause = error.__cause__
            if isinstance(cause, Exception):
                if isinstance(cause, _TIMEOUTS) or _is_lost(system, cause):
                    raise _unreached(url, cause) from error
                if getattr(cause, "status", _GONE[0]) not in _GONE:
                    raise cause from None
            return None
    return told


def size(url: str) -> int:
    """Bytes, without reading it; 0 if there is no such file, or its server does not tell."""
    if is_remote(url):
        return int((_info(url) or {}).get("size") or 0)
    try:
        return local_path(url).stat().st_size
    except OSError:
        return 0


def sha256(path: Path) -> str:
    """Hash of a local file's content. Raises InputError, also for what need not end or may never
    begin: a pipe, a device."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb", opener=open_regular) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def content_sha256(url: str) -> str:
    """Hash of a file wherever it lies. Raises InputError."""
    if not is_remote(url):
        return sha256(local_path(url))
    with scratch() as folder:
        return sha256(fetch(url, folder))


def fetch(url: str, folder: Path) -> Path:
    """The file as one of this machine: itself, or a copy in ``folder``. Raises InputError if there
    is none, TransferError, OutputError."""
    if not is_remote(url):
        return local_path(url)
    system, path = _filesystem(url)
    target = folder / path.rpartition("/")[2]
    try:
        with _reading(url):
            _call(url, system, "get_file", path, str(target), moved=lambda: _bytes_of(target))
    except FileNotFoundError as error:
        raise InputError(f"{url}: no such file; check the name") from error
    return target


def fetch_text(url: str) -> str:
    """A small text file, without the mark that spreadsheets put before it. Raises InputError."""
    try:
        if not is_remote(url):
            return local_path(url).read_bytes().decode("utf-8-sig")
        system, path = _filesystem(url)
        with _reading(url):
            return str(_call(url, system, "cat_file", path).decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{url}: cannot be read ({error}); check the name") from error


def make_folder(url: str) -> None:
    """Make the folder in which ``url`` is to lie. Raises OutputError."""
    try:
        if not is_remote(url):
            local_path(url).parent.mkdir(parents=True, exist_ok=True)
            return
        system, path = _filesystem(url)
        if _scheme(url) not in _WHOLE_UPLOADS:
            _call(url, system, "makedirs", path.rpartition("/")[0], exist_ok=True)
    except OSError as error:
        raise OutputError(f"{url}: its folder cannot be made ({error.strerror})") from error


def publish(path: Path, url: str, staging: str) -> None:
    """Put a whole local file under its final name, in one step; by way of the name ``staging``
    where uploads show while they go on. Raises OutputError."""
    try:
        if not is_remote(url):
            os.replace(path, local_path(url))
            return
        system, target = _filesystem(url)
        if _scheme(url) in _WHOLE_UPLOADS:
            _upload(url, system, path, target)
            return
        part = _filesystem(staging)[1]
        try:
            _upload(url, system, path, part)
            _call(url, system, "mv", part, target)
        except BaseException:
            remove_staged(staging)
            raise
    except HomeveilError:
        raise
    except Exception as error:  # fsspec's systems raise what their libraries do
        raise OutputError(f"{url}: cannot be written ({error}); nothing was left there") from error


def remove_staged(url: str) -> None:
    """Remove what is staged at ``url``, if it is there; a failure is let be."""
    with contextlib.suppress(Exception):
        if not is_remote(url):
            shutil.rmtree(local_path(url), ignore_errors=True)
            return
        system, path = _filesystem(url, _REMOVE_SECONDS)
        _call(url, system, "rm", path, recursive=True, seconds=_REMOVE_SECONDS)


def _scheme(url: str) -> str:
    return url.partition("://")[0]


def _bytes_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _upload(url: str, system: Any, path: Path, target: str) -> None:
    from fsspec.callbacks import Callback

    sent = Callback()
    more = {"chunksize": _PART_BYTES} if _scheme(url) in _S3 else {}
    _call(url, system, "put_file", str(path), target, callback=sent, moved=lambda: sent.value,
          **more)  # fmt: skip


def _call(
    url: str,
    system: Any,
    name: str,
    *arguments: Any,
    moved: Callable[[], int] = lambda: 0,
    seconds: float | None = None,
    **named: Any,
) -> Any:
    """What ``system`` answers. moved: bytes so far. Raises TransferError when nothing has moved
    for ``seconds``; the call is broken off then, and its connection is not used again."""
    seconds = seconds or _wait[0]
    work: Future[Any] = Future()
    if getattr(system, "async_impl", False):
        call = getattr(system, f"_{name}")(*arguments, **named)
        work = asyncio.run_coroutine_threadsafe(call, system.loop)
    else:

        def run() -> None:
            try:
                work.set_result(getattr(system, name)(*arguments, **named))
            except BaseException as error:
                work.set_exception(error)

        work.set_running_or_notify_cancel()
        # It must not keep the process from ending.
        threading.Thread(target=run, daemon=True).start()
    seen, since = moved(), time.monotonic()
    while not wait([work], min(1.0, seconds / 4)).done:
        now = moved()
        if now != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since >= seconds:
            work.cancel()
            _give_up(system)
            raise UnreachedError(
                f"{url}: nothing came or went for {seconds:g} s; tried again later"
            )
    try:
        return work.result()
    except _TIMEOUTS as error:
        _give_up(system)
        raise UnreachedError(f"{url}: no answer within {seconds:g} s; tried again later") from error
    except Exception as error:
        if not _is_lost(system, error):
            raise
        _give_up(system)
        raise _unreached(url, error) from error


def _is_lost(system: Any, error: Exception) -> bool:
    """Whether it was not a file that failed, but the connection."""
    transport = getattr(getattr(system, "client", None), "get_transport", None)
    if transport is not None:
        # Over SSH: paramiko tells of it in many ways.
        return transport() is None or not transport().is_active()
    return not _LOST_NAMES.isdisjoint(kind.__name__ for kind in type(error).__mro__)


def _unreached(url: str, error: Exception) -> UnreachedError:
    return UnreachedError(
        f"{url}: cannot be reached ({error}); check the server, or try again later"
    )


def _give_up(system: Any) -> None:
    """Whoever needs this machine next connects anew."""
    type(system).clear_instance_cache()
    client = getattr(system, "client", None)
    if client is not None:
        threading.Thread(target=client.close, daemon=True).start()


def _filesystem(url: str, seconds: float | None = None) -> tuple[Any, str]:
    """What reads ``url``, and the path it knows the file by. Raises UsageError, TransferError."""
    seconds = seconds or _wait[0]
    options: dict[str, Any] = {}
    if _scheme(url) in _S3:
        options["config_kwargs"] = {"connect_timeout": seconds, "read_timeout": seconds}
    elif _scheme(url) in _SSH:
        options["wait_seconds"] = seconds
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise UsageError(f"{url}: URLs need `pip install 'homeveil[batch]'`") from error
    try:
        if _scheme(url) in _SSH:
            _know_hosts()
        if _scheme(url) in _HTTP:
            from aiohttp import ClientTimeout

            # It would end each transfer after five minutes, however well it goes on.
            options["client_kwargs"] = {"timeout": ClientTimeout(total=None)}
        system, path = url_to_fs(url, **options)
    except _TIMEOUTS as error:
        raise UnreachedError(f"{url}: no answer within {seconds:g} s; tried again later") from error
    except _LOST as error:
        raise _unreached(url, error) from error
    except ImportError as error:
        extra = {"s3": "s3", "s3a": "s3", "sftp": "sftp", "ssh": "sftp"}.get(_scheme(url), "batch")
        raise UsageError(f"{url}: needs `pip install 'homeveil[{extra}]'` ({error})") from error
    except ValueError as error:
        known = ", ".join(("s3", "sftp", "file"))
        raise UsageError(f"{url}: no such kind of URL; {known} and what fsspec knows") from error
    except Exception as error:
        raise UnreachedError(
            f"{url}: cannot be reached ({error}); check server, keys and known_hosts"
        ) from error
    return system, path


@functools.cache
def _know_hosts() -> None:
    """Have fsspec's SFTP refuse servers that the user's known_hosts does not name: it would
    take any, and recordings would be read from and written to whoever answers."""
    import paramiko
    from fsspec.implementations.sftp import SFTPFileSystem
    from fsspec.registry import register_implementation

    class KnownHosts(SFTPFileSystem):  # type: ignore[misc]
        def _connect(self) -> None:
            seconds = self.ssh_kwargs.pop("wait_seconds")
            self.client = paramiko.SSHClient()
            self.client.load_system_host_keys()
            self.client.set_missing_host_key_policy(paramiko.RejectPolicy())
            try:
                self.client.connect(
                    self.host, timeout=seconds, banner_timeout=seconds, auth_timeout=seconds,
                    channel_timeout=seconds, **self.ssh_kwargs,
                )  # fmt: skip
                self.ftp = self.client.open_sftp()
            except paramiko.ssh_exception.NoValidConnectionsError as error:
                raise ConnectionError(str(error)) from error
            except paramiko.SSHException as error:
                # Which of these it is hangs on which of paramiko's threads sees it first.
                silent = ("banner", "timeout", "no existing session")
                if any(word in str(error).lower() for word in silent):
                    raise TimeoutError(str(error)) from error
                raise
            self.ftp.get_channel().settimeout(seconds)

        def put_file(
            self, lpath: str, rpath: str, callback: Any = None, **options: Any
        ) -> None:
            self.mkdirs(self._parent(rpath), exist_ok=True)
            tell = (lambda sent, total: callback.absolute_update(sent)) if callback else None
            self.ftp.put(lpath, self._strip_protocol(rpath), callback=tell)

    for scheme in _SSH:
        register_implementation(scheme, KnownHosts, clobber=True)


@contextlib.contextmanager
def _reading(url: str) -> Iterator[None]:
    """Turns what a remote system raises into TransferError: keys that are wrong, or run out in
    mid-run, say nothing against a file. A missing file stays itself; a disk of this machine that
    takes no copy is an OutputError."""
    try:
        yield
    except (FileNotFoundError, HomeveilError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise OutputError(f"{url}: no room for a copy here ({error.strerror})") from error
        raise TransferError(
            f"{url}: cannot be read ({error}); check server and keys, or try again later"
        ) from error
