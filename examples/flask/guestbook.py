"""A guest book in Flask: a page takes an entry, a job looks at it in the background, the page shows what came of it.

flask --app guestbook run                      the pages
flask --app guestbook fastkiq process          the workers
"""

import hmac
import json
import os
import re
from pathlib import Path

from flask import Flask, Response, current_app, redirect, render_template_string, request, url_for
from werkzeug.wrappers import Response as AnyResponse

import fastkiq
from fastkiq.contrib.flask import Fastkiq, web_ui
from fastkiq.web import Access

PAGE = """<!doctype html>
<title>Guest book</title>
<h1>Guest book</h1>
{% for entry in entries %}<p><b>{{ entry.name }}</b>: {{ entry.text }}</p>{% endfor %}
<form method="post">
  <input name="name" placeholder="Your name" required maxlength="80">
  <input name="text" placeholder="A word" required maxlength="500">
  <button>Leave it</button>
</form>
"""

app = Flask(__name__)
app.config["BOOK"] = os.environ.get("GUESTBOOK_FOLDER", "book")
app.config["FASTKIQ"] = {"queues": ["default"], "concurrency": 5}
Fastkiq(app)


class Publish(fastkiq.Worker, retry=5):
    """Publishes an entry without its links. It runs in the application context, as a request does.

    Should it run twice, it writes the same file again: the job's id is its name.
    """

    def perform(self, name: str, text: str) -> None:
        book = Path(current_app.config["BOOK"])
        book.mkdir(exist_ok=True)
        entry = {"name": name, "text": re.sub(r"https?://\S+", "(a link)", text)}
        (book / f"{self.jid}.json").write_text(json.dumps(entry))
        self.logger.info("an entry of %d characters is in the book", len(text))


@app.get("/")
def show() -> str:
    """The entries that are published, newest first."""
    files = sorted(Path(app.config["BOOK"]).glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    return render_template_string(PAGE, entries=[json.loads(file.read_text()) for file in files[:100]])


@app.post("/")
def leave() -> AnyResponse:
    """Answers at once, whatever there is to do with the entry."""
    Publish.perform_async(request.form["name"][:80], request.form["text"][:500])
    return redirect(url_for("show"))


def admin() -> Access | bool | Response:
    """Whoever knows ADMIN_PASSWORD sees the jobs, as the user "admin"; without one nobody does."""
    wanted, given = os.environ.get("ADMIN_PASSWORD", ""), request.authorization
    if wanted and given is not None and given.type == "basic":
        password = (given.password or "").encode()
        if given.username == "admin" and hmac.compare_digest(password, wanted.encode()):
            return Access("admin")
    return Response("who are you?", 401, {"WWW-Authenticate": 'Basic realm="jobs"'}) if wanted else False


app.register_blueprint(web_ui(admin), url_prefix="/jobs")
