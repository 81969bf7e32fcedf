import asyncio

from deploy.postgres.prepare import SERVICES, prepare_all
from libs.runtime.process import read_settings
from libs.runtime.settings import ServiceSettings

asyncio.run(prepare_all(read_settings(ServiceSettings)))
print(f"database ready for {', '.join(SERVICES)}")
