from libs.runtime.process import main
from services.storage_notification.app import build
from services.storage_notification.settings import Settings

main("storage_notification", build, Settings)
