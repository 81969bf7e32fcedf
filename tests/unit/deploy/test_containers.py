"""The container files know every service, and no secret has a default."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.postgres.prepare import SERVICES

ROOT = Path(__file__).parent.parent.parent.parent
COMPOSE = ROOT / "docker-compose.yml"


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return document


@pytest.mark.parametrize("service", SERVICES)
def test_compose_has_each_service_and_lets_it_scale(service: str) -> None:
    container = compose()["services"][service.replace("_", "-")]

    assert container["command"] == f"services.{service}"
    assert "container_name" not in container
    assert "ports" not in container


def test_every_variable_of_compose_is_explained_and_no_secret_has_a_default() -> None:
    used = dict(re.findall(r"(?<!\$)\$\{([A-Z0-9_]+):-([^}]*)\}", COMPOSE.read_text()))
    explained = set(re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert used.keys() - {"EDGE_PORT", "S3_PORT"} == explained
    assert [name for name, default in used.items() if default and re.search("PASSWORD|KEY|SECRET|TOKEN", name)] == []


SHARED = {"LONGSHORE_POSTGRES_DSN", "LONGSHORE_BUS_URL"}
SECRETS = {
    "gateway": SHARED | {"LONGSHORE_S3_URL", "LONGSHORE_S3_PRESIGN_KEY", "LONGSHORE_SECRET_KEY"},
    "session": SHARED | {"LONGSHORE_S3_URL"},
    "storage-notification": SHARED | {"LONGSHORE_S3_URL", "LONGSHORE_STORAGE_EVENTS_TOKEN"},
    "ingest": SHARED | {"LONGSHORE_S3_URL", "LONGSHORE_SECRET_KEY"},
    "transcoder": SHARED | {"LONGSHORE_S3_URL"},
    "delivery": SHARED | {"LONGSHORE_S3_URL", "LONGSHORE_SECRET_KEY"},
}


@pytest.mark.parametrize(("container", "secrets"), SECRETS.items())
def test_a_service_is_given_the_secrets_that_it_uses_and_no_others(container: str, secrets: set[str]) -> None:
    environment = compose()["services"][container]["environment"]

    assert {name for name in environment if re.search("DSN|BUS_URL|S3_URL|KEY|TOKEN", name)} == secrets


def test_compose_accepts_its_file() -> None:
    found = [command for command in (["docker", "compose"], ["docker-compose"]) if _answers(command)]
    if not found:
        pytest.skip("docker compose is not here")
    subprocess.run([*found[0], "-f", str(COMPOSE), "config", "-q"], check=True, timeout=60)


def test_kubernetes_has_a_deployment_and_a_scaler_for_each_service() -> None:
    documents = [
        document
        for path in sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    ]
    names = {service.replace("_", "-") for service in SERVICES}

    deployments = {d["metadata"]["name"]: d for d in documents if d["kind"] == "Deployment" and d["metadata"]["name"] != "any"}
    assert deployments.keys() == names
    for name, deployment in deployments.items():
        containers = deployment["spec"]["template"]["spec"]["containers"]
        assert containers[0]["args"] == [f"services.{name.replace('-', '_')}"]
        assert containers[0]["envFrom"] == [{"secretRef": {"name": f"longshore-{name}"}}]
    assert {d["metadata"]["name"] for d in documents if d["kind"] == "ScaledObject"} == names


def _answers(command: list[str]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run([*command, "version"], capture_output=True, timeout=30, check=False).returncode == 0
