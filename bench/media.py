"""`python -m bench.media`: what renditions and images cost in CPU, each beside the least that makes the same, in one run.

A video: inspection and transcoding as the transcoder does them, beside one plain ffmpeg command with the same outputs. Images:
inspection with thumbnail, and a derived image, each in a confined process, beside the same work in this process.
Only the ratios mean something; the machine's figures drift.
"""

import argparse
import asyncio
import resource
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Final

import imageio_ffmpeg
import pyvips

from libs.image import DECODERS, VARIABLES
from libs.media_type.content import Content, sniff_file
from libs.sandbox.preloaded import PreloadedPrograms
from libs.sandbox.sandbox import Limits, Sandbox
from services.gateway.domain.image.parsing import parse_operations
from services.gateway.files import image as gateway
from services.gateway.files import image_child as derivation
from services.transcoder.adapters import image_child as inspection
from services.transcoder.adapters import program
from services.transcoder.adapters.image_facts import read_facts
from services.transcoder.adapters.image_inspector import THUMBNAIL_EDGE, ImageInspector
from services.transcoder.adapters.inspector import Inspector
from services.transcoder.adapters.transcoder import Transcoder
from services.transcoder.domain.ladder import Rung, Size, ladder

FFMPEG: Final = Path(imageio_ffmpeg.get_ffmpeg_exe())
LIMITS: Final = Limits(wall_seconds=600, memory_bytes=3 << 30, cpu_seconds=1200, file_bytes=1 << 30)
THREADS: Final = 2
MAX_PIXELS: Final = 100_000_000
SMALL: Final = "200 KB"
FULL_HD: Final = Size(1920, 1080)
PHOTOGRAPHS: Final = {SMALL: ((2000, 1500), 70), "12 MP": ((4000, 3000), 92)}
OPERATIONS: Final = "resize/400x/"
AIM_RATIO = 1.05
AIM_MS = 50
"""Of a small image; what a large one costs is its decoding."""


def cpu_seconds() -> float:
    """Of this process, and of all others that it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


# ---------------------------------------------------------------- video


async def compare_ladder(folder: Path, seconds: int, rounds: int) -> None:
    source = folder / "film.mp4"
    make_film(source, seconds)
    print(f"{'':26}{'plain CPU s':>13}{'ours CPU s':>12}{'ratio':>8}")
    pairs = []
    for number in range(rounds):
        began = cpu_seconds()
        await asyncio.to_thread(subprocess.run, plain(source, folder / f"plain-{number}"), check=True)
        between = cpu_seconds()
        await transcode(source, folder / f"ours-{number}")
        pairs.append((between - began, cpu_seconds() - between))
    ratio = median(ours / bare for bare, ours in pairs)
    bare, ours = (median(side) for side in zip(*pairs, strict=True))
    late = "" if ratio <= AIM_RATIO else f"  above {AIM_RATIO}"
    print(f"{f'ladder of 1080p, {seconds} s':26}{bare:13.2f}{ours:12.2f}{ratio:8.2f}{late}", flush=True)


def make_film(path: Path, seconds: int) -> None:
    """Of much detail and motion; tagged as BT.709, as cameras do it."""
    picture = f"mandelbrot=s=1920x1080:r=25:maxiter=300,trim=duration={seconds}"
    tags = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv")
    sound = ("-f", "lavfi", "-i", f"sine=d={seconds}")
    encoded = ("-preset", "ultrafast", "-pix_fmt", "yuv420p", *tags)
    subprocess.run([FFMPEG, "-v", "error", "-f", "lavfi", "-i", picture, *sound, *encoded, path], check=True)


def plain(source: Path, folder: Path) -> list[str]:
    """Anybody's command: each rung scaled and encoded once, packed as HLS and, the best one, as MP4; and a poster."""
    rungs = ladder(FULL_HD)
    for rung in rungs:
        (folder / "hls" / rung.name).mkdir(parents=True)
    scaled = ";".join(f"[in{n}]scale={rung.size.width}:{rung.size.height}[out{n}]" for n, rung in enumerate(rungs))
    inputs = "".join(f"[in{n}]" for n in range(len(rungs)))
    graph = f"[0:v]split={len(rungs) + 1}{inputs}[still];{scaled};[still]scale=1280:-2[poster]"
    variants = " ".join(rf"v\\:{n},a\\:{n},name\\:{rung.name}" for n, rung in enumerate(rungs))
    movie = rf"[select=v\\:0,a\\:0:movflags=+faststart]{folder}/video.mp4"
    hls = f"f=hls:bsfs/v=dump_extra:hls_time=4:hls_playlist_type=vod:hls_segment_filename={folder}/hls/%v/%05d.ts"
    return [
        str(FFMPEG), "-nostdin", "-v", "error", "-threads", str(THREADS), "-i", str(source), "-filter_complex", graph,
        "-map", "[poster]", "-frames:v", "1", "-update", "1", f"{folder}/poster.jpg",
        *[word for number, rung in enumerate(rungs) for word in encoded(number, rung)],
        "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-crf", "23", "-threads:v", str(THREADS),
        "-flags:v", "+global_header", "-force_key_frames", "expr:gte(t,n_forced*4)", "-sc_threshold", "0", "-c:a", "aac",
        "-f", "tee", f"{movie}|[{hls}:var_stream_map={variants}]{folder}/hls/%v/index.m3u8",
    ]  # fmt: skip


def encoded(number: int, rung: Rung) -> list[str]:
    rate = [f"-maxrate:v:{number}", f"{rung.video_kbps}k", f"-bufsize:v:{number}", f"{rung.video_kbps * 2}k"]
    return ["-map", f"[out{number}]", *rate, "-map", "0:a", f"-b:a:{number}", f"{rung.audio_kbps}k"]


async def transcode(source: Path, folder: Path) -> None:
    sandbox = Sandbox("auto")
    programs = program.preload(sandbox)
    found = await Inspector(programs, MAX_PIXELS).media(source, sniffed(source))
    await programs.close()
    assert found.video is not None
    transcoder = Transcoder(
        sandbox=sandbox, program=FFMPEG, limits=LIMITS, threads=THREADS, max_pixels=MAX_PIXELS,
        max_duration_seconds=3600, max_output_bytes=1 << 30,
    )  # fmt: skip
    await asyncio.to_thread(folder.mkdir)
    await transcoder.run(
        source, folder, found.video, segment_prefix="", on_percent=lambda _percent: None, on_growth=lambda: None
    )


def sniffed(path: Path) -> Content:
    with path.open("rb") as file:
        return sniff_file(file)


# ---------------------------------------------------------------- images


async def compare_images(folder: Path, count: int) -> None:
    pyvips.cache_set_max(0)  # a confined process has never seen the file before, either
    print(f"{'':26}{'in place ms':>13}{'ours ms':>12}{'ratio':>8}")
    for name, (size, quality) in PHOTOGRAPHS.items():
        photograph = folder / f"{name}.jpg"
        make_photograph(photograph, size, quality)
        for work, bare, ours in (
            ("inspected", inspect_in_place, inspect),
            (f"{OPERATIONS.split('/')[1].rstrip('x')} px", derive_in_place, derive),
        ):
            in_place = await asyncio.to_thread(cost_in_place, bare, photograph, count)
            confined = await cost_confined(ours, photograph, count)
            late = "" if confined <= AIM_MS or name != SMALL else f"  above {AIM_MS} ms"
            label = f"{name} ({photograph.stat().st_size >> 10} KiB), {work}"
            print(f"{label:26}{in_place:13.1f}{confined:12.1f}{confined / in_place:8.2f}{late}", flush=True)


def make_photograph(path: Path, size: tuple[int, int], quality: int) -> None:
    """Surfaces, edges and the noise of a sensor."""
    bands = [pyvips.Image.perlin(*size, cell_size=cell).linear(60, 120) for cell in (64, 100, 150)]
    noise = pyvips.Image.gaussnoise(*size, sigma=4, mean=0)
    picture = bands[0].bandjoin(bands[1:]) + noise
    picture.cast("uchar").copy(interpretation="srgb").jpegsave(str(path), Q=quality)


def cost_in_place(work: Callable[[Path], object], photograph: Path, count: int) -> float:
    """Milliseconds of CPU for each one."""
    work(photograph)
    began = cpu_seconds()
    for _ in range(count):
        work(photograph)
    return (cpu_seconds() - began) / count * 1e3


async def cost_confined(work: Callable[[PreloadedPrograms, Path], Awaitable[object]], photograph: Path, count: int) -> float:
    """The same; what the start of the fork server costs is the same for a few and for many, and is left out."""
    few, many = [await cost_of_all(work, photograph, number) for number in (1, 1 + count)]
    return (many - few) / count * 1e3


async def cost_of_all(work: Callable[[PreloadedPrograms, Path], Awaitable[object]], photograph: Path, count: int) -> float:
    programs = PreloadedPrograms(Sandbox("auto"), (program.IMAGE, gateway.PROGRAM, *DECODERS), VARIABLES)
    began = cpu_seconds()
    for _ in range(count):
        await work(programs, photograph)
    await programs.close()
    return cpu_seconds() - began


def inspect_in_place(photograph: Path) -> None:
    read_facts(str(photograph), "jpeg")
    inspection.make_thumbnail(str(photograph), "jpeg", MAX_PIXELS, THUMBNAIL_EDGE, str(photograph.parent))


async def inspect(programs: PreloadedPrograms, photograph: Path) -> None:
    found = await ImageInspector(programs, MAX_PIXELS).run(photograph, sniffed(photograph), photograph.parent)
    assert found.thumbnail is not None


def derive_in_place(photograph: Path) -> None:
    derivation.make({
        "path": str(photograph), "picture": "jpeg", "operations": OPERATIONS, "accepts_webp": False,
        "max_pixels": MAX_PIXELS, "result": str(photograph.with_name("result")),
    })  # fmt: skip


async def derive(programs: PreloadedPrograms, photograph: Path) -> None:
    maker = gateway.ImageMaker(programs, LIMITS, MAX_PIXELS, max_result_bytes=1 << 30)
    transformation = parse_operations(OPERATIONS).transformation
    await maker.make(photograph, "jpeg", transformation, accepts_webp=False)


async def measure(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="bench-") as folder:
        await compare_images(Path(folder), arguments.images)
        await compare_ladder(Path(folder), arguments.seconds, arguments.rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=10, help="of the film")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None, help="where the files go; default a temporary folder")
    asyncio.run(measure(parser.parse_args()))
