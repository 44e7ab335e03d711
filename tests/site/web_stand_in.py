"""`python -m tests.site.web_stand_in PORT PROXIES FOLDER`: the web server with an application of a few lines."""

import json
import resource
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

from klingweb.server import Server

LARGE = 24 * 1024 * 1024  # more than the server keeps in memory of one answer


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if status := WITHOUT_BODY.get(environ["PATH_INFO"]):
        start_response(status, [])
        return []
    body = PAGES[environ["PATH_INFO"]](environ)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body[at : at + 65_536] for at in range(0, len(body), 65_536)]


def seen(environ: WSGIEnvironment) -> bytes:
    names = ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST")
    return json.dumps({name: environ.get(name) for name in names}).encode()


def slow(_environ: WSGIEnvironment) -> bytes:
    (FOLDER / "begun").touch()
    while not (FOLDER / "go on").exists():
        time.sleep(0.02)
    return b"finished"


def large(_environ: WSGIEnvironment) -> bytes:
    (FOLDER / "begun").touch()
    return b"x" * LARGE


def files(_environ: WSGIEnvironment) -> bytes:
    return str(resource.getrlimit(resource.RLIMIT_NOFILE)[0]).encode()


WITHOUT_BODY = {"/nothing-new": "204 No Content", "/not-modified": "304 Not Modified"}
PAGES = {"/seen": seen, "/slow": slow, "/large": large, "/files": files}

if __name__ == "__main__":
    FOLDER = Path(sys.argv[3])
    Server(application, "127.0.0.1", int(sys.argv[1]), int(sys.argv[2])).run()
