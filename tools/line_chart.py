"""A line chart as PNG without any library: curves over one pair of axes, with the largest value of each axis written out. For the tools."""
import struct
import zlib

WIDTH, HEIGHT, MARGIN, SCALE = 960, 480, 60, 3
PALETTE = ((255, 255, 255), (0, 0, 0), (220, 220, 220), (31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189))
WHITE, BLACK, GREY, FIRST = 0, 1, 2, 3
GLYPHS = {
    "0": ("111", "101", "101", "101", "111"), "1": ("010", "110", "010", "010", "111"), "2": ("111", "001", "111", "100", "111"),
    "3": ("111", "001", "111", "001", "111"), "4": ("101", "101", "111", "001", "001"), "5": ("111", "100", "111", "001", "111"),
    "6": ("111", "100", "111", "101", "111"), "7": ("111", "001", "010", "010", "010"), "8": ("111", "101", "111", "101", "111"),
    "9": ("111", "101", "111", "001", "111"),
}


def draw(curves: list[list[tuple[float, float]]]) -> bytes:
    """The picture of some curves of (x, y) points, both from 0 on; the first is blue, then red, green, purple."""
    pixels = [bytearray(WIDTH) for _ in range(HEIGHT)]
    far, high = (max((point[axis] for curve in curves for point in curve), default=0) or 1 for axis in (0, 1))
    bottom, right = HEIGHT - MARGIN, WIDTH - MARGIN
    for quarter in range(5):
        y = round(bottom - (bottom - MARGIN) * quarter / 4)
        _line(pixels, (MARGIN, y), (right, y), GREY if quarter else BLACK)
        _write(pixels, 4, y - 7, str(round(high * quarter / 4)))
    _line(pixels, (MARGIN, MARGIN), (MARGIN, bottom), BLACK)
    _write(pixels, right - 40, bottom + 10, str(round(far)))
    for number, curve in enumerate(curves):
        places = [(round(MARGIN + (right - MARGIN) * x / far), round(bottom - (bottom - MARGIN) * y / high)) for x, y in curve]
        for start, end in zip(places, places[1:], strict=False):
            _line(pixels, start, end, FIRST + number % (len(PALETTE) - FIRST))
    return _png(pixels)


def _line(pixels, start, end, colour) -> None:
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for step in range(steps + 1):
        x = round(start[0] + (end[0] - start[0]) * step / steps)
        y = round(start[1] + (end[1] - start[1]) * step / steps)
        pixels[y][x] = colour


def _write(pixels, x, y, text) -> None:
    for letter in text:
        for down, row in enumerate(GLYPHS[letter]):
            for along, bit in enumerate(row):
                if bit == "1":
                    for offset in range(SCALE):
                        pixels[y + down * SCALE + offset][x + along * SCALE:x + (along + 1) * SCALE] = bytes([BLACK]) * SCALE
        x += 4 * SCALE


def _png(pixels) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0)
    palette = b"".join(bytes(colour) for colour in PALETTE)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"PLTE", palette) + chunk(
        b"IDAT", zlib.compress(b"".join(b"\0" + bytes(row) for row in pixels), 9)) + chunk(b"IEND", b"")
