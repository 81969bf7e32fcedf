"""The gateway's composition root."""

from collections.abc import Sequence
from datetime import timedelta
from math import ceil

from libs.egress.policy import Policy, parse_networks
from libs.jobs.timer import repeated
from libs.object_store.capability import KeepsFiles, SignsReads
from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox
from libs.runtime.database import service_database
from libs.runtime.secret import SecretBox
from libs.runtime.service import Loop, Service
from libs.runtime.single_flight import SingleFlight
from libs.runtime.wakeup import Wakeups
from libs.sandbox.preloaded import PreloadedPrograms
from libs.sandbox.sandbox import Limits as SandboxLimits
from libs.sandbox.sandbox import Sandbox
from libs.sandbox.secrecy import hide_from_children
from libs.sandbox.workspace import Workspace
from libs.web.docs import documentation
from libs.web.server import application
from libs.web.signed_link import PURPOSE, LinkSigner
from services.gateway.auth import Authenticator, Operators
from services.gateway.bearer import Bearers, TokenRules, default_secrets
from services.gateway.bootstrap import Bootstrap
from services.gateway.deps import Clock, Deps, Limits, utc_now
from services.gateway.dialects.eachlabs import routes as eachlabs
from services.gateway.dialects.json2video import routes as json2video
from services.gateway.dialects.medialab import routes as medialab
from services.gateway.dialects.upload24 import routes as upload24
from services.gateway.dialects.uploadcare import routes as uploadcare
from services.gateway.dialects.uploadcare.rest import routes as uploadcare_rest
from services.gateway.dialects.uploadcare.rest.news import announcer
from services.gateway.files import cdn
from services.gateway.files import routes as files
from services.gateway.files.caching import CachePolicy
from services.gateway.files.derived import Derivatives
from services.gateway.files.image import ImageMaker, preload
from services.gateway.files.lookup import FileLookup
from services.gateway.files.object_cache import SMALL_BYTES, ObjectCache
from services.gateway.files.offload import AccelRedirect, StoreRedirect
from services.gateway.files.routes import FileDelivery
from services.gateway.files.send import FileSender
from services.gateway.files.transfer import FromFile, Streamed, Transfer
from services.gateway.files.uploadcare import UploadcareFiles
from services.gateway.handlers import handlers
from services.gateway.jobs import (
    HISTORY_PAUSE_SECONDS,
    PAUSE_SECONDS,
    ExpireSubmissions,
    FoldUsage,
    ForgetBatches,
    PurgeDeliveryLog,
    PurgeHistory,
    TimelineDays,
)
from services.gateway.platform import accounts, containers, projects, watch_folders, webhook_endpoints
from services.gateway.platform import routes as platform
from services.gateway.projects import Projects
from services.gateway.settings import Settings
from services.gateway.store.private_token import holder_of_private_token
from services.gateway.usecases.register import Registrar
from services.gateway.usecases.submit import Submitter

VERSION = "0.1.0"
DESCRIPTION = """\
Uploads through published APIs and the platform's own. Every answer carries `X-Request-Id`, the request's W3C trace id;
each API keeps its own error shape. An upload's bytes go by `PUT` to the signed URL that its registration answers."""


def build(settings: Settings, store: ObjectStore, *, clock: Clock = utc_now) -> Service:
    """From here on nobody but root may look into this process.

    Raises ValueError when a setting without a default is missing, SandboxUnavailableError where `sandbox` is `strict` and
    this machine has no namespaces for us.
    """
    if settings.secret_key is None:
        raise ValueError("LONGSHORE_SECRET_KEY is required")
    hide_from_children()
    database = service_database(settings, "gateway")
    outbox = Outbox(database, Wakeups())
    secrets_box = SecretBox(settings.secret_key.get_secret_value())
    deps = dependencies(settings, outbox, secrets_box, store, clock)
    bootstrap = Bootstrap(
        outbox,
        secrets_box,
        deps.bearers,
        settings.data_dir / "credentials.json",
        base_url=settings.public_base_url,
        ops_url=f"http://{settings.ops_host}:{settings.ops_port}",
        max_file_size_bytes=settings.gateway_max_upload_bytes,
        watch_root=settings.watch_root,
        recovers=settings.gateway_recover_credentials,
    )
    lookup = FileLookup(database)
    objects = object_cache(settings, store)
    sender = FileSender(objects, transfer(settings, store), CachePolicy(settings.gateway_cache_seconds))
    links = LinkSigner(settings.public_base_url, secrets_box.derived(PURPOSE))
    public = UploadcareFiles(lookup)
    image_programs = preload(Sandbox(settings.sandbox))
    images = derivatives(settings, store, objects, public, image_programs)
    operated = (projects, accounts, containers, watch_folders, webhook_endpoints)
    faces = (eachlabs, json2video, medialab, upload24, uploadcare, uploadcare_rest, platform, *operated)
    apis = [
        *(face.api(deps) for face in faces),
        files.api(FileDelivery(lookup, store, sender, links, clock)),
        cdn.api(settings.public_base_url, public, sender, images),
    ]
    return Service(
        name="gateway",
        outbox=outbox,
        handlers=handlers(announcer(settings.public_base_url), max_upload_bytes=settings.gateway_max_upload_bytes),
        loops=_loops(settings, outbox, clock),
        resources=(store, objects, bootstrap, image_programs, images),
        web=application([*apis, documentation(apis, title="Longshore", version=VERSION, description=DESCRIPTION)]),
    )


def _loops(settings: Settings, outbox: Outbox, clock: Clock) -> dict[str, Loop]:
    batches = ForgetBatches(outbox, clock, age=timedelta(days=settings.gateway_batch_forget_days))
    deliveries = PurgeDeliveryLog(outbox, retention=timedelta(days=settings.gateway_delivery_log_days))
    steps = {
        "fold-usage": FoldUsage(outbox).once,
        "expire-submissions": ExpireSubmissions(outbox, clock).once,
        "forget-batches": batches.once,
        "delivery-log": deliveries.once,
    }
    loops = {name: repeated(once, outbox.wakeups, name, PAUSE_SECONDS) for name, once in steps.items()}
    keep = None if settings.gateway_history_days is None else timedelta(days=settings.gateway_history_days)
    rare = {"timeline-days": TimelineDays(outbox, keep=keep).once}
    if keep is not None:
        rare["history"] = PurgeHistory(outbox, keep=keep).once
    return loops | {name: repeated(once, outbox.wakeups, name, HISTORY_PAUSE_SECONDS) for name, once in rare.items()}


def dependencies(settings: Settings, outbox: Outbox, secrets_box: SecretBox, store: ObjectStore, clock: Clock) -> Deps:
    cache_seconds = settings.gateway_key_cache_seconds
    return Deps(
        base_url=settings.public_base_url,
        outbox=outbox,
        auth=Authenticator(outbox.database, cache_seconds=cache_seconds),
        private_tokens=Authenticator(outbox.database, cache_seconds=cache_seconds, find=holder_of_private_token),
        bearers=Bearers(outbox.database, token_rules(settings, secrets_box), cache_seconds=cache_seconds),
        operators=Operators(outbox.database),
        projects=Projects(outbox.database, secrets_box, cache_seconds=cache_seconds),
        secrets_box=secrets_box,
        registrar=Registrar(outbox, store),
        submitter=Submitter(outbox),
        objects=store,
        egress=Policy(parse_networks(settings.egress_allow)),
        limits=Limits(
            max_upload_bytes=settings.gateway_max_upload_bytes,
            retention=timedelta(seconds=settings.gateway_retention_seconds),
            temporary=timedelta(seconds=settings.gateway_temporary_seconds),
            eachlabs_url=timedelta(seconds=settings.gateway_eachlabs_url_seconds),
            json2video_url=timedelta(seconds=settings.gateway_json2video_url_seconds),
            uploadcare_part_url=timedelta(seconds=settings.gateway_uploadcare_part_url_seconds),
            medialab_upload=timedelta(seconds=settings.gateway_medialab_upload_seconds),
            upload24_url=timedelta(seconds=settings.gateway_upload24_url_seconds),
            upload24_session=timedelta(seconds=settings.gateway_upload24_session_seconds),
            put_grace=timedelta(seconds=settings.gateway_put_grace_seconds),
            put_bytes_per_second=settings.gateway_put_bytes_per_second,
            free_allowance_bytes=settings.gateway_free_allowance_bytes,
            credits_per_week=settings.gateway_credits_per_week,
        ),
        scans=settings.clamd_url is not None,
        clock=clock,
    )


def token_rules(settings: Settings, secrets_box: SecretBox) -> TokenRules:
    secrets: Sequence[str | bytes] = settings.jwt_secrets
    if not secrets and settings.gateway_jwks_url is None:
        secrets = default_secrets(secrets_box)
    return TokenRules(settings.gateway_jwt_issuer, settings.gateway_jwt_audience, secrets, settings.gateway_jwks_url)


def object_cache(settings: Settings, store: ObjectStore) -> ObjectCache:
    """Where the store itself sends all bytes, none are held here."""
    small_bytes = 0 if settings.gateway_redirect_seconds else SMALL_BYTES
    return ObjectCache(store, max_bytes=settings.gateway_read_memory_bytes, small_bytes=small_bytes)


def transfer(settings: Settings, store: ObjectStore) -> Transfer:
    """Raises ValueError for a setting that this kind of store cannot follow."""
    if settings.gateway_redirect_seconds:
        if not isinstance(store, SignsReads):
            raise ValueError("LONGSHORE_GATEWAY_REDIRECT_SECONDS needs an S3 store; the disk store has no URLs to redirect to")
        return StoreRedirect(store, seconds=settings.gateway_redirect_seconds)
    if isinstance(store, KeepsFiles):
        from_file = FromFile(store, store)
        return AccelRedirect(settings.gateway_accel_location, from_file) if settings.gateway_accel_location else from_file
    if settings.gateway_accel_location:
        raise ValueError("LONGSHORE_GATEWAY_ACCEL_LOCATION needs the disk store; for S3 set LONGSHORE_GATEWAY_REDIRECT_SECONDS")
    return Streamed(store)


def derivatives(
    settings: Settings, store: ObjectStore, objects: ObjectCache, public: UploadcareFiles, programs: PreloadedPrograms
) -> Derivatives:
    seconds = settings.gateway_image_max_seconds
    maker = ImageMaker(
        programs,
        SandboxLimits(
            wall_seconds=seconds,
            memory_bytes=settings.gateway_image_max_memory_bytes,
            cpu_seconds=ceil(seconds * 2),
            file_bytes=settings.gateway_image_max_pixels * 8,
        ),
        max_pixels=settings.gateway_image_max_pixels,
        max_result_bytes=settings.gateway_image_max_result_bytes,
    )
    return Derivatives(
        store,
        Workspace(settings.work_dir),
        maker,
        SingleFlight(
            running=settings.gateway_image_jobs,
            waiting=settings.gateway_image_queue,
            of_one=settings.gateway_image_project_queue,
        ),
        max_source_bytes=settings.gateway_image_max_source_bytes,
        max_of_a_file=settings.gateway_image_max_variants,
        objects=objects,
        is_published=public.is_published,
    )
