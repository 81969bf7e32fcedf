"""HLS playlists."""

from fractions import Fraction
from pathlib import Path

from services.transcoder.adapters.playlist import Variant, as_video_on_demand, growing_master, master, segment_names, segments
from services.transcoder.domain.ladder import Rung, Size

SPS = b"\x47\x40\x11" + bytes(9) + b"\0\0\0\1\x09\xf0\0\0\0\1\x67\x64\x00\x1f\xac"


def variant(folder: Path, lengths: dict[float, int]) -> Variant:
    """A playlist of segments so long and so large."""
    folder.mkdir()
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:4"]
    for number, (seconds, size) in enumerate(lengths.items()):
        (folder / f"{number:05}.ts").write_bytes(SPS.ljust(size, b"\xff"))
        lines += [f"#EXTINF:{seconds:.6f},", f"{number:05}.ts"]
    (folder / "index.m3u8").write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
    return Variant(folder / "index.m3u8", Rung("360p", Size(640, 360), 800, 96), Fraction(30000, 1001), has_sound=True)


def test_segments_have_a_length_and_a_file(tmp_path: Path) -> None:
    found = segments(variant(tmp_path / "360p", {4.0: 100, 1.5: 100}).playlist)

    assert [(segment.path.name, segment.seconds) for segment in found] == [("00000.ts", 4.0), ("00001.ts", 1.5)]


def test_the_master_playlist_tells_what_players_choose_by(tmp_path: Path) -> None:
    text = master([variant(tmp_path / "360p", {4.0: 400_000, 2.0: 250_000, 0.1: 50_000})], tmp_path)

    assert text.splitlines()[-2:] == [
        '#EXT-X-STREAM-INF:BANDWIDTH=1000000,AVERAGE-BANDWIDTH=918033,CODECS="avc1.64001f,mp4a.40.2",'
        "RESOLUTION=640x360,FRAME-RATE=29.970",
        "360p/index.m3u8",
    ]


def test_the_shortest_video_is_a_variant_too(tmp_path: Path) -> None:
    text = master([variant(tmp_path / "64p", {0.04: 1000})], tmp_path)

    assert "BANDWIDTH=200000,AVERAGE-BANDWIDTH=200000," in text


def test_while_it_grows_the_master_playlist_tells_the_most_that_may_come(tmp_path: Path) -> None:
    text = growing_master([variant(tmp_path / "360p", {4.0: 1000})], tmp_path)

    assert text.splitlines()[-2:] == [
        '#EXT-X-STREAM-INF:BANDWIDTH=1426000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=29.970',
        "360p/index.m3u8",
    ]


def test_a_playlist_that_has_grown_to_its_end_is_video_on_demand() -> None:
    segments = "#EXTINF:4.000000,\na-00000.ts\n#EXTINF:1.000000,\na-00001.ts\n"
    grown = f"#EXTM3U\n#EXT-X-PLAYLIST-TYPE:EVENT\n{segments}#EXT-X-ENDLIST\n"

    assert as_video_on_demand(grown) == grown.replace("EVENT", "VOD")
    assert segment_names(grown) == ["a-00000.ts", "a-00001.ts"]
