"""What of a robosuite model is to be seen: its visible parts, as text of MuJoCo's XML."""

from collections.abc import Iterator
from xml.etree import ElementTree as ET

HIDDEN = "3"  # A group that is not drawn.
COLLIDING = "0"  # robosuite's group of the shapes that only touch.
# Bodies that hint at something: ghosts of objects in their bins, targets of its remote controls.
HINTS = ("Visual", "left_eef_target", "right_eef_target")


def visible(xml: str) -> str:
    """Hide what robosuite's cameras do not show, and what is no thing: sites and ghosts."""
    root = ET.fromstring(xml)
    colliding = [geom for geom in root.iter("geom") if geom.get("group", "0") == COLLIDING]
    for compiler in root.iter("compiler"):  # Masses are those of the shapes that touch, else none.
        compiler.set("inertiagrouprange", "0 5")
    for element in (*colliding, *root.iter("site"), *_hints(root)):
        element.set("group", HIDDEN)
    return ET.tostring(root, encoding="unicode")


def _hints(root: ET.Element) -> Iterator[ET.Element]:
    for body in root.iter("body"):
        if body.get("name", "").startswith(HINTS):
            yield from body.iter("geom")
