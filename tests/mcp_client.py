"""A client of `kbatch mcp`: the SDK's own, over stdio, with a server in a process of its own."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest


@asynccontextmanager
async def client(root: Path, *args: str) -> AsyncIterator[Any]:
    """Yield a session; what the server says on stderr goes nowhere, since a test may have no real stderr."""
    mcp = pytest.importorskip("mcp")
    words = ["-m", "kbatch", "mcp", str(root), *args]
    server = mcp.StdioServerParameters(command=sys.executable, args=words, env=dict(os.environ))
    with open(os.devnull, "w") as talk:  # noqa: ASYNC230, PTH123 - it blocks for no time
        async with (
            mcp.stdio_client(server, errlog=talk) as (reading, writing),
            mcp.ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            yield session
