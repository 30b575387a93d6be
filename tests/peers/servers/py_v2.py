"""A server of the Python SDK v2: MCP 2026-07-28, and older clients with sessions.   py_v2.py http PORT | sse PORT | stdio"""

import sys

import anyio
from mcp.server.mcpserver import Context, MCPServer

from python_http import serve

server = MCPServer("py-v2")


@server.tool()
def echo(message: str) -> str:
    """Says it again."""
    return f"py-v2: {message}"


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
async def slow(ms: int, ctx: Context) -> str:
    """Takes its time and reports progress."""
    for step in range(10):
        await anyio.sleep(ms / 10_000)
        await ctx.report_progress(step + 1, 10)
    return "done"


if __name__ == "__main__":
    mode, port = (sys.argv[1:] + ["http", "0"][len(sys.argv) - 1 :])[:2]
    if mode == "stdio":
        server.run("stdio")
    elif mode == "sse":
        serve(server.sse_app(), int(port), "/sse")
    else:
        serve(server.streamable_http_app(), int(port))
