"""Serves an ASGI application on loopback and says where, as the other servers here do."""

import socket

import uvicorn


def serve(app, port: int, path: str = "/mcp") -> None:
    """Port 0 takes a free one; the line `listening URL` on stdout says which. The socket listens before the line does."""
    listener = socket.create_server(("127.0.0.1", port))
    print(f"listening http://127.0.0.1:{listener.getsockname()[1]}{path}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
