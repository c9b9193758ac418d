"""Word counts in FastAPI: a request leaves a text and gets an address, a job counts, the address shows the result.

uvicorn wordcount:app                      everything in one process, for development
WORKERS=0 uvicorn wordcount:app            only the requests, and beside it:
fastkiq process wordcount.py               only the jobs
"""

import hmac
import json
import os
from collections import Counter
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, status
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, Field

import fastkiq
from fastkiq.contrib.fastapi import JobClient, lifespan, web_ui

FOLDER = Path(os.environ.get("WORDCOUNT_FOLDER", "counts"))
BASIC = HTTPBasic(auto_error=False)
STRANGER = HTTPException(status.HTTP_401_UNAUTHORIZED, "who are you?", {"WWW-Authenticate": "Basic"})


class Count(fastkiq.Worker, retry=3, name="wordcount.Count"):
    """Counts words, and leaves the result under the job's id: should it run twice, it is the same result."""

    def perform(self, text: str, most: int = 10) -> None:
        words = Counter(text.lower().split())
        FOLDER.mkdir(exist_ok=True)
        unfinished = FOLDER / f"{self.jid}.unfinished"
        unfinished.write_text(json.dumps(words.most_common(most)))
        unfinished.replace(FOLDER / f"{self.jid}.json")  # nobody reads half of it


class Text(BaseModel):
    text: str = Field(max_length=100_000)
    most: int = Field(default=10, ge=1, le=1_000)


app = FastAPI(
    title="Word counts",
    lifespan=lifespan(workers=os.environ.get("WORKERS", "1") != "0", concurrency=2, timeout=10),
)


@app.post("/counts", status_code=status.HTTP_202_ACCEPTED)
async def count(text: Text, jobs: JobClient) -> dict[str, str | None]:
    """Takes the text; a job counts."""
    return {"id": await jobs.apush(Count, text.text, text.most)}


@app.get("/counts/{job}")
def counted(job: str) -> list[tuple[str, int]]:
    """The most frequent words, or 404 as long as nobody has counted them."""
    if len(job) != 24 or not job.isalnum() or not (file := FOLDER / f"{job}.json").exists():
        raise HTTPException(status.HTTP_404_NOT_FOUND, "not counted, or not yet")
    words: list[tuple[str, int]] = json.loads(file.read_text())
    return words


def admin(given: Annotated[HTTPBasicCredentials | None, Depends(BASIC)]) -> str:
    """Who may see the jobs: the user "admin" with ADMIN_PASSWORD; without one nobody."""
    wanted = os.environ.get("ADMIN_PASSWORD", "")
    if given is None or given.username != "admin" or not wanted:
        raise STRANGER
    if not hmac.compare_digest(given.password.encode(), wanted.encode()):
        raise STRANGER
    return "admin"


app.include_router(web_ui(admin), prefix="/jobs")
