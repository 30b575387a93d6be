"""FastMCP as a proxy: `fastmcp.py BACKEND PORT`, served the way its documentation does it, with uvicorn and one worker."""

import sys

from fastmcp.server import create_proxy

backend, port = sys.argv[1:]
create_proxy(backend, name="proxy").run(transport="http", host="127.0.0.1", port=int(port), show_banner=False)
