"""Thumbnails of the pictures that staff upload."""

from io import BytesIO
from typing import IO

from PIL import Image, ImageOps

SIZE = (480, 480)


def thumbnail(picture: IO[bytes]) -> bytes:
    """A JPEG of 480 by 480 pixels, cut to the middle."""
    with Image.open(picture) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
        file = BytesIO()
        ImageOps.fit(upright, SIZE, Image.Resampling.LANCZOS).save(file, "JPEG", quality=85)
    return file.getvalue()
