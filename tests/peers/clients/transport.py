"""The transport that an endpoint asks for, of the Python SDK v1; see transport.mjs."""

import json
import os
from contextlib import asynccontextmanager
from urllib.parse import urlparse

from mcp import StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client


def child(endpoint: str) -> StdioServerParameters | None:
    """What starts the child process that `endpoint` speaks of, if it does."""
    if not endpoint.startswith("["):
        return None
    command, *args = json.loads(endpoint)
    return StdioServerParameters(command=command, args=args, env=dict(os.environ))


def is_sse(endpoint: str) -> bool:
    return urlparse(endpoint).path.endswith("/sse")


@asynccontextmanager
async def connection(endpoint: str):
    """The two streams of a connection."""
    if parameters := child(endpoint):
        transport = stdio_client(parameters)
    else:
        transport = sse_client(endpoint) if is_sse(endpoint) else streamable_http_client(endpoint)
    async with transport as (read, write, *_):
        yield read, write
