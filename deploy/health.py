"""`python -m deploy.health`: asks the process in this container whether it is ready; exit status 0 or 1."""

import os
import sys
from urllib.request import urlopen

URL = f"http://127.0.0.1:{os.environ.get('LONGSHORE_OPS_PORT', '8081')}/readyz"

if __name__ == "__main__":
    try:
        urlopen(URL, timeout=3).close()
    except OSError as error:
        sys.exit(f"not ready: {error}")
