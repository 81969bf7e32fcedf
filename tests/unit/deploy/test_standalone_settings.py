from pathlib import Path

import pytest

from deploy.standalone.place import DataFolder, PlaceTakenError, bind
from deploy.standalone.settings import StandaloneSecrets, StandaloneSettings
from libs.runtime.secret import SecretBox


def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    first = StandaloneSecrets.in_folder(tmp_path)
    second = StandaloneSecrets.in_folder(tmp_path)

    assert first == second
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
    box = SecretBox(first.secret_key.get_secret_value())
    assert box.open(box.seal("told")) == "told"


def test_a_secret_that_a_later_version_needs_is_added(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"storage_signing_secret": "old"}')

    assert StandaloneSecrets.in_folder(tmp_path).storage_signing_secret.get_secret_value() == "old"
    assert StandaloneSecrets.in_folder(tmp_path) == StandaloneSecrets.in_folder(tmp_path)


@pytest.mark.parametrize(
    ("environment", "base_url"),
    [
        ({}, "http://127.0.0.1:4321"),
        ({"LONGSHORE_HTTP_HOST": "0.0.0.0"}, "http://127.0.0.1:4321"),
        ({"LONGSHORE_HTTP_HOST": "10.0.0.5"}, "http://10.0.0.5:4321"),
        ({"LONGSHORE_BASE_URL": "https://uploads.example.com/"}, "https://uploads.example.com"),
    ],
)
def test_the_base_url_follows_the_port_that_was_bound(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], base_url: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    settings = StandaloneSettings().filled_in(StandaloneSecrets(), http_port=4321, ops_port=1, postgres_dsn="postgresql:///x")

    assert settings.public_base_url == base_url


def test_the_environments_own_secrets_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_STORAGE_EVENTS_TOKEN", "given")

    settings = StandaloneSettings().filled_in(StandaloneSecrets(), http_port=1, ops_port=1, postgres_dsn="postgresql:///x")

    assert settings.storage_events_token is not None
    assert settings.storage_events_token.get_secret_value() == "given"


def test_a_data_folder_is_one_processs_alone(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data"), pytest.raises(PlaceTakenError, match="already uses"), DataFolder(tmp_path / "data"):
        pass
    with DataFolder(tmp_path / "data"):
        pass


def test_a_port_in_use_is_named_with_its_variable() -> None:
    taken = bind("LONGSHORE_HTTP_PORT", "127.0.0.1", 0)
    with taken, pytest.raises(PlaceTakenError, match="already in use; set LONGSHORE_HTTP_PORT"):
        bind("LONGSHORE_HTTP_PORT", "127.0.0.1", taken.getsockname()[1])
