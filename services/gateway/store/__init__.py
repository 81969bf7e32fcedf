"""All SQL of the gateway, one class per group of tables; each takes a connection and holds no state."""

from services.gateway.store.container import ContainerStore, WatchFolderStore
from services.gateway.store.folder import FolderStore
from services.gateway.store.operator import OperatorStore
from services.gateway.store.project import ProjectStore
from services.gateway.store.projection import ProjectionStore
from services.gateway.store.registration import RegistrationStore
from services.gateway.store.tenant import TenantStore
from services.gateway.store.upload import UploadStore
from services.gateway.store.usage import UsageStore

__all__ = [
    "ContainerStore", "FolderStore", "OperatorStore", "ProjectStore", "ProjectionStore", "RegistrationStore", "TenantStore",
    "UploadStore", "UsageStore", "WatchFolderStore",
]  # fmt: skip
