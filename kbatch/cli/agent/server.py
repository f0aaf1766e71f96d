"""The MCP server on stdin and stdout, made with the official SDK; imported only by `kbatch mcp`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp.types import Tool as ListedTool

from kbatch._version import version
from kbatch.cli.agent.own_command import Ended, run_kbatch
from kbatch.cli.agent.tools import Tool, words_of
from kbatch.errors import KbatchError

_AT_ONCE = 2  # commands that read; a plan of many jobs takes a whole core
_INSTRUCTIONS = (
    "kbatch renders video campaigns on paid APIs. `check` and `plan` a manifest before you propose it. A person "
    "approves a plan with `kbatch plan --out` and `kbatch approve`; nothing here can approve or raise a ceiling."
)


async def serve(root: Path, tools: tuple[Tool, ...]) -> None:
    """Serve the tools to one client until it closes stdin."""
    server = make_server(root, tools)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


def make_server(root: Path, tools: tuple[Tool, ...]) -> Server[Any]:
    """Return a server of the tools whose files lie below `root`; one command that spends runs at a time."""
    known = {tool.name: tool for tool in tools}
    reading, spending = anyio.CapacityLimiter(_AT_ONCE), anyio.Lock()

    async def list_tools(_context: ServerRequestContext[Any], _page: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[_listed(tool) for tool in tools])

    async def call_tool(_context: ServerRequestContext[Any], call: CallToolRequestParams) -> CallToolResult:
        tool = known.get(call.name)
        if tool is None:
            return _answer(f"there is no tool `{call.name[:100]}`", failed=True)
        try:
            words = words_of(tool, call.arguments or {}, root)
        except KbatchError as error:
            return _answer(f"refused: {error.message}", failed=True)
        if not tool.spends:
            async with reading:
                return _of_command(await run_kbatch(words, spends=False))
        if spending.locked():
            return _answer("refused: a run is under way; `status` shows it", failed=True)
        async with spending:
            return _of_command(await run_kbatch(words, spends=True))

    return Server(
        "kbatch", version=version(), instructions=_INSTRUCTIONS, on_list_tools=list_tools, on_call_tool=call_tool
    )


def _listed(tool: Tool) -> ListedTool:
    hints = ToolAnnotations(
        read_only_hint=not tool.spends, destructive_hint=tool.spends, idempotent_hint=True, open_world_hint=tool.spends
    )
    schema: Mapping[str, Any] = tool.schema
    return ListedTool(name=tool.name, description=tool.description, input_schema=dict(schema), annotations=hints)


def _of_command(ended: Ended) -> CallToolResult:
    parts = [ended.out] if ended.out else []
    if ended.cut:
        parts.append("… cut here: choose fewer jobs with `only`, or the text format")
    if ended.code or not ended.out:
        parts.append(f"exit code {ended.code}\n{ended.err}")
    return _answer("\n".join(parts), failed=ended.code not in (0, 1))


def _answer(text: str, *, failed: bool) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=failed)
