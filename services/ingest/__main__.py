from libs.runtime.process import main, on_s3
from services.ingest.app import build
from services.ingest.settings import Settings

main("ingest", on_s3(build), Settings, needs=("s3_url", "secret_key"))
