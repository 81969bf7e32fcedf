"""`python -m deploy.rabbitmq` writes the definitions; with `declare` it applies them to the broker of `LONGSHORE_BUS_URL`."""

import asyncio
import os
import sys

from deploy.rabbitmq.deployed import documents, topology
from libs.messaging.amqp.declare import declare


def main(arguments: list[str]) -> int:
    match arguments:
        case []:
            for path, text in documents().items():
                path.write_text(text)
        case ["declare"] if url := os.environ.get("LONGSHORE_BUS_URL"):
            asyncio.run(declare(url, topology()))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
