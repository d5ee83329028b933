"""Command lines by chance: a valid one of some script, spoilt in one way or in several.

Every command follows from the seed and its number, whatever is drawn before it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.robustness.fuzz.bases import BASES, Base
from tests.robustness.fuzz.keys import PATHS, keys_of
from tests.robustness.fuzz.values import (
    CAMERA,
    FLAGS,
    HOPELESS,
    HYDRA,
    NAMES,
    REFUSED_FLAGS,
    TEXTS,
    possible,
    wrong,
)
from tests.robustness.shared.spoil import SPOILS

GROUPS = ("env", "behaviour", "finetune", "denoiser", "encoder")
CHOICES = (
    "adroit", "adroit-pen", "adroit-hammer", "metaworld", "metaworld-mt10", "agent", "random",
    "replay",
    "scripted", "ppo", "ppo_kl", "ppo_pl", "bc_only", "offline", "offline_scratch", "mixer",
    "unet-dp3",
    "unet-small", "unet-cleandiffuser", "dp3", "state_only", "nothing", "", "[adroit-door]", "null",
    "_adroit", "_shared", "../scripts/train", "adroit-door,adroit-pen", "1", "日本",
)  # fmt: skip
OUTPUTS = ("out", "to")
INPUTS = ("store", "store3", "shard", "filmed", "dp3", "d4rl", "dapg", "minari", "robomimic", "run")


@dataclass(frozen=True)
class Case:
    """A command line, and what is known about it beforehand.

    Attributes:
        base: What was spoilt.
        arguments: As typed, inputs in angle brackets.
        nonsense: Whether it must be refused.
        mentions: What a refusal must name; empty where nothing is known.
        written: Under which name the result must be found; empty where nothing is known.
    """

    base: Base
    arguments: tuple[str, ...]
    nonsense: bool = False
    mentions: str = ""
    written: str = ""

    def put(self, *more: str) -> "Case":
        """Put arguments behind, in the place of those with the same key."""
        keys = {text.partition("=")[0] for text in more}
        kept = [text for text in self.arguments if text.partition("=")[0] not in keys]
        return replace(self, arguments=(*kept, *more))

    def keys(self) -> dict[str, str]:
        """Give every key of its script and the kind of value that it takes."""
        heads = tuple(a for a in self.base.arguments if a.partition("=")[0] in GROUPS)
        return dict(keys_of(self.base.config, tuple(a for a in heads if a != "env=adroit")))


Change = Callable[[Case, random.Random], Case]


def leave(case: Case, _: random.Random) -> Case:
    """Change nothing."""
    return case


def possible_value(case: Case, rng: random.Random) -> Case:
    """Give a key what it may take."""
    key, kind = rng.choice(sorted(case.keys().items()))
    return case if key.endswith("live") else case.put(f"{key}={rng.choice(possible(key, kind))}")


def wrong_value(case: Case, rng: random.Random) -> Case:
    """Give a key what it cannot take."""
    each = {key: wrong(key, kind) for key, kind in case.keys().items()}
    spoilt = sorted((key, values) for key, values in each.items() if values)
    if not spoilt:  # A script that takes nothing but paths.
        return case
    key, values = rng.choice(spoilt)
    return replace(case.put(f"{key}={rng.choice(values)}"), nonsense=True)


def choose(case: Case, rng: random.Random) -> Case:
    """Choose another member of a group, or none."""
    return case.put(f"{rng.choice(GROUPS)}={rng.choice(CHOICES)}")


def misspell(case: Case, rng: random.Random) -> Case:
    """Write a key wrongly, perhaps beside what is none of the usual."""
    keys = sorted(case.keys())
    key = rng.choice(keys)
    at = rng.randrange(len(key))
    spelt = rng.choice((key[:at] + key[at + 1 :], key[:at] + "q" + key[at:], key + "x", key + ".x"))
    if spelt in keys or not spelt.strip("."):
        spelt = f"{key}q"
    beside = rng.choice(((), (), (CAMERA,), ("hydra.run.dir=elsewhere",), ("+new=1",)))
    if beside == (CAMERA,) and "env" not in keys:
        beside = ()
    mentions = spelt if beside != ("+new=1",) else ""
    return replace(case.put(*beside, f"{spelt}=2"), nonsense=True, mentions=mentions)


def sign(case: Case, rng: random.Random) -> Case:
    """Add, force or take away a key."""
    key = rng.choice([*case.keys(), "new", "env.new", "a.b", "seed", "planner.new"])
    value = rng.choice(("1", "null", "{a: 1}", "''", "text"))
    return case.put(
        rng.choice((f"+{key}={value}", f"++{key}={value}", f"~{key}", f"~{key}={value}"))
    )


def flag(case: Case, rng: random.Random) -> Case:
    """Say something to Hydra."""
    said = rng.choice(FLAGS)
    return replace(case.put(said), nonsense=case.nonsense or said in REFUSED_FLAGS)


def to_hydra(case: Case, rng: random.Random) -> Case:
    """Set a key of Hydra's own."""
    return case.put(rng.choice(HYDRA))


def garble(case: Case, rng: random.Random) -> Case:
    """Type something that is no override."""
    return replace(case, arguments=(*case.arguments, rng.choice(TEXTS)))


def rename(case: Case, rng: random.Random) -> Case:
    """Write under a name that is none of the usual."""
    for text in case.arguments:
        key, _, before = text.partition("=")
        if key in OUTPUTS:
            ending = before.removeprefix("new")
            name = f"{rng.choice(NAMES)}{ending}"
            return replace(case.put(f"{key}={name}"), written=name)
    return case


def obstruct(case: Case, rng: random.Random) -> Case:
    """Write where something is, or where nothing can be."""
    for text in case.arguments:
        key = text.partition("=")[0]
        if key in OUTPUTS:
            taken = tuple(f"<{name}>" for name in INPUTS)
            return case.put(f"{key}={rng.choice((*HOPELESS, *taken))}")
    return case


def spoil(case: Case, rng: random.Random) -> Case:
    """Damage what is read."""
    read = [text for text in case.arguments if "<" in text]
    if not read:
        return case
    text = rng.choice(read)
    start, _, rest = text.partition("<")
    name, _, end = rest.partition(">")
    how = f"<{name}:{rng.choice(sorted(SPOILS))}:{rng.randrange(1000)}>"
    changed = tuple(start + how + end if one == text else one for one in case.arguments)
    return replace(case, arguments=changed)


def exchange(case: Case, rng: random.Random) -> Case:
    """Read something else, or nothing that is there."""
    read = sorted(case.keys().keys() & (PATHS - set(OUTPUTS)))
    if not read:
        return case
    other = (*(f"<{name}>" for name in INPUTS), "nowhere", "''", "null", "[]", ".", *NAMES)
    return case.put(f"{rng.choice(read)}={rng.choice(other)}")


CHANGES: dict[Change, int] = {
    leave: 2, possible_value: 22, wrong_value: 22, choose: 5, misspell: 8, sign: 6, flag: 5,
    to_hydra: 3,
    garble: 6, rename: 9, obstruct: 4, spoil: 9, exchange: 5,
}  # fmt: skip


def draw(seed: int, number: int) -> Case:
    """Give one command line."""
    rng = random.Random(f"{seed}:{number}")
    (base,) = rng.choices(BASES, [base.weight for base in BASES])
    case = Case(base, base.arguments)
    changes = rng.choices(list(CHANGES), list(CHANGES.values()), k=rng.choice((1, 1, 1, 1, 2, 3)))
    for change in changes:
        case = change(case, rng)
    # Of several mistakes any may be the one that is named.
    return case if len(changes) == 1 else replace(case, mentions="")
