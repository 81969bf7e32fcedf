"""The composition root."""

from datetime import timedelta
from pathlib import Path

import imageio_ffmpeg

from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox
from libs.runtime.database import service_database
from libs.runtime.service import Loop, Service
from libs.runtime.wakeup import Wakeups
from libs.sandbox.sandbox import Limits, Sandbox
from libs.sandbox.secrecy import hide_from_children
from libs.sandbox.workspace import Workspace
from services.transcoder.adapters.image_inspector import ImageInspector
from services.transcoder.adapters.inspector import Inspector
from services.transcoder.adapters.program import preload
from services.transcoder.adapters.transcoder import Transcoder
from services.transcoder.domain.job import Lane
from services.transcoder.handlers import HANDLERS
from services.transcoder.jobs import cleaning, counting, processing, sniffing
from services.transcoder.settings import Settings
from services.transcoder.usecases.cleaning import Cleaner
from services.transcoder.usecases.job_handler import JobHandler
from services.transcoder.usecases.processing import Processor
from services.transcoder.usecases.report import Reporter
from services.transcoder.usecases.repository import JobRepository
from services.transcoder.usecases.sniffing import Sniffer


def build(settings: Settings, store: ObjectStore) -> Service:
    """Raises SandboxUnavailableError where `sandbox` is `strict` and this machine has no namespaces for us.

    From here on nobody but root may look into this process.
    """
    hide_from_children()
    outbox = Outbox(service_database(settings, "transcoder"), Wakeups())
    workspace, sandbox = Workspace(settings.work_dir), Sandbox(settings.sandbox)
    programs, reporter = preload(sandbox), Reporter(outbox)
    processor = Processor(
        store,
        reporter,
        workspace,
        Inspector(programs, settings.transcoder_max_pixels),
        ImageInspector(programs, settings.transcoder_max_image_pixels),
        _transcoder(settings, sandbox),
    )
    loops = _loops(settings, outbox, store, reporter, processor)
    return Service(name="transcoder", outbox=outbox, handlers=HANDLERS, loops=loops, resources=[store, workspace, programs])


def _loops(settings: Settings, outbox: Outbox, store: ObjectStore, reporter: Reporter, processor: Processor) -> dict[str, Loop]:
    lease_seconds = settings.transcoder_lease_seconds
    cleaner = Cleaner(outbox, store, forget_age=timedelta(days=settings.transcoder_forget_days))
    lanes: tuple[tuple[Lane, int], ...] = (("quick", settings.transcoder_quick_jobs), ("video", settings.transcoder_jobs))
    loops = {"sniff": sniffing(outbox, JobRepository(outbox, "sniff", lease_seconds), Sniffer(store, lease_seconds / 2))}
    for lane, slots in lanes:
        jobs = JobRepository(outbox, lane, lease_seconds)
        loops[lane] = processing(outbox, jobs, JobHandler(store, jobs, reporter, processor), slots)
    return loops | cleaning(outbox, cleaner) | {"count": counting(outbox)}


def _transcoder(settings: Settings, sandbox: Sandbox) -> Transcoder:
    limits = Limits(
        wall_seconds=settings.transcoder_max_seconds,
        memory_bytes=settings.transcoder_max_memory_bytes,
        cpu_seconds=int(settings.transcoder_max_seconds * settings.transcoder_threads * 2),
        file_bytes=settings.transcoder_max_output_bytes,
    )
    return Transcoder(
        sandbox=sandbox,
        program=Path(imageio_ffmpeg.get_ffmpeg_exe()),
        limits=limits,
        threads=settings.transcoder_threads,
        max_pixels=settings.transcoder_max_pixels,
        max_duration_seconds=settings.transcoder_max_duration_seconds,
        max_output_bytes=settings.transcoder_max_output_bytes,
    )
