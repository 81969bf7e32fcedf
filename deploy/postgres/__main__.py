import asyncio
import os

from deploy.postgres.prepare import SERVICES, prepare

asyncio.run(prepare(os.environ["LONGSHORE_POSTGRES_DSN"]))
print(f"database ready for {', '.join(SERVICES)}")
