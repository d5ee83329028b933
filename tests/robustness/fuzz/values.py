"""What the grammar puts behind a key: sense, nonsense, and what lies on the border."""

from collections.abc import Sequence

from tests.robustness.fuzz.keys import Kind

# By kind of key: what every program may take or leave, and what none may take.
OPEN: dict[Kind, tuple[str, ...]] = {
    "int": ("0", "1", "2", "3", "7", "null"),
    "float": ("0", "0.0", "0.5", "1", "1e-4", "1e-300", "1e30", "2", "null"),
    "bool": ("true", "false", "null", "True", "yes"),
    "text": ("a", "auto", "null", "''", "3", "dp3", "a b", "æ"),
    "path": ("null", "''"),
    "list": ("[]", "[0]", "[1,2,3]", "[0.1,0.1,0.1]", "null", "[top]", "[0,0]", "[2,1]", "3"),
    "group": ("{}", "null"),
    "open": ("null", "0", "a"),
}
WRONG: dict[Kind, tuple[str, ...]] = {
    "int": ("-1", "-7", "1.5", "many", "''", "[1]", "{a: 1}", "nan", "true", "inf", "0x10", "1e3x"),
    "float": ("nan", "inf", "-inf", "many", "''", "[1.0]", "{a: 1}", "true", "1e400"),
    "bool": ("2", "maybe", "[true]", "{a: true}", "''", "0.5", "nan"),
    "text": ("[a,b]", "{a: b}", "true", "[[]]"),
    "path": (),
    "list": ("{a: 1}", "[[1]]", "[nan,nan,nan]", "[nan]", "[{a: 1}]", "[true]", "[1e400]"),
    "group": ("3", "text", "{nothing: 1}", "[1]", "true"),
    "open": ("{a: {b: 1}}", "[[1]]"),
}
HUGE = ("99999999999999999999", "9223372036854775807", "2147483648", "1000000000")
# More of these is more work, and no mistake; or more processes than a machine should be given.
LONG = {
    "action_repeat", "agents", "batch", "demonstrations", "envs", "episode_steps", "episodes",
    "evaluate_episodes", "from_each_start", "gradient_steps", "group_size", "initial_episodes",
    "initial_limit", "seeding", "steps", "threads", "traces", "warm_up", "workers", "gallery",
    "log_every", "save_every", "evaluate_every", "sampling_steps", "denoising_steps", "blocks",
    "updates_per_step", "replay_capacity", "target_capacity", "target_top", "zarr_format",
}  # fmt: skip
FREE = {"name", "variant", "task", "point_key", "simulator"}  # Text of any kind.
SIGNED = {"reward_scale", "fovy_deg"}
BELOW_ZERO = ("-1", "-0.5", "-1e30")

TEXTS = (  # Not one of them is an override.
    "", " ", "=", "=3", "==", "episodes", "episodes==3", "a.b.c=3", "{", "}", "[1,2", "'", '"', "$",
    "${x}", "x=${y}", "episodes=${seed}x", "@", "--", "-", "-x", "---x", "+", "~", "++", "+=1",
    "~=1",
    "episodes=1 seed=2", "a b=c", "seed=[", "seed=(", "seed=)", "seed='", 'seed="', "\\", "seed=\\",
    "seed=$(ls)", "seed=`ls`", "seed=%s", "日本=1", "é=1", "seed\t=1", "seed=\n", "\n", "seed=1,2",
    "seed=choice(1,2)", "seed=range(1,3)", "seed=glob(*)", "env@x=adroit-door", "env@=", "a@b:c=d",
    "scripts/train.seed=1", "defaults=[]", "_self_=1", "hydra=1", "/env=adroit-pen", "env/x=1",
    "seed=\u202e1", "seed=1#2", "seed:1", "seed=!!python/object:os.system", "seed=&a", "seed=*a",
)  # fmt: skip
FLAGS = (
    "--help", "-h", "--version", "--hydra-help", "--info", "--info=all", "--info=defaults", "-i",
    "--cfg", "--cfg=job", "--cfg=hydra", "-c", "--cfg=none", "--resolve", "--package=env", "-p",
    "--multirun", "-m", "--run", "-r", "--shell-completion", "-sc", "--config-path=elsewhere",
    "-cp",
    "--config-name=train", "-cn", "--config-name=nothing", "--config-dir=.", "-cd", "--nothing",
    "--experimental-rerun=<pickle>", "--experimental-rerun=nothing.pickle", "-x", "--seed=3",
    "--seed",
)  # fmt: skip
REFUSED_FLAGS = ("--experimental-rerun=<pickle>", "--nothing", "-x", "--seed=3", "--seed")
HYDRA = (
    "hydra.run.dir=elsewhere", "hydra.job.chdir=true", "hydra.output_subdir=kept",
    "hydra.mode=MULTIRUN",
    "hydra/launcher=joblib", "hydra/launcher=basic", "hydra.verbose=true", "hydra/job_logging=none",
    "hydra/job_logging=default", "hydra/hydra_logging=disabled", "hydra.nothing=1",
    "hydra.sweep.dir=x",
    "hydra.callbacks.x._target_=os.getcwd", "+hydra.callbacks.x._target_=os.getcwd", "hydra=null",
)  # fmt: skip
CAMERA = "+env.cameras.side={position: [0.9, -0.3, 0.7], quaternion: [1, 0, 0, 0], fovy_deg: 45}"
PLAIN_NAMES = """
20240101_1200 1e3 1.50 0x10 007 1_000 true nan None NaN yes on -1 1,5 con a.half << 日本 é 😀
a\u0301 run(1) a=b a#b a,b [a] [a,b] {a} a:b a;b a'b a"b a\\b a%b a&b a|b a*b a?b a!b a@b a$b ${a}
$HOME ~a ~/q a~ -a --a +a .a ..a a. a.b.c A - _ * # !x @x % deep/er/a ./a ../a a//b a/ b/../a
2024-01-01 12:30:00
"""
LONG_NAMES = ("x" * 100, "x" * 240, "x" * 300)
# For what is written: each is to be found under that name alone.
NAMES = (*PLAIN_NAMES.split(), "a b", " a", "a ", "{a: b}", "a\tb", "a\nb", *LONG_NAMES)
HOPELESS = (  # Nothing can be written there.
    "", ".", "..", "/proc/none/a", "<file>", "<file>/a", "x" * 5000, "/sys/none", "<loop>",
)  # fmt: skip


def last(key: str) -> str:
    """Give the last part of a key."""
    return key.rpartition(".")[2]


def wrong(key: str, kind: Kind) -> Sequence[str]:
    """Give values that no program may take for a key."""
    name = last(key)
    if name in FREE or kind == "path":  # Taken as it is typed, whatever it is.
        return ()
    if kind == "float" and name not in SIGNED:
        return (*WRONG[kind], *BELOW_ZERO)
    if name in SIGNED:
        return WRONG["float"]
    if name in ("crop_low", "crop_high"):
        return (*WRONG[kind], "[1,2]", "[9,9,9]" if name == "crop_low" else "[-9,-9,-9]")
    return WRONG[kind]


def possible(key: str, kind: Kind) -> Sequence[str]:
    """Give values that may be right for a key, and what lies far beyond."""
    huge = HUGE if kind == "int" and last(key) not in LONG else ()
    return (*OPEN[kind], *huge)
