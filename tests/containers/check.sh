#!/usr/bin/env bash
# Builds the images of this repository with the fastkiq of this tree and runs them: examples/deploy, the Dockerfile of
# `fastkiq new --docker`, and examples/shop. Wants Docker with Compose, the ports 8000, 8026, 8027 and 9292, and some
# ten minutes, most of them for the core. Leaves images behind, and no container or volume.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! docker compose version >/dev/null 2>&1 || ! docker info >/dev/null 2>&1; then
    echo "containers: there is no Docker engine with Compose here, so nothing was checked"
    exit 0
fi

work="$(mktemp -d)"
export FASTKIQ_WEB_PASSWORD=secret
BASE=python:3.13-slim
# What stands for it in the Dockerfiles has the wheel, so that they take that one for PyPI's.
cat >"$work/wheel.yaml" <<EOF
services:
  workers: { build: { additional_contexts: { "$BASE": "docker-image://fastkiq-check-base" } } }
  web: { build: { additional_contexts: { "$BASE": "docker-image://fastkiq-check-base" } } }
EOF
deploy() { docker compose --progress quiet -p fastkiq-check-deploy -f examples/deploy/compose.yaml -f "$work/wheel.yaml" "$@"; }
shop() { docker compose --progress quiet -p fastkiq-check-shop -f examples/shop/compose.yaml "$@"; }
redis() { deploy exec -T redis valkey-cli "$@"; }
page() { curl -sf -o /dev/null "$@"; }

finish() {
    code=$?
    [ $code = 0 ] || { deploy logs --tail 20; shop logs --tail 20; echo "containers: failed, see above"; } >&2
    docker rm -fv fastkiq-check-new >/dev/null 2>&1 || true
    deploy down -v || true
    shop down -v || true
    rm -rf "$work"
}
trap finish EXIT

step() { echo "containers: $*"; }

eventually() { # a command, until it succeeds
    for _ in $(seq 120); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.5
    done
    echo "containers: not within a minute: $*" >&2
    return 1
}

redis_has() { [ "$(redis "${@:2}")" = "$1" ]; }

ended_well() { # a container: it has ended by itself with 0, not by KILL after the grace period
    local code
    code="$(docker inspect -f '{{.State.ExitCode}}' "$1")"
    [ "$code" = 0 ] || { echo "containers: $1 ended with $code" >&2; return 1; }
}

step "the core, and the shop's image"
docker build -q --target wheel -t fastkiq-check-wheel -f examples/shop/Dockerfile . >/dev/null
shop build

printf 'FROM %s\nCOPY --from=fastkiq-check-wheel /wheels /wheels\nENV PIP_FIND_LINKS=/wheels\n' $BASE |
    docker build -q -t fastkiq-check-base - >/dev/null

step "examples/deploy: compose up, jobs, the web UI"
deploy up -d --build --wait --scale workers=2
deploy exec -T workers python -c 'import jobs; [jobs.Work.perform_async(0.1) for _ in range(50)]'
eventually redis_has 50 get stat:processed
page -u admin:secret http://127.0.0.1:9292/
if page http://127.0.0.1:9292/; then echo "containers: the web UI asks nobody who they are" >&2; exit 1; fi

step "a stop gives back what runs; the next start runs it"
deploy exec -T workers python -c 'import jobs; jobs.Work.perform_async(5)'
eventually redis_has 0 llen queue:default
deploy stop workers
for each in $(deploy ps -aq workers); do ended_well "$each"; done
redis_has 1 zcard schedule || redis_has 1 llen queue:default
deploy start workers
eventually redis_has 52 get stat:processed # a run that was given up for a later one counts too

step "as Kubernetes would run it: no root, nothing to write to"
docker run -d --name fastkiq-check-new --network fastkiq-check-deploy_default --read-only --user 10001 --cap-drop ALL \
    --security-opt no-new-privileges -e FASTKIQ_REDIS_URL=redis://redis:6379/0 fastkiq-check-deploy-workers >/dev/null
eventually docker exec fastkiq-check-new python -c 'from urllib.request import urlopen; urlopen("http://127.0.0.1:8080/ready")'
docker stop -t 35 fastkiq-check-new >/dev/null
ended_well fastkiq-check-new
docker rm -v fastkiq-check-new >/dev/null

step "fastkiq new --docker"
docker run --rm --user 0 -v "$work:/out" -w /out fastkiq-check-deploy-workers fastkiq new made --docker >/dev/null
docker build -q -t fastkiq-check-new --build-context $BASE=docker-image://fastkiq-check-base "$work/made" >/dev/null
docker run -d --name fastkiq-check-new --network fastkiq-check-deploy_default \
    -e FASTKIQ_REDIS_URL=redis://redis:6379/1 fastkiq-check-new >/dev/null
docker exec fastkiq-check-new python -m made ann >/dev/null
eventually docker exec fastkiq-check-new sh -c 'grep -q "hello, ann" greetings/*.txt'
docker stop -t 35 fastkiq-check-new >/dev/null
ended_well fastkiq-check-new
deploy down -v

step "examples/shop: an order from the cart to the ship"
shop up -d --scale worker=2
eventually page http://127.0.0.1:8000/
page http://127.0.0.1:8026/
page http://127.0.0.1:8027/
shop exec -T web python - <tests/containers/order.py
shop stop
for each in $(shop ps -aq worker); do ended_well "$each"; done
step "all is well"
