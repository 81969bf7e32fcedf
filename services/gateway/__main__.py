from libs.runtime.process import main
from services.gateway.app import build
from services.gateway.settings import Settings

main("gateway", build, Settings)
