"""One connection to the server."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 64


class Connection(H11Protocol):
    """Given up at once where there are too many. uvicorn's own limit is about requests: whoever
    asks nothing would be held, and in the end all that this process may open with them."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
