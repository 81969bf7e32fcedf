"""A program that no fork server may take: none of its threads would be there after a fork."""

import threading
import time

threading.Thread(target=lambda: time.sleep(60), daemon=True).start()


def main() -> None:
    print("was run")
