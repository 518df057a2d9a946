"""Everything homeveil raises on purpose.

    HomeveilError                 never raised itself
    ├── UsageError(ValueError)    the caller asked for something impossible
    │   ├── PolicyError           a policy key or value is unknown or out of range
    │   └── FrameError            a frame's shape, format or time does not fit
    ├── MediaError                a file cannot be read, decoded or written
    │   ├── InputError
    │   ├── OutputError
    │   └── TransferError         another machine does not answer any more
    ├── ModelError                a model is missing, corrupt, or not the one asked for
    ├── ProfileError              a profile cannot be opened, made or trusted
    │   ├── PassphraseError       wrong passphrase, or the file was changed
    │   └── EnrollmentError       the material is not good enough to enroll from
    ├── PerceptionError           a look failed or took too long; what it was for is veiled
    ├── LedgerError               a ledger cannot be begun, written or read
    ├── StretchError              a file cannot be cleared in stretches; not seen by callers
    ├── IsolationError            the isolated process cannot be had, died, or did what it may not
    └── EventError                desk events cannot be told as asked, or some were lost

A message says what happened, to which input, and what to do. It never holds pixel data,
samples or templates. ``exit_code`` is what the command line ends with.
"""

from __future__ import annotations


class HomeveilError(Exception):
    """Root of all errors of this package; catch it to catch them all."""

    exit_code = 1


class UsageError(HomeveilError, ValueError):
    """The call itself is wrong."""

    exit_code = 2


class PolicyError(UsageError):
    """A policy has an unknown key or a value out of range."""


class FrameError(UsageError):
    """A frame does not have the shape, format or time that was promised."""


class MediaError(HomeveilError):
    """A media file or device failed."""

    exit_code = 3


class InputError(MediaError):
    """The input cannot be opened or decoded."""


class OutputError(MediaError):
    """The output cannot be written; nothing stands under its final name."""


class TransferError(MediaError):
    """Another machine, from or to which a file was to come, does not answer any more."""


class ModelError(HomeveilError):
    """A model is missing, corrupt, or another than the one asked for."""

    exit_code = 4


class ProfileError(HomeveilError):
    """A profile cannot be opened, made or trusted."""

    exit_code = 5


class PassphraseError(ProfileError):
    """The passphrase is wrong or the profile was changed; the two cannot be told apart."""


class EnrollmentError(ProfileError):
    """The pictures are not good enough to enroll from."""


class PerceptionError(HomeveilError):
    """A look failed or took too long; the frames it was for are veiled whole."""

    exit_code = 6


class LedgerError(HomeveilError):
    """A ledger cannot be begun, written or read."""

    exit_code = 7


class IsolationError(HomeveilError):
    """The process that holds raw content cannot be locked in, died, stalled, or tried what it
    may not; nothing stands under the output's name."""

    exit_code = 8


class StretchError(HomeveilError):
    """A file, or one stretch of it, cannot be cleared by itself. Who asked for stretches gets the
    same file cleared in one pass instead, and never sees this."""


class EventError(HomeveilError):
    """Desk events cannot be told to the places asked for, or some were lost on the way."""

    exit_code = 9


def in_our_words(error: BaseException) -> str:
    """What may be said of ``error``: our own words. Of others', which may quote what they were
    about, the kind alone."""
    return str(error) if isinstance(error, HomeveilError) else type(error).__name__
