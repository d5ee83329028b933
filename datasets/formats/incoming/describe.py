"""Attributes of a converted store; the converter adds where its data comes from."""

from dataclasses import asdict
from typing import Any

from datasets.collection.making import Making, describe
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.provenance import as_json, source_commit, versions
from envs.config import EnvConfig, ViewConfig
from envs.make import make_simulator


def describe_drawn(env: EnvConfig, images: tuple[Any, ...], stored: StoreFormat) -> dict[str, Any]:
    """Describe clouds drawn from states as collecting would, so that they can be drawn again."""
    recorded = {"kind": "recorded"}
    making = Making(env, recorded, -1, images, stored.zarr_format, stored.error_mm)
    return describe(making, make_simulator(env))


def describe_seen(
    task: str, images: tuple[str, ...], stored: StoreFormat, view: ViewConfig | None
) -> dict[str, Any]:
    """Describe clouds that were recorded elsewhere.

    Cameras and frame are not recorded, but where a view says how real cameras' were made.
    """
    seen = {} if view is None else {"recorded_from": "cameras", "view": as_json(asdict(view))}
    return {
        "identity": {
            "task": task,
            "behaviour": {"kind": "recorded"},
            **seen,
            "seed": -1,
            "images": list(images),
            "zarr_format": stored.zarr_format,
            "error_mm": stored.error_mm,
        },
        "task": task,
        "frame": "as recorded",
        "units": "as recorded",
        "cameras": {},
        "model_edits": [],
        "versions": versions(),
        "source_commit": source_commit(),
    }
