"""Opens one video or audio file and says what it is, as JSON. Runs in the sandbox, preloaded.

Arguments: `<file> <demuxer> <max pixels> <bytes to skip>`
Only the given demuxer may read it, from this one file, which is read to its end: containers often do not know how long
their streams are, and what they say of all streams together does not hold for those that are used. The used streams are
the first video and the first audio stream of which a frame can be decoded; a video stream must be decodable.
Errors: `{"error": "unreadable" | "too_large"}`; details go to stderr.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av

PROBE = {
    "protocol_whitelist": "file", "probesize": "5000000", "analyzeduration": "5000000", "max_streams": "1000",
    "max_probe_packets": "2500",
}  # fmt: skip
MAX_DECODED_PACKETS = 5000
"""Of one stream, in search of its first frame."""
MAX_GAP_SECONDS = 10
"""A larger step between the timestamps of a broadcast is a new clock, not a pause; ffmpeg's `-dts_delta_threshold`."""
MAX_TORN_PACKETS = 2
"""So many packets a demuxer may make of the bytes that it read last."""
MAX_FIRST_TIMES = 1000
"""Whose times are answered: some seconds, as posters are not taken from the end."""
DEFAULT_RATE = 25
FULL_RANGE = 2
"""`AVCOL_RANGE_JPEG` of libavutil/pixfmt.h."""


def main() -> None:
    path, demuxer, max_pixels, skipped_bytes = sys.argv[1:5]
    try:
        answer = inspect(path, demuxer, int(max_pixels), int(skipped_bytes))
    except MemoryError:
        answer = {"error": "too_large"}
    except Exception as error:  # the file's fault
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        answer = {"error": "unreadable"}
    json.dump(answer, sys.stdout)


def inspect(path: str, demuxer: str, max_pixels: int, skipped_bytes: int = 0) -> dict[str, Any]:
    whitelist = av.ContainerFormat(demuxer, "r").name
    options = {**PROBE, "format_whitelist": whitelist, "skip_initial_bytes": str(skipped_bytes)}
    with av.open(path, format=demuxer, options=options) as container:
        videos = [stream for stream in container.streams.video if is_moving(stream)]
        sounds = [stream for stream in container.streams.audio if stream.codec_context is not None]
        if any(stream.codec_context.width * stream.codec_context.height > max_pixels for stream in videos):
            return {"error": "too_large"}
        tracks = {stream.index: Track(stream) for stream in container.streams}
        declared = declared_ends(container, demuxer)
        read(container, tracks, [*videos[:1], *sounds])
        used = [tracks[stream.index] for stream in videos[:1]]
        used += [track for track in (tracks[stream.index] for stream in sounds) if track.frame is not None][:1]
        if not used or used[0].frame is None:
            return {"error": "unreadable"}
        return {
            **timing(container, used, container.size - skipped_bytes),
            "is_cut_off": is_cut_off(container, demuxer, used if demuxer == "mov" else [*tracks.values()], declared),
            "video": [video(stream, tracks[stream.index]) for stream in videos],
            "audio": [sound(stream, tracks[stream.index]) for stream in sounds],
            "picture": used_picture(used) if videos else None,
            "sound": used_sound(used) if used[-1].stream in sounds else None,
        }


def is_moving(stream: Any) -> bool:
    """Cover art is a video stream to ffmpeg, not to anybody else."""
    return stream.codec_context is not None and not stream.disposition & av.stream.Disposition.attached_pic


# ---------------------------------------------------------------- reading


class Track:
    """What the packets of one stream say: how many bytes, and from when to when, in seconds of the file's clock."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.frame: Any = None
        """The first one that decodes."""
        self.size = self.packets = 0
        self.first_times: list[float] = []
        """When the first packets are shown, in the file's order."""
        self.start: float | None = None
        self.end: float | None = None
        self._torn_at: int | None = None
        self._has_clocks = bool(stream.container.format.flags & av.format.Flags.ts_discont.value)
        self._shift = 0.0
        self._expected: float | None = None

    def add(self, packet: Any) -> None:
        self.size += packet.size
        self.packets += 1
        if packet.is_corrupt:
            self._torn_at = self.packets
        shown = packet.dts if packet.pts is None else packet.pts
        if shown is None or packet.is_discard:
            return
        time, lasts = float(shown * packet.time_base), float((packet.duration or 0) * packet.time_base)
        if self._has_clocks:
            decoded = shown if packet.dts is None else packet.dts
            time += self._on_one_clock(float(decoded * packet.time_base), lasts)
        if len(self.first_times) < MAX_FIRST_TIMES:
            self.first_times.append(time)
        self.start = time if self.start is None else min(self.start, time)
        self.end = time + lasts if self.end is None else max(self.end, time + lasts)

    def _on_one_clock(self, time: float, lasts: float) -> float:
        """What is to be added to times; broadcasts and spliced recordings change their clocks on the way."""
        if self._expected is not None and abs(time + self._shift - self._expected) > MAX_GAP_SECONDS:
            self._shift = self._expected - time
        self._expected = time + self._shift + lasts
        return self._shift

    @property
    def is_torn(self) -> bool:
        """The last bytes of the stream are less than they should be."""
        return self._torn_at is not None and self.packets - self._torn_at <= MAX_TORN_PACKETS

    @property
    def seconds(self) -> float:
        return (self.end or 0) - (self.start or 0)

    @property
    def rate(self) -> int | None:
        """Bits per second."""
        return round(self.size * 8 / self.seconds) if self.seconds > 0 else None


def read(container: Any, tracks: dict[int, Track], wanted: list[Any]) -> None:
    """Adds every packet to its track, and the first frame that decodes to each track that is `wanted`."""
    missing = {stream.index for stream in wanted}
    for stream in wanted:
        stream.codec_context.thread_count = 1
    for packet in packets(container):
        index = packet.stream_index
        track = tracks[index]
        if index in missing:
            track.frame = first_frame(packet)
            if track.frame is not None or track.packets >= MAX_DECODED_PACKETS:
                missing.remove(index)
        if packet.size or packet.pts is not None:
            track.add(packet)


def packets(container: Any) -> Iterator[Any]:
    """In the file's order, an empty one of each stream last. Damage ends them: what comes before it counts."""
    with damage_ignored():
        yield from container.demux()


def first_frame(packet: Any) -> Any:
    with damage_ignored():
        return next(iter(packet.decode()), None)
    return None


@contextmanager
def damage_ignored() -> Iterator[None]:
    try:
        yield
    except av.error.MemoryError:
        raise
    except av.error.FFmpegError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")


# ---------------------------------------------------------------- is it whole


def declared_ends(container: Any, demuxer: str) -> dict[int, float]:
    """When the container says that its streams end, by index; empty where that would be an estimate."""
    if demuxer == "matroska":  # which tells of all together
        return {stream.index: float(container.duration or 0) / av.time_base for stream in container.streams}
    if demuxer == "mov":
        return {
            stream.index: float(((stream.start_time or 0) + stream.duration) * stream.time_base)
            for stream in container.streams
            if stream.duration
        }
    return {}


def is_cut_off(container: Any, demuxer: str, tracks: list[Track], declared: dict[int, float]) -> bool:
    """True where packets of `tracks` are missing, or not whole."""
    if any(track.is_torn or (demuxer == "mov" and index_end(track.stream) > container.size) for track in tracks):
        return True
    held = max(track.end or 0 for track in tracks)
    return held < max((declared.get(track.stream.index, 0) for track in tracks), default=0) * 0.9 - 1


def index_end(stream: Any) -> int:
    """Behind the last byte that the container's index of the stream refers to; 0 without one."""
    return max((entry.pos + entry.size for entry in stream.index_entries), default=0)


# ---------------------------------------------------------------- answers


def timing(container: Any, used: list[Track], size: int) -> dict[str, Any]:
    """The times of the used streams together, in seconds, and what the file of `size` bytes takes per second."""
    start = beginning(used)
    seconds = max(track.end or 0 for track in used) - start
    if seconds <= 0:
        seconds = float(container.duration or 0) / av.time_base
    return {
        "start_seconds": round(start - origin(container), 3),
        "duration_seconds": round(seconds, 3) if seconds > 0 else None,
        "bitrate_bps": round(size * 8 / seconds) if seconds > 0 else None,
    }


def beginning(used: list[Track]) -> float:
    """When the first of the used streams begins. What encoders put before the sound is not used_sound."""
    container = used[0].stream.container
    return max(origin(container), min((track.start for track in used if track.start is not None), default=0.0))


def origin(container: Any) -> float:
    """Where ffmpeg begins to count: at the beginning of the stream that is first."""
    return float(container.start_time or 0) / av.time_base


def video(stream: Any, track: Track) -> dict[str, Any]:
    context = stream.codec_context
    rate = stream.average_rate or stream.guessed_rate
    return {
        "codec": context.codec.canonical_name,
        "width": context.width,
        "height": context.height,
        "frame_rate": round(float(rate), 3) if rate and 0 < rate < 1000 else None,
        "rotation": int(-track.frame.rotation) % 360 if track.frame is not None else 0,
        "bitrate_bps": track.rate,
    }


def sound(stream: Any, track: Track) -> dict[str, Any]:
    context = stream.codec_context
    return {
        "codec": context.codec.canonical_name,
        "channels": context.channels or None,
        "sample_rate_hz": context.sample_rate or None,
        "bitrate_bps": track.rate,
    }


def used_picture(used: list[Track]) -> dict[str, Any]:
    """What else is to be known of the video stream that is used, which is the first."""
    track = used[0]
    stream, frame = track.stream, track.frame
    ratio, rate = stream.sample_aspect_ratio, stream.guessed_rate
    return {
        "index": stream.index,
        "end_seconds": round((track.end or 0) - beginning(used), 3),
        "frames": track.packets,
        "first_times": [round(time - beginning(used), 6) for time in track.first_times],
        "frame_rate": str(rate if rate and rate > 0 else DEFAULT_RATE),
        "pixel_ratio": float(ratio) if ratio and 0.1 < ratio < 10 else 1.0,
        "color": {
            "matrix": 0 if frame.format.is_rgb else int(frame.colorspace),
            "primaries": int(frame.color_primaries),
            "transfer": int(frame.color_trc),
            "is_full_range": frame.format.is_rgb or int(frame.color_range) == FULL_RANGE,
        },
    }


def used_sound(used: list[Track]) -> dict[str, Any]:
    """What else is to be known of the audio stream that is used, which is the last."""
    track = used[-1]
    return {
        "index": track.stream.index,
        "end_seconds": round((track.end or 0) - beginning(used), 3),
        "channels": track.stream.codec_context.channels or None,
    }
