"""What the live session serves on this machine: the worker's page, health, metrics, a stream.

``server`` has the one door, :class:`~homeveil.live.web.server.WebServer`: one application on
one server, in a thread of its own, bound to 127.0.0.1. All that is served comes from the
:class:`~homeveil.live.board.Board` and from a :class:`~homeveil.live.web.broadcast.Broadcast`,
which hold nothing but what is veiled. ``guard`` stands before everything. Needs ``homeveil[page]``.
"""
