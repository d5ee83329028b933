"""Whether two results are equal: arrays and weights to the last bit, the rest as text or bytes."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zarr
from safetensors import safe_open

TIMES = {"seconds", "wall_time_s", "per_second"}  # What a log says beside its numbers.
SUM = "sha256"  # Of a checkpoint; over its seconds, too.
MAKER = {
    "source_commit",
    "description_crc32",
}  # Which code made a store, and the sum over that too.
UNTOLD = (".lock", ".partial", ".half")


def contents(path: Path) -> dict[str, bytes]:
    """Give what a result holds, by name; what differs from run to run is left out.

    Left out are TensorBoard's files, training states (they hold seconds), pages and pictures (they
    are drawn from the rest), and locks.
    """
    if path.is_file():
        return _of_file(path)
    if (path / ".zgroup").exists() or (path / "zarr.json").exists():
        return _of_zarr(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    kept = [file for file in files if "tensorboard" not in file.parts]
    return {f"{f.relative_to(path)}{n}": v for f in kept for n, v in _of_file(f).items()}


def differences(one: Path, other: Path) -> list[str]:
    """Name what is not equal."""
    first, second = contents(one), contents(other)
    return [k for k in sorted({*first, *second}) if first.get(k) != second.get(k)]


def _of_file(path: Path) -> dict[str, bytes]:
    if path.suffix in (".html", ".png", ".pt") or path.name.endswith(UNTOLD):
        return {}
    reader = {".hdf5": _of_hdf5, ".safetensors": _of_weights, ".jsonl": _of_lines}.get(path.suffix)
    return {"": path.read_bytes()} if reader is None else reader(path)


def _bytes(values: np.ndarray) -> bytes:
    told = repr(values.tolist()).encode() if values.dtype.hasobject else values.tobytes()
    return f"{values.dtype.str} {values.shape} ".encode() + told


def _of_zarr(path: Path) -> dict[str, bytes]:
    group = zarr.open_group(path, mode="r")
    told = {name: said for name, said in dict(group.attrs).items() if name not in MAKER}
    found = {"": json.dumps(told, sort_keys=True).encode()}
    for folder in ("data", "meta"):
        for name in sorted(p.name for p in (path / folder).iterdir() if p.is_dir()):
            array: Any = group[f"{folder}/{name}"]
            found[f"{folder}/{name}"] = _bytes(np.asarray(array[:]))
    return found


def _of_hdf5(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}

    def visit(name: str, item: Any) -> None:  # noqa: ANN401 (a library without types)
        found[f"{name}@"] = repr(sorted((k, str(v)) for k, v in item.attrs.items())).encode()
        if isinstance(item, h5py.Dataset):
            found[name] = _bytes(np.asarray(item[()]))

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def _of_weights(path: Path) -> dict[str, bytes]:
    with safe_open(path, "np") as file:
        names = list(file.keys())
        told = {name: json.loads(text) for name, text in file.metadata().items() if name != SUM}
        told["about"] = {key: said for key, said in told["about"].items() if key not in TIMES}
        about = json.dumps(told, sort_keys=True).encode()
        return {"about": about, **{name: _bytes(file.get_tensor(name)) for name in names}}


def _of_lines(path: Path) -> dict[str, bytes]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    kept = [{k: v for k, v in line.items() if k not in TIMES} for line in lines]
    return {"": json.dumps(kept).encode()}
