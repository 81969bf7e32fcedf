from libs.runtime.process import main, on_s3
from services.transcoder.app import build
from services.transcoder.settings import Settings

main("transcoder", on_s3(build), Settings, needs=("s3_url",))
