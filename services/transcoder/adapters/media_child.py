"""Opens one video or audio file and says what it is, as JSON. Runs in the sandbox, by path.

`python -I media_child.py <file> <demuxer> <max pixels>`
Only the given demuxer may read it, from this one file. The first frame of the first video and audio stream must decode.
Errors: `{"error": "unreadable" | "too_large"}`; details go to stderr.
"""

import json
import sys
from typing import Any

import av

PROBE = {
    "protocol_whitelist": "file", "probesize": "5000000", "analyzeduration": "5000000", "max_streams": "32",
    "max_probe_packets": "2500",
}  # fmt: skip
MAX_PACKETS = 5000
"""Read in search of a first frame."""


def main() -> None:
    path, demuxer, max_pixels = sys.argv[1:4]
    try:
        answer = inspect(path, demuxer, int(max_pixels))
    except MemoryError:
        answer = {"error": "too_large"}
    except Exception as error:  # the file's fault
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        answer = {"error": "unreadable"}
    json.dump(answer, sys.stdout)


def inspect(path: str, demuxer: str, max_pixels: int) -> dict[str, Any]:
    with av.open(
        path, format=demuxer, options={**PROBE, "format_whitelist": av.ContainerFormat(demuxer, "r").name}
    ) as container:
        videos = [stream for stream in container.streams.video if is_moving(stream)]
        sounds = [stream for stream in container.streams.audio if stream.codec_context is not None]
        if not videos and not sounds:
            return {"error": "unreadable"}
        for stream in videos:
            if stream.codec_context.width * stream.codec_context.height > max_pixels:
                return {"error": "too_large"}
        frames = first_frames(container, [*videos[:1], *sounds[:1]])
        if not frames or (videos and videos[0].index not in frames):
            return {"error": "unreadable"}
        return {
            "duration_seconds": duration(container),
            "bitrate_bps": container.bit_rate or None,
            "video": [video(stream, frames.get(stream.index)) for stream in videos],
            "audio": [sound(stream) for stream in sounds],
        }


def is_moving(stream: Any) -> bool:
    """Cover art is a video stream to ffmpeg, not to anybody else."""
    return stream.codec_context is not None and not stream.disposition & av.stream.Disposition.attached_pic


def first_frames(container: Any, streams: list[Any]) -> dict[int, Any]:
    """The first frame that decodes of each stream, by index; those that have none are missing."""
    frames: dict[int, Any] = {}
    for stream in streams:
        stream.codec_context.thread_count = 1
    for count, packet in enumerate(container.demux(streams)):
        if packet.stream.index not in frames:
            try:
                frames.update((packet.stream.index, frame) for frame in packet.decode()[:1])
            except av.error.InvalidDataError:
                continue
        if len(frames) == len(streams) or count > MAX_PACKETS:
            break
    return frames


def duration(container: Any) -> float | None:
    if container.duration and container.duration > 0:
        return round(float(container.duration) / av.time_base, 3)
    known = [float(s.duration * s.time_base) for s in container.streams if s.duration and s.time_base]
    return round(max(known), 3) if known else None


def video(stream: Any, frame: Any) -> dict[str, Any]:
    context = stream.codec_context
    ratio = stream.sample_aspect_ratio
    rate = stream.average_rate or stream.guessed_rate
    return {
        "index": stream.index,
        "codec": context.codec.canonical_name,
        "width": context.width,
        "height": context.height,
        "frame_rate": round(float(rate), 3) if rate and 0 < rate < 1000 else None,
        "rotation": int(-frame.rotation) % 360 if frame is not None else 0,
        "bitrate_bps": stream.bit_rate or None,
        "pixel_ratio": float(ratio) if ratio and 0.1 < ratio < 10 else 1.0,
    }


def sound(stream: Any) -> dict[str, Any]:
    context = stream.codec_context
    return {
        "index": stream.index,
        "codec": context.codec.canonical_name,
        "channels": context.channels or None,
        "sample_rate_hz": context.sample_rate or None,
        "bitrate_bps": stream.bit_rate or None,
    }


if __name__ == "__main__":
    main()
