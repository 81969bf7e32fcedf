from libs.runtime.process import main, on_s3
from services.delivery.app import build
from services.delivery.settings import Settings

main("delivery", on_s3(build), Settings, needs=("secret_key", "s3_url"))
