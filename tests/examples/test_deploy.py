"""examples/deploy: what stands in its files against real workers. `make containers` runs the containers."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py
import yaml
from prometheus_client.parser import text_string_to_metric_families

from children import Child, clean_environment
from fastkiq import Client
from fastkiq.config import Config
from fastkiq.launcher import GRACE
from servers import free_port

FOLDER = Path(__file__).parents[2] / "examples" / "deploy"
DOCUMENT = FOLDER.parents[1] / "docs" / "deployment.md"
UNIT = FOLDER / "fastkiq@.service"
Start = Callable[[list[str]], "tuple[Child, str]"]


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def unit() -> dict[str, str]:
    """The settings of the unit; each is there once, but for comments."""
    return dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))


def container() -> dict[str, Any]:
    (deployment,) = documents("kubernetes/workers.yaml")
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(found)


def commands() -> dict[str, list[str]]:
    """How each of the files starts workers."""
    (docker,) = re.findall(r"^CMD (\[.*\])$", (FOLDER / "Dockerfile").read_text(), re.MULTILINE)
    return {
        "systemd": shlex.split(unit()["ExecStart"].replace("%i", "1")),
        "docker": yaml.safe_load(docker),
        "compose": documents("compose.yaml")[0]["services"]["workers"]["command"],
        "kubernetes": container()["command"],
    }


def seconds(command: list[str]) -> float:
    return float(command[command.index("--timeout") + 1])


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts such a command here, at another port; answers the child and the address of its health."""
    started: list[Child] = []

    def child(command: list[str]) -> tuple[Child, str]:
        port = str(free_port())
        words = [re.sub(r"^[\d.]+:\d+$", f"127.0.0.1:{port}", word) for word in command[1:]]
        shutil.copy(FOLDER / "jobs.py", tmp_path)
        environment = clean_environment({"FASTKIQ_REDIS_URL": redis_url})
        started.append(Child([sys.executable, "-m", "fastkiq", *words], tmp_path, environment))
        started[-1].wait_for("ready:", 30)
        return started[-1], f"http://127.0.0.1:{port}"

    yield child
    for each in started:
        each.close()


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert answer.status == 200
        text: str = answer.read().decode()
    return text


@pytest.mark.parametrize("where", ["systemd", "docker", "compose", "kubernetes"])
def test_the_command_runs_jobs_and_a_stop_gives_back_what_runs(
    where: str, start: Start, redis_url: str, redis: redis_py.Redis
) -> None:
    child, health = start(commands()[where])
    assert get(f"{health}/live")
    Client(redis_url).push("jobs.Work", 60)
    child.wait_for(lambda _: "fastkiq_busy 1" in get(f"{health}/metrics"))
    assert child.stop(10) == 0
    assert redis.llen("queue:default") + redis.zcard("retry") + redis.zcard("schedule") == 1


def test_the_probes_ask_what_is_there(start: Start) -> None:
    _, health = start(commands()["kubernetes"])
    found = container()
    assert found["ports"] == [{"name": "health", "containerPort": 8080}]
    assert found["command"][-1].endswith(":8080")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        asked = found[probe]["httpGet"]
        assert asked["port"] == "health"
        assert get(health + asked["path"])
    assert found["livenessProbe"]["httpGet"]["path"] == "/live", "an outage of Redis must restart nobody"
    assert found["readinessProbe"]["httpGet"]["path"] == "/ready"
    compose = documents("compose.yaml")[0]["services"]["workers"]["healthcheck"]["test"]
    code = compose[-1].replace("http://127.0.0.1:8080", health)
    subprocess.run([sys.executable, *compose[2:-1], code], check=True, timeout=20)


def test_the_autoscalers_ask_for_a_metric_that_workers_have(start: Start, redis_url: str) -> None:
    _, health = start(commands()["kubernetes"])
    (deployment,) = documents("kubernetes/workers.yaml")
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    page = get(health + annotations["prometheus.io/path"])
    families = {family.name: family for family in text_string_to_metric_families(page)}
    for file in (FOLDER / "kubernetes" / "keda.yaml", FOLDER / "kubernetes" / "hpa.yaml", DOCUMENT):
        asked = {name.removesuffix("_total") for name in re.findall(r"\bfastkiq_\w+", file.read_text())}
        assert asked
        assert asked <= families.keys()
    latency = families["fastkiq_queue_latency_seconds"]
    assert latency.type == "gauge"
    assert [sample.labels for sample in latency.samples] == [{"queue": "default"}]


def test_the_autoscalers_scale_the_deployment() -> None:
    (deployment,), (keda,), (hpa,) = (documents(f"kubernetes/{name}.yaml") for name in ("workers", "keda", "hpa"))
    name = deployment["metadata"]["name"]
    assert keda["spec"]["scaleTargetRef"]["name"] == name
    assert hpa["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    prometheus, redis = keda["spec"]["triggers"]
    assert 'queue="default"' in prometheus["metadata"]["query"]
    assert hpa["spec"]["metrics"][0]["external"]["metric"]["selector"]["matchLabels"] == {"queue": "default"}
    assert redis["metadata"]["listName"] == "queue:default"
    assert all(isinstance(value, str) for trigger in (prometheus, redis) for value in trigger["metadata"].values())
    template = deployment["spec"]["template"]
    assert template["metadata"]["labels"] == deployment["spec"]["selector"]["matchLabels"]


def test_supervisors_wait_for_longer_than_jobs_may_take() -> None:
    (deployment,) = documents("kubernetes/workers.yaml")
    waits = {
        "systemd": float(unit()["TimeoutStopSec"]),
        "kubernetes": float(deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]),
        "compose": float(documents("compose.yaml")[0]["services"]["workers"]["stop_grace_period"].removesuffix("s")),
    }
    for where, wait in waits.items():
        assert wait >= seconds(commands()[where]) + GRACE + 5, where
    assert seconds(commands()["docker"]) == Config().timeout


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("no systemd-analyze on this machine")
    command = str(Path(sys.executable).with_name("fastkiq"))
    text = UNIT.read_text().replace("/srv/shop/.venv/bin/fastkiq", command).replace("User=shop", "User=root")
    (tmp_path / "fastkiq@.service").write_text(text)
    instance = tmp_path / "fastkiq@1.service"
    instance.symlink_to("fastkiq@.service")
    answer = subprocess.run([tool, "verify", instance], capture_output=True, text=True, timeout=30, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_nothing_gives_up_for_good() -> None:
    assert unit()["Restart"] == "always"
    assert unit()["StartLimitIntervalSec"] == "0", "without Redis it ends at once, five times, and that is that"
    services = documents("compose.yaml")[0]["services"]
    assert {service["restart"] for service in services.values()} == {"unless-stopped"}


def test_a_container_that_can_write_nothing_else_has_a_tmp() -> None:
    found = container()
    assert found["securityContext"]["readOnlyRootFilesystem"]
    assert [mount["mountPath"] for mount in found["volumeMounts"]] == ["/tmp"]
    (deployment,) = documents("kubernetes/workers.yaml")
    volumes = deployment["spec"]["template"]["spec"]["volumes"]
    assert [volume["name"] for volume in volumes] == [mount["name"] for mount in found["volumeMounts"]]


def test_the_compose_files_are_two_projects() -> None:
    shop = yaml.safe_load((FOLDER.parent / "shop" / "compose.yaml").read_text())
    assert shop["name"] != documents("compose.yaml")[0]["name"]
    for name, service in shop["services"].items():
        assert service.get("init") or service["image"] != "fastkiq-shop", f"{name}: Python as process 1 ignores TERM"
    assert "-h 127.0.0.1" in shop["services"]["postgres"]["healthcheck"]["test"], "the image's first server has no TCP"


def test_a_stop_signal_is_one_that_workers_know() -> None:
    assert signal.Signals[unit()["KillSignal"]] == signal.SIGTERM
    assert re.findall(r"^STOPSIGNAL (.+)$", (FOLDER / "Dockerfile").read_text(), re.MULTILINE) == ["SIGTERM"]


def test_the_image_has_what_it_starts() -> None:
    text = (FOLDER / "Dockerfile").read_text()
    for source in re.findall(r"^COPY (\S+)", text, re.MULTILINE):
        assert (FOLDER / source).exists()
        assert f"!{source}" in (FOLDER / ".dockerignore").read_text().splitlines()
    assert {"redis", "workers", "web"} == documents("compose.yaml")[0]["services"].keys()


def test_the_readme_lists_every_file() -> None:
    readme = (FOLDER / "README.md").read_text()
    for file in FOLDER.rglob("*"):
        if file.is_file() and file.name not in ("README.md", ".dockerignore") and "__pycache__" not in file.parts:
            assert f"`{file.relative_to(FOLDER)}`" in readme
