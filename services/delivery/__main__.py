from libs.runtime.process import main
from services.delivery.app import build
from services.delivery.settings import Settings

main("delivery", build, Settings, needs=("secret_key",))
