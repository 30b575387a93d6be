"""What the Python clients share: arguments in, one line of JSON out (see report.mjs)."""

import asyncio
import json
import os
import sys
import traceback

DEADLINE_S = float(os.environ.get("PEER_DEADLINE_MS", 60_000)) / 1000


def parse() -> tuple[str, list[tuple[str, dict]]]:
    """The URL and the calls of the command line."""
    url, *rest = sys.argv[1:]
    rest = rest or ["echo", '{"message":"hello"}']
    return url, [(tool, json.loads(args)) for tool, args in zip(rest[::2], rest[1::2], strict=True)]


def plain(model) -> object:
    """A model of the SDK as it stood on the wire."""
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


def report(work) -> None:
    """Runs the coroutine function, prints what it returns and ends the process."""

    try:
        answer = {"ok": True, **asyncio.run(asyncio.wait_for(work(), DEADLINE_S))}
    except BaseException as error:  # groups of exceptions too
        answer = {"ok": False, "error": "".join(traceback.format_exception(error))}
    print(json.dumps(answer), flush=True)
    sys.exit(0 if answer["ok"] else 1)
