from deploy.rabbitmq.deployed import documents, topology


def test_the_committed_definitions_are_those_of_the_services() -> None:
    """When this fails: `python -m deploy.rabbitmq`, and commit."""
    for path, text in documents().items():
        assert path.read_text() == text, f"{path.name} is stale"


def test_the_gateway_hears_how_an_upload_ends() -> None:
    assert {"upload.completed.v1", "upload.rejected.v1", "upload.expired.v1"} <= set(topology().consumers["gateway"])
