"""A mail server that delivers nothing: it keeps each mail as an .eml file and shows them on a page.

python -m services.mailbox --smtp-port 8025 --port 8027 --folder data/mails
"""

import argparse
import email
import email.policy
import time
import uuid
from email.message import EmailMessage
from html import escape
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

from services.page import Handler, page, table


class Keeper:
    """What aiosmtpd calls for each mail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """The mail is ours once it is on the disk, whole: only then is it accepted."""
        name = f"{time.time_ns()}-{uuid.uuid4().hex[:8]}"
        draft = self.folder / f"{name}.part"
        draft.write_bytes(envelope.original_content)
        draft.rename(self.folder / f"{name}.eml")
        return "250 kept"


class Mails(Handler):
    """The pages: all mails, one mail, one attachment. `/NAME` and `/NAME/NUMBER`; names come from a listing only."""

    folder: Path

    def do_GET(self) -> None:
        names = sorted((path.stem for path in self.folder.glob("*.eml")), reverse=True)
        name, _, number = self.path.strip("/").partition("/")
        if not name:
            self.reply(200, self.listing(names))
            return
        if name not in names:
            self.reply(404, "no such mail")
            return
        mail = read(self.folder / f"{name}.eml")
        attachments = list(mail.iter_attachments())
        if not number:
            self.reply(200, self.one(name, mail, attachments))
        elif number.isdecimal() and int(number) < len(attachments):
            kept = attachments[int(number)]
            where = f'attachment; filename="{Path(kept.get_filename("attachment")).name}"'
            content = kept.get_payload(decode=True)
            assert isinstance(content, bytes)
            self.reply(200, content, kept.get_content_type(), Content_Disposition=where)
        else:
            self.reply(404, "no such attachment")

    def listing(self, names: list[str]) -> str:
        rows = []
        for name in names[:200]:
            mail = read(self.folder / f"{name}.eml")
            files = ", ".join(escape(part.get_filename("")) for part in mail.iter_attachments())
            link = f'<a href="/{name}">{header(mail, "Subject")}</a>'
            rows.append([link, header(mail, "To"), files, header(mail, "Date")])
        return page(f"{len(names)} mails", table(["Subject", "To", "Attached", "Date"], rows))

    def one(self, name: str, mail: EmailMessage, attachments: list[Any]) -> str:
        body = mail.get_body(("plain",))
        links = [f'<a href="/{name}/{n}">{escape(kept.get_filename(""))}</a>' for n, kept in enumerate(attachments)]
        about = [[name, header(mail, name)] for name in ("From", "To", "Date")] + [["Attached", ", ".join(links)]]
        text = escape(body.get_content()) if body else ""
        end = '<p><a href="/">All mails</a></p>'
        return page(str(mail["Subject"]), table(["Header", "Value"], about) + f"<pre>{text}</pre>{end}")


def header(mail: EmailMessage, name: str) -> str:
    """As HTML."""
    return escape(str(mail[name] or ""))


def read(path: Path) -> EmailMessage:
    """One kept mail."""
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def main() -> None:
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(description="keeps mails and shows them")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--port", type=int, required=True, help="of the page")
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    Mails.folder = given.folder
    Controller(Keeper(given.folder), hostname=given.host, port=given.smtp_port).start()
    ThreadingHTTPServer((given.host, given.port), Mails).serve_forever()


if __name__ == "__main__":
    main()
