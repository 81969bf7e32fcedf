from libs.object_store.port import ObjectStore
from libs.runtime.process import main
from libs.runtime.service import Service
from services.delivery import app
from services.delivery.settings import Settings


def build(settings: Settings, _store: ObjectStore) -> Service:
    """Delivery touches no objects."""
    return app.build(settings)


main("delivery", build, Settings)
