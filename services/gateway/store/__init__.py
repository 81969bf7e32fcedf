"""All SQL of the gateway, one class per group of tables; each takes a connection and holds no state."""

from services.gateway.store.access_token import AccessTokenStore
from services.gateway.store.account import AccountStore
from services.gateway.store.batch import BatchStore
from services.gateway.store.container import ContainerStore, WatchFolderStore
from services.gateway.store.delivery_log import DeliveryLogStore
from services.gateway.store.folder import FolderStore
from services.gateway.store.group import GroupStore
from services.gateway.store.history import HistoryStore
from services.gateway.store.hook import HookStore
from services.gateway.store.numbered_folder import NumberedFolderStore
from services.gateway.store.operator import OperatorStore
from services.gateway.store.private_token import PrivateTokenStore
from services.gateway.store.project import ProjectStore
from services.gateway.store.project_count import ProjectCountStore
from services.gateway.store.project_file import ProjectFileStore
from services.gateway.store.project_upload import ProjectUploadStore
from services.gateway.store.projection import ProjectionStore
from services.gateway.store.publication import PublicationStore
from services.gateway.store.registration import RegistrationStore
from services.gateway.store.served_file import ServedFileStore
from services.gateway.store.submission import SubmissionStore
from services.gateway.store.tenant import TenantStore
from services.gateway.store.upload import UploadStore
from services.gateway.store.usage import UsageStore
from services.gateway.store.webhook_endpoint import WebhookEndpointStore

__all__ = [
    "AccessTokenStore", "AccountStore", "BatchStore", "ContainerStore", "DeliveryLogStore", "FolderStore", "GroupStore",
    "HistoryStore", "HookStore", "NumberedFolderStore", "OperatorStore", "PrivateTokenStore", "ProjectCountStore",
    "ProjectFileStore", "ProjectStore", "ProjectUploadStore", "ProjectionStore", "PublicationStore", "RegistrationStore",
    "ServedFileStore", "SubmissionStore", "TenantStore", "UploadStore", "UsageStore", "WatchFolderStore",
    "WebhookEndpointStore",
]  # fmt: skip
