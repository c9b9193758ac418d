"""`fastkiq new`: a project to start from."""

import os
import shlex
from pathlib import Path

import click

from fastkiq import new as project
from fastkiq.printable import printable

_EXAMPLES = """\b
Examples:
  fastkiq new shop            a folder with workers, tests and a README
  fastkiq new shop --docker   and a Dockerfile
  fastkiq new shop --fastapi  and requests that enqueue
  fastkiq new shop --django   a Django project with an app
"""
_PLAIN = """\
  {workers:<{width}}  the workers, in one terminal
  {enqueue:<{width}}  jobs for them, in another
  pytest"""
_DJANGO = """\
  python manage.py migrate
  python manage.py createsuperuser
  python manage.py fastkiq process --reload -v    the workers, in one terminal
  python manage.py runserver                      the site, in another
  python manage.py test"""


@click.command(epilog=_EXAMPLES)
@click.argument("name")
@click.option("--flask", is_flag=True, help="With a Flask application that enqueues.")
@click.option("--fastapi", is_flag=True, help="With a FastAPI application that enqueues.")
@click.option("--django", is_flag=True, help="A Django project instead, with the web UI for staff.")
@click.option("--docker", is_flag=True, help="With a Dockerfile.")
def new(name: str, docker: bool, **frameworks: bool) -> None:
    """Writes a project to start from into a new folder NAME: two kinds of jobs, their tests, the configuration."""
    asked = [framework for framework, wanted in frameworks.items() if wanted]
    if len(asked) > 1:
        raise click.UsageError(f"--{' and --'.join(asked)}: a project has one of them")
    web = asked[0] if asked else None
    try:
        written = project.write(name, Path.cwd(), web=web, docker=docker)
    except OSError as error:
        raise click.ClickException(f"{printable(name, 100)} cannot be written: {error.strerror or error}") from None
    for file in written:
        click.echo(f"  {os.path.relpath(file)}")
    package = project.package_of(name, django=web == "django")
    workers = project.workers_command(package, web)
    enqueue = f"python -m {package} ann bob"
    width = max(31, len(workers), len(enqueue))
    then = _DJANGO if web == "django" else _PLAIN.format(workers=workers, enqueue=enqueue, width=width)
    click.echo(
        f"""
Now:
  cd {shlex.quote(name)}
  python3 -m venv .venv && . .venv/bin/activate && pip install -e '.[dev]'
{then}"""
    )
