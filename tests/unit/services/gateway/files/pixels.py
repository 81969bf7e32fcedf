"""Images of a few pixels in memory, and what becomes of them."""

from dataclasses import dataclass

import pyvips

from services.gateway.domain.image.action import Scale
from services.gateway.domain.image.parsing import parse_operations
from services.gateway.domain.image.value import Size
from services.gateway.files.image_pipeline import render

RED, GREEN, BLUE, WHITE, BLACK, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (100, 100, 100)
NOTHING = (0, 0, 0, 0)
Colour = tuple[int, ...]


@dataclass
class Opened:
    """An image in memory in place of a file, and how it was asked for."""

    picture: pyvips.Image
    scaled_to: Size | None = None

    @property
    def size(self) -> Size:
        return self.picture.width, self.picture.height

    def scaled(self, width: int, height: int) -> pyvips.Image:
        self.scaled_to = width, height
        return Scale(width, height).apply(self.picture)

    def image(self) -> pyvips.Image:
        return self.picture


def plain(colour: Colour, width: int = 8, height: int = 8) -> pyvips.Image:
    image = pyvips.Image.black(width, height, bands=len(colour)) + list(colour)
    return image.cast("uchar").copy(interpretation="srgb").copy_memory()


def quarters(edge: int = 4) -> pyvips.Image:
    """Red, green above blue, white; each of `edge` x `edge` pixels."""
    image = plain(WHITE, 2 * edge, 2 * edge)
    for colour, left, top in ((RED, 0, 0), (GREEN, edge, 0), (BLUE, 0, edge)):
        image = image.draw_rect(list(colour), left, top, edge, edge, fill=True)
    return image


def square(background: Colour = WHITE) -> pyvips.Image:
    """Red, of 20 x 10 pixels, in the middle of 60 x 30."""
    return plain(background, 60, 30).draw_rect([*RED, *[255] * (len(background) - 3)], 20, 10, 20, 10, fill=True)


def made(operations: str, image: pyvips.Image) -> pyvips.Image:
    return render(Opened(image), parse_operations(operations).transformation.steps).copy_memory()


def at(image: pyvips.Image, x: int, y: int) -> Colour:
    return tuple(round(value) for value in image.getpoint(x, y))


def size(image: pyvips.Image) -> Size:
    return image.width, image.height


def corners(image: pyvips.Image) -> list[Colour]:
    right, bottom = image.width - 1, image.height - 1
    return [at(image, 0, 0), at(image, right, 0), at(image, 0, bottom), at(image, right, bottom)]
