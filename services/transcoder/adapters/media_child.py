"""Opens one video or audio file and says what it is, as JSON. Runs in the sandbox, by path.

`python -I media_child.py <file> <demuxer> <max pixels>`
Only the given demuxer may read it, from this one file. The first frame of the first video and audio stream must decode.
Errors: `{"error": "unreadable" | "too_large"}`; details go to stderr.
"""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import av

PROBE = {
    "protocol_whitelist": "file", "probesize": "5000000", "analyzeduration": "5000000", "max_streams": "32",
    "max_probe_packets": "2500",
}  # fmt: skip
MAX_PACKETS = 5000
"""Read in search of a first frame, and to measure rates that the container does not tell."""
MAX_MEASURED_BYTES = 32 << 20


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
        rate = container.bit_rate or None
        untold = {stream.index: Tally() for stream in (*videos, *sounds) if told_rate(stream, rate) is None}
        frames = first_frames(container, [*videos[:1], *sounds[:1]], untold)
        if not frames or (videos and videos[0].index not in frames):
            return {"error": "unreadable"}
        rates = {stream.index: told_rate(stream, rate) for stream in (*videos, *sounds)}
        rates |= {index: tally.rate for index, tally in untold.items()}
        return {
            "duration_seconds": duration(container),
            "bitrate_bps": rate,
            "video": [video(stream, frames.get(stream.index)) | {"bitrate_bps": rates[stream.index]} for stream in videos],
            "audio": [sound(stream) | {"bitrate_bps": rates[stream.index]} for stream in sounds],
        }


def is_moving(stream: Any) -> bool:
    """Cover art is a video stream to ffmpeg, not to anybody else."""
    return stream.codec_context is not None and not stream.disposition & av.stream.Disposition.attached_pic


class Tally:
    """Bytes and times of one stream's packets, as far as they were read."""

    def __init__(self) -> None:
        self.size = 0
        self._times: list[float] = []

    def add(self, packet: Any) -> None:
        self.size += packet.size
        if packet.pts is not None:
            self._times.append(float(packet.pts * packet.time_base))

    @property
    def rate(self) -> int | None:
        """Bits per second; None of fewer than two packets."""
        span = max(self._times) - min(self._times) if len(self._times) > 1 else 0
        seconds = span * len(self._times) / (len(self._times) - 1) if span else 0  # the last packet lasts a while, too
        return round(self.size * 8 / seconds) if seconds else None


def told_rate(stream: Any, container_rate: int | None) -> int | None:
    """What the container says of a stream, unless that is more than all streams have together (a limit, or a nominal rate)."""
    told = stream.bit_rate
    return None if not told or (container_rate and told > container_rate) else int(told)


def first_frames(container: Any, wanted: list[Any], untold: dict[int, Tally]) -> dict[int, Any]:
    """The first frame that decodes of each wanted stream, by index; those that have none are missing.

    Packets of the streams in `untold` are counted on the way, and a while longer.
    """
    frames: dict[int, Any] = {}
    for stream in wanted:
        stream.codec_context.thread_count = 1
    missing = {stream.index for stream in wanted}
    read = [stream for stream in container.streams if stream.index in missing or stream.index in untold]
    for count, packet in enumerate(packets(container, read, lambda: not missing)):
        index = packet.stream.index
        if index in untold:
            untold[index].add(packet)
        if index in missing and (decoded := first_frame(packet)):
            frames[index] = decoded[0]
            missing.remove(index)
        is_measured = not untold or sum(tally.size for tally in untold.values()) > MAX_MEASURED_BYTES
        if (is_measured and not missing) or count > MAX_PACKETS:
            break
    return frames


def packets(container: Any, streams: list[Any], is_enough: Callable[[], bool]) -> Iterator[Any]:
    """In the file's order; damage further on ends them once there is enough."""
    try:
        yield from container.demux(streams)
    except av.error.FFmpegError:
        if not is_enough():
            raise


def first_frame(packet: Any) -> list[Any]:
    try:
        return list(packet.decode()[:1])
    except av.error.InvalidDataError:
        return []


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
        "pixel_ratio": float(ratio) if ratio and 0.1 < ratio < 10 else 1.0,
    }


def sound(stream: Any) -> dict[str, Any]:
    context = stream.codec_context
    return {
        "index": stream.index,
        "codec": context.codec.canonical_name,
        "channels": context.channels or None,
        "sample_rate_hz": context.sample_rate or None,
    }


if __name__ == "__main__":
    main()
