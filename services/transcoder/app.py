"""The composition root."""

from datetime import timedelta
from pathlib import Path

import imageio_ffmpeg

from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox
from libs.runtime.database import service_database
from libs.runtime.loop import repeated
from libs.runtime.service import Loop, Service
from libs.runtime.wakeup import Wakeups
from libs.sandbox.sandbox import Limits, Sandbox
from libs.sandbox.secrecy import hide_from_children
from libs.sandbox.workspace import Workspace
from services.transcoder.adapters.image_inspector import ImageInspector
from services.transcoder.adapters.inspector import Inspector
from services.transcoder.adapters.transcoder import Transcoder
from services.transcoder.domain.job import Lane
from services.transcoder.handlers import HANDLERS
from services.transcoder.jobs import FORGET_SECONDS, CleanLoop, CountLoop, SniffLoop, WorkLoop
from services.transcoder.settings import Settings
from services.transcoder.usecases.cleaning import Cleaner
from services.transcoder.usecases.outcome import Outcomes
from services.transcoder.usecases.processing import Processor
from services.transcoder.usecases.sniffing import Sniffer
from services.transcoder.usecases.working import Worker


def build(settings: Settings, store: ObjectStore) -> Service:
    """Raises SandboxUnavailableError where `sandbox` is `strict` and this machine has no namespaces for us.

    From here on nobody but root may look into this process.
    """
    hide_from_children()
    outbox = Outbox(service_database(settings, "transcoder"), Wakeups())
    workspace = Workspace(settings.work_dir)
    loops = _loops(settings, outbox, store, workspace)
    return Service(name="transcoder", outbox=outbox, handlers=HANDLERS, loops=loops, resources=[store, workspace])


def _loops(settings: Settings, outbox: Outbox, store: ObjectStore, workspace: Workspace) -> dict[str, Loop]:
    wakeups = outbox.wakeups
    outcomes = Outcomes(outbox, settings.transcoder_lease_seconds)
    worker = Worker(store, outcomes, _processor(settings, outcomes, store, workspace))
    cleaner = Cleaner(outbox, store, forget_age=timedelta(days=settings.transcoder_forget_days))
    lanes: tuple[tuple[Lane, int], ...] = (("quick", settings.transcoder_quick_jobs), ("video", settings.transcoder_jobs))
    return {
        **{f"sniff-{number}": SniffLoop(outcomes, Sniffer(store, outcomes), wakeups).run for number in (1, 2)},
        **{
            f"{lane}-{number + 1}": WorkLoop(lane, outcomes, worker, wakeups).run
            for lane, count in lanes
            for number in range(count)
        },
        "clean": CleanLoop(cleaner, wakeups).run,
        "forget": repeated(cleaner.forget, wakeups, "forget", FORGET_SECONDS),
        "count": CountLoop(outcomes).run,
    }


def _processor(settings: Settings, outcomes: Outcomes, store: ObjectStore, workspace: Workspace) -> Processor:
    sandbox = Sandbox(settings.sandbox)
    limits = Limits(
        wall_seconds=settings.transcoder_max_seconds,
        memory_bytes=settings.transcoder_max_memory_bytes,
        cpu_seconds=int(settings.transcoder_max_seconds * settings.transcoder_threads * 2),
        file_bytes=settings.transcoder_max_output_bytes,
    )
    transcoder = Transcoder(
        sandbox=sandbox,
        program=Path(imageio_ffmpeg.get_ffmpeg_exe()),
        limits=limits,
        threads=settings.transcoder_threads,
        max_pixels=settings.transcoder_max_pixels,
        max_duration_seconds=settings.transcoder_max_duration_seconds,
        max_output_bytes=settings.transcoder_max_output_bytes,
    )
    inspector = Inspector(sandbox, settings.transcoder_max_pixels)
    images = ImageInspector(sandbox, settings.transcoder_max_image_pixels)
    return Processor(store, outcomes, workspace, inspector, images, transcoder)
