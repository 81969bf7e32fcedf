from libs.runtime.process import main
from services.session.app import build
from services.session.settings import Settings

main("session", build, Settings)
