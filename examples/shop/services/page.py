"""Plain pages for the two services."""

from contextlib import suppress
from html import escape
from http.server import BaseHTTPRequestHandler
from typing import Any

STYLE = """
body { margin: 2rem auto; max-width: 60rem; padding: 0 1.25rem; font: 1rem/1.5 system-ui, sans-serif; color: #1d2b2f; }
table { border-collapse: collapse; width: 100%; } a { color: #14505c; }
th, td { text-align: left; padding: 0.45rem 0.8rem 0.45rem 0; border-bottom: 1px solid #dcd9d0; }
pre { white-space: pre-wrap; background: #f3f1eb; padding: 1rem; border-radius: 0.5rem; }
input, button { font: inherit; padding: 0.3rem 0.6rem; }
"""


def page(title: str, body: str) -> str:
    """`body` is HTML, `title` is text."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{STYLE}</style></head><body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def table(heads: list[str], rows: list[list[str]]) -> str:
    """The cells are HTML, the heads are text."""
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"


class Handler(BaseHTTPRequestHandler):
    """With a short way to answer; silent but for errors."""

    def reply(self, status: int, body: bytes | str, kind: str = "text/html; charset=utf-8", **headers: str) -> None:
        """One whole answer."""
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        with suppress(ConnectionError):  # who has lost patience does not want it any more
            self.wfile.write(data)

    def body(self) -> bytes:
        """What was posted, at most 64 KiB of it."""
        return self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 65_536))

    def log_request(self, *_: Any) -> None:
        """Nothing."""
