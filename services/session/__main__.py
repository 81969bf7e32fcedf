from libs.runtime.process import main, on_s3
from services.session.app import build
from services.session.settings import Settings

main("session", on_s3(build), Settings, needs=("s3_url",))
