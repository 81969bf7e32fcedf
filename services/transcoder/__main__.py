from libs.runtime.process import main
from services.transcoder.app import build
from services.transcoder.settings import Settings

main("transcoder", build, Settings)
