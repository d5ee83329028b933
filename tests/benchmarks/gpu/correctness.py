"""Whether the card computes what the CPU does: float32 without TF32, fresh random inputs each run.

An error is the norm of the difference divided by the norm of the CPU's result. The bounds are those
of rounding in another order; a wrong index, layout or type is off by much more. Before a maximum
over points a gradient is not continuous: where two points are largest to rounding either may win,
and one of some thousand then differs.
"""

import copy
import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from perception.encoders.dp3 import Dp3
from perception.observation import Observation
from perception.sampling_torch import BACKENDS
from policy.finetuning.advantages import advantages
from policy.finetuning.algorithms import sodp
from policy.finetuning.experience import Chunks, Experience
from policy.finetuning.minibatch import Minibatch
from policy.finetuning.terms import bc, ppo
from policy.finetuning.terms.term import Term
from policy.planner.planner import Planner
from policy.planner.schedule import log_probability
from tests.benchmarks.gpu import made_up
from tests.benchmarks.gpu.bench import Bench

VALUES, GRADIENTS = 1e-5, 1e-4
LOSSES = 1e-4  # Means of numbers of either sign.
CHAIN = 1e-4  # Of what went through ten denoising steps.
BEFORE_MAXIMUM = 5e-2  # See above.

Found = dict[str, Any]


@contextmanager
def exactly() -> Iterator[None]:
    """Multiply in float32 itself, also in cuDNN, which has TF32 by default."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = False
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


def compared(ours: Sequence[Tensor], reference: Sequence[Tensor], bound: float) -> Found:
    """Compare what two devices found, all tensors together."""
    flat, beside = (
        torch.cat([part.detach().double().cpu().flatten() for part in parts])
        for parts in (ours, reference)
    )
    error = ((flat - beside).norm() / beside.norm()).item()
    return {"relative_error": error, "bound": bound, "passed": error <= bound}


def both(
    bench: Bench, module: nn.Module, call: Callable[[Any, torch.device], Tensor]
) -> dict[str, Found]:
    """Compare a result and its gradients, of a module and of its copy on the card."""
    (ours, own), (value, gradients) = (
        _computed(copy.deepcopy(module).to(device), call, device)
        for device in (bench.device, torch.device("cpu"))
    )
    found = {"value": compared([ours], [value], VALUES if value.ndim else LOSSES)}
    before = [name for name in gradients if "cloud.points" in name]
    after = [name for name in gradients if "cloud.points" not in name]
    for title, names, bound in (
        ("gradients", after, GRADIENTS),
        ("gradients before the maximum", before, BEFORE_MAXIMUM),
    ):
        if names:
            found[title] = compared([own[n] for n in names], [gradients[n] for n in names], bound)
    return found


def _computed(
    module: nn.Module, call: Callable[[Any, torch.device], Tensor], device: torch.device
) -> tuple[Tensor, dict[str, Tensor]]:
    """Give a result, and by the names of weights its gradients."""
    weights = {name: w for name, w in module.named_parameters() if w.requires_grad}
    with exactly():
        value = call(module, device)
        factors = torch.linspace(-1, 1, value.numel(), device=device).view_as(value)
        loss = (value * factors).sum() if value.ndim else value
        gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    by_name = zip(weights, gradients, strict=True)
    return value, {name: g for name, g in by_name if g is not None}


def encoder(bench: Bench) -> dict[str, Found]:
    """DP3's encoder with and without colour, learning and not."""
    found: dict[str, Found] = {}
    for channels in (3, 6):
        net = Dp3(channels, made_up.DOOR.robot_state)
        count = bench.size(16, 3), bench.size(128, 16)
        points = 2 * torch.rand(*count, channels) - 1
        state = torch.randn(len(points), made_up.DOOR.robot_state)

        def call(
            net: Dp3, device: torch.device, seen: tuple[Tensor, ...] = (points, state)
        ) -> Tensor:
            return net(Observation(*(part.to(device) for part in seen)))

        found |= {f"{channels} channels, {k}": v for k, v in both(bench, net, call).items()}
        with torch.no_grad(), exactly():
            plain = call(net, torch.device("cpu"))
            ours = call(copy.deepcopy(net).to(bench.device), bench.device)
        found[f"{channels} channels, without a graph"] = compared([ours], [plain], VALUES)
    return found


def denoiser(bench: Bench, name: str, task: str) -> dict[str, Found]:
    """A denoiser, over plans of the task's length."""
    planner = _planner(bench, f"denoiser={name}", f"env={task}")
    batch = bench.size(64, 4)
    plan = planner.config
    noisy = torch.randn(batch, plan.horizon, made_up.DOOR.actions)
    context = torch.randn(batch, plan.history * planner.encoder.features)
    k = torch.randint(plan.denoising_steps, (batch,))
    return both(
        bench,
        planner.denoiser,
        lambda net, device: net(*(t.to(device) for t in (noisy, k, context))),
    )


def losses(bench: Bench) -> dict[str, Found]:
    """Eq. 7 on windows; Eq. 12 and Eq. 14 on pairs of chunks and denoising steps."""
    planner, of = _planner(bench, "finetune=ppo_bc"), made_up.recipe(bench, "finetune=ppo_bc")
    batch = made_up.windows(bench, of, 200)[torch.randint(150, (bench.size(64, 4),))]
    drawn = planner.draw(len(batch.actions))

    def pretraining(net: Planner, device: torch.device) -> Tensor:
        context = net.encode(batch.observations.each(lambda part: part.to(device)))
        return net.loss_of(context, net.normalizer.actions(batch.actions.to(device)), drawn)

    found = {f"Eq. 7, {k}": v for k, v in both(bench, planner, pretraining).items()}
    minibatch = _minibatch(bench, planner)
    terms: dict[str, Term] = {"Eq. 12": ppo.PPO(0.02), "Eq. 14": bc.BehaviourCloning()}
    for name, term in terms.items():

        def call(net: Planner, _: torch.device, term: Term = term) -> Tensor:
            return term.loss(minibatch(net)).loss

        found |= {f"{name}, {k}": v for k, v in both(bench, planner, call).items()}
    return found


def probability(bench: Bench) -> dict[str, Found]:
    """The log-probability of the denoising steps of whole chunks, and the chains themselves."""
    planner = _planner(bench)
    batch = bench.size(64, 4)
    context = torch.randn(batch, planner.config.history * planner.encoder.features)
    generators = [torch.Generator().manual_seed(i) for i in torch.randint(2**31, (batch,)).tolist()]
    noises, found = planner.noises(generators).cpu(), []
    chain = copy.deepcopy(planner).cpu().sample(context, noises, min_std=0.1)
    for device in (torch.device("cpu"), bench.device):
        own = copy.deepcopy(planner).to(device)
        with exactly(), torch.no_grad():
            samples, seen = chain.samples.to(device), context.to(device)
            density = torch.zeros(batch, device=device)
            for position in range(len(own.grid)):
                index = torch.full((batch,), position, device=device)
                step = own.step(samples[:, position], index, seen, min_std=0.1)
                taken = log_probability(samples[:, position + 1], step)
                density = density + own.executed(taken).mean(dim=(1, 2))
            plans = own.sample(seen, noises.to(device), min_std=0.1).plan
        found.append((density, plans))
    (density, plans), (ours, own_plans) = found
    return {
        "log-probability of a chunk": compared([ours], [density], CHAIN),
        "plans after all denoising steps": compared([own_plans], [plans], CHAIN),
    }


def sampling(bench: Bench, backend: str) -> Found:
    """Farthest points: the card must choose the very points that the CPU chooses."""
    if backend == "pytorch3d":
        try:
            importlib.import_module("pytorch3d.ops")
        except (ImportError, OSError) as error:
            return {"missing": f"pytorch3d.ops does not import here ({error})"}
    cloud = torch.randn(bench.size(8, 2), bench.size(4096, 100), 3)
    count = bench.size(512, 16)
    reference = BACKENDS["torch"](cloud, count)
    ours = BACKENDS[backend](cloud.to(bench.device), count).cpu()
    differing = (ours != reference).float().mean().item()
    return {"share_that_differs": differing, "bound": 0.0, "passed": differing == 0}


def _planner(bench: Bench, *overrides: str) -> Planner:
    return made_up.planner_of(bench, made_up.recipe(bench, *overrides)).cpu()


def _minibatch(bench: Bench, planner: Planner) -> Callable[[Planner], Minibatch]:
    """Make minibatches of the same pairs for planners on any device, a little after they played."""
    of = made_up.recipe(bench, "finetune=ppo_bc").finetune
    assert isinstance(of.algorithm, sodp.Config)
    config = of.algorithm.minibatch
    own = sodp.SODP(of.algorithm, copy.deepcopy(planner), of, 0)
    cpu = Bench(torch.device("cpu"), bench.deadline)
    played = made_up.rollout(cpu, planner, own)
    chunks = played.chunks
    earned = advantages(chunks.rewards, chunks.valid, "return_to_go")
    experience = Experience.of(played, earned)
    experience = Experience(
        experience.chunks,
        experience.means + 0.01 * torch.randn_like(experience.means),  # Ratios other than 1.
        experience.samples,
        experience.advantages,
    )
    pairs = experience.sample(config.batch, torch.Generator().manual_seed(0))
    target = Chunks.of(played, slice(None))

    def minibatch(net: Planner) -> Minibatch:
        generator = torch.Generator().manual_seed(1)
        return Minibatch(net, config, experience, target, generator, *pairs)

    return minibatch
