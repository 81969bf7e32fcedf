#!/usr/bin/env bash
# The system packages that the tests use and PyPI does not have: a RabbitMQ server; clamd; Node and Chromium, in which
# Uploadcare's own clients run; and Docker's compose, which checks docker-compose.yml. Nothing to do where they are there
# already, where Docker answers, or where a server is given by URL.
set -euo pipefail

has_rabbitmq() {
    [[ -n "${LONGSHORE_TEST_RABBITMQ_URL:-}" || -x /usr/sbin/rabbitmq-server ]] || command -v rabbitmq-server >/dev/null \
        || docker info >/dev/null 2>&1
}
has_clamd() {
    [[ -x /usr/sbin/clamd ]] || command -v clamd >/dev/null
}
has_node() {
    command -v node >/dev/null && command -v npm >/dev/null
}
has_chromium() {
    command -v chromium >/dev/null
}
has_compose() {
    docker compose version >/dev/null 2>&1 || docker-compose version >/dev/null 2>&1
}
may_install() {
    [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null
}
missing() {
    has_rabbitmq || echo "The tests need a RabbitMQ server: install rabbitmq-server, start Docker, or set LONGSHORE_TEST_RABBITMQ_URL."
    has_clamd || echo "The tests need clamd: install clamav-daemon."
    has_node || echo "The tests need Node 18 or newer and npm: install nodejs and npm."
    has_chromium || echo "The tests need a Chromium that is called chromium: install chromium."
}

if [[ -z "$(missing)" ]] && has_compose; then
    exit 0
fi
if ! may_install; then
    [[ -z "$(missing)" ]] && exit 0  # without compose one test is skipped and says so
    missing >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
# The tests start their own servers; keep the packages from starting daemons, clamd's from fetching signatures.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    trap 'rm -f $policy' EXIT
fi
install() {
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
apt-get update -qq || true  # the lists that are there may do; if not, the installation says so
has_rabbitmq || install rabbitmq-server
if ! has_clamd; then
    install clamav-daemon
    systemctl --quiet disable clamav-daemon.{service,socket} clamav-freshclam.service 2>/dev/null || true  # nor later
fi
has_node || install nodejs npm
has_chromium || install chromium
has_compose || install docker-compose || echo "docker-compose could not be installed: docker-compose.yml is not checked" >&2
