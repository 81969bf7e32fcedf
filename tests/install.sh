#!/usr/bin/env bash
# The system packages that the tests need and PyPI does not have: a RabbitMQ server. Nothing to do where one is given by
# URL, where Docker answers, or where the package is there already.
set -euo pipefail

if [[ -n "${LONGSHORE_TEST_RABBITMQ_URL:-}" ]] || command -v rabbitmq-server >/dev/null || [[ -x /usr/sbin/rabbitmq-server ]]; then
    exit 0
fi
if docker info >/dev/null 2>&1; then
    exit 0
fi
if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "The tests need a RabbitMQ server: install rabbitmq-server, start Docker, or set LONGSHORE_TEST_RABBITMQ_URL." >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
# The tests start their own broker; keep the package from starting a daemon on the standard ports.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    trap 'rm -f $policy' EXIT
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends rabbitmq-server >/dev/null
