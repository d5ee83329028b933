"""What a page or picture must be to count as one."""

import io
import re

import imageio.v3 as iio

FETCHED = re.compile(  # What a page would fetch from elsewhere.
    r"<(script|link|img|iframe|video|source)[^>]+(src|href)\s*=\s*[\"']?(https?:)?//"
)


def assert_varied(png: bytes) -> None:
    """Assert that a PNG shows something."""
    assert png.startswith(b"\x89PNG\r\n")
    picture = iio.imread(io.BytesIO(png))
    assert min(picture.shape[:2]) > 100
    assert picture[..., :3].std() > 5
