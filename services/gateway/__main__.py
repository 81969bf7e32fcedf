from libs.runtime.process import main, on_s3
from services.gateway.app import build
from services.gateway.settings import Settings

main("gateway", on_s3(build), Settings, needs=("s3_url", "secret_key"))
