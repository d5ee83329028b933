"""Commands that contradict themselves, or say what changes nothing: refused at once."""

from envs.config import EnvConfig
from envs.make import make_scene, make_simulator
from perception.errors import InputError
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.guided import prior
from policy.finetuning.guided.actor_critic_config import ActorCriticConfig
from policy.finetuning.guided.learner import LearnerConfig
from policy.finetuning.search import check_budget
from policy.pipeline.config import Recipe, TrainConfig
from policy.planner.building import BEFORE
from policy.planner.config import observed_by
from policy.runs.idle_keys import idle_in_training, is_below, refuse_idle, typed_keys

PRETRAINING = ("pretrain", "all")
FINETUNING = ("finetune", "all")


def check(config: TrainConfig) -> None:
    """Refuse keys that do not go together, and keys that have no effect in the stage.

    Raises:
        InputError: They contradict each other, one is missing, or one has no effect.
    """
    recipe, stage = config.recipe, config.stage
    _check_policy(recipe, stage)
    if recipe.pretrain.features and recipe.encoder_from is None:
        raise InputError("pretrain.features=true needs encoder_from=, as encode.py was given it")
    _check_clouds(recipe)
    if recipe.init_from is not None and stage in PRETRAINING:
        raise InputError(
            f"init_from= takes the place of pre-training: stage={stage} does not go with it;"
            " choose stage=finetune or zero_shot"
        )
    if recipe.init_from is None and (stage == "zero_shot" or recipe.temperature is not None):
        raise InputError("stage=zero_shot, as temperature=, needs init_from=<a planner>")
    idle = idle_in_training(
        typed_keys(config.task.overrides),
        stage=stage,
        init_from=recipe.init_from is not None,
        experiment=config.experiment is not None,
    )
    refuse_idle(idle)


def _check_clouds(recipe: Recipe) -> None:
    """Refuse what needs clouds where none are learned from.

    Raises:
        InputError: There are none.
    """
    learning, observed = recipe.pretrain, observed_by(recipe.planner.encoder)
    if learning.features and observed != "points":
        raise InputError("pretrain.features=true is of encoded clouds: choose encoder=dp3")
    if not learning.features and observed == "points":
        return
    asked = {
        "pretrain.augment changes clouds": learning.augment.changes,
        "pretrain.distance_field is of clouds": learning.distance_field > 0,
    }
    what = next((words for words, wanted in asked.items() if wanted), None)
    if what is not None:
        raise InputError(
            f"{what}, and this planner learns from"
            f" {'pictures' if observed == 'image' else 'features'}: leave it out, or"
            f" pretrain.features and encoder={recipe.planner.encoder.kind}"
        )


def _check_policy(recipe: Recipe, stage: str) -> None:
    """Refuse what only the diffusion planner does.

    Raises:
        InputError: Another policy is to be fine-tuned, or to learn the auxiliary loss.
    """
    plan, kind = recipe.planner, recipe.planner.kind
    if kind == BEFORE:
        return
    if stage in FINETUNING:
        raise InputError(
            f"stage={stage} fine-tunes, which needs denoising steps, and a policy of kind {kind}"
            " has none: give stage=pretrain, or policy=sodp"
        )
    if recipe.pretrain.auxiliaries and (plan.observed != plan.history or not plan.asked.nothing):
        raise InputError(
            f"pretrain.{next(iter(recipe.pretrain.auxiliaries))} predicts from one history, and"
            f" policies of kind {kind} learn from"
            f" {'sequences' if plan.asked.nothing else 'more than that'}: leave it out"
        )


def check_task(config: TrainConfig, env: EnvConfig | None, task: str) -> None:
    """Refuse stages that play where there is nothing to play in, and too few episodes.

    Raises:
        InputError: There is no simulator, the task cannot be made in it or seen as the command
            says, or the episodes are too few to learn from.
    """
    if env is None and config.stage not in PRETRAINING:
        raise InputError(
            f"stage={config.stage} plays episodes, and there is no simulator for task {task}: name"
            " a task of the same robot by env=, or add a simulator of your own (docs/extend.md)"
        )
    if env is None and config.recipe.pretrain.evaluate_every:
        raise InputError(
            f"pretrain.evaluate_every= plays episodes, and there is no simulator for task {task}:"
            " leave it out; pretrain.held_out=0.1 needs none"
        )
    if env is None:
        typed = typed_keys(config.task.overrides)
        reason = f"without a simulator, and there is none for task {task}"
        refuse_idle({key: reason for key in typed if is_below(key, "finetune")})
    elif config.stage in FINETUNING:
        check_budget(config.recipe.finetune, config.recipe.envs)
        algorithm = config.recipe.finetune.algorithm
        if isinstance(algorithm, LearnerConfig | ActorCriticConfig):
            prior.check_task(algorithm.prior, env.name)
        _check_rounds(config.recipe.finetune)
    if env is not None and config.stage in (*PRETRAINING, "zero_shot"):
        # The others make it before they do anything.
        simulator = make_simulator(env)
        if config.stage == "zero_shot" or observed_by(config.recipe.planner.encoder) != "features":
            make_scene(simulator, env)


def _check_rounds(config: FinetuneConfig) -> None:
    """Refuse to begin anew from a planner that learns nothing.

    Raises:
        InputError: The algorithm teaches a policy of its own.
    """
    if config.episodes_per_round and isinstance(config.algorithm, ActorCriticConfig):
        raise InputError(
            f"finetune.episodes_per_round={config.episodes_per_round} begins anew from the planner,"
            f" and {config.algorithm.kind} teaches a policy of its own: leave it out"
        )
