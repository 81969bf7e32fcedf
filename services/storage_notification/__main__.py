from libs.runtime.process import main, on_s3
from services.storage_notification.app import build
from services.storage_notification.settings import Settings

main("storage_notification", on_s3(build), Settings, needs=("s3_url",))
