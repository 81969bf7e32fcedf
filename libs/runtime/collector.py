"""The garbage collector, tuned for a process that answers requests."""

import gc


def relax() -> None:
    """To be called once the process has started.

    What the start made lives as long as the process: it is taken out of the collector's sight. What a request makes dies by
    reference count, so that looking for cycles at every 700 objects only costs time (about a tenth of a registration).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
