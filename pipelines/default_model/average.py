"""One model out of several of one training: the weighted mean of their weights (Wortsman et al., CVPR 2022).

Models that began with the same weights lie in one valley, and the middle of it takes other scanners better than its
rims: what a refinement on few scans has learnt by heart is halved, and what simulation taught is kept.

    python pipelines/default_model/average.py --model simulated/model refined/model --weight 1 3 --out averaged
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from medgan.errors import MedganError, ModelRefusedError
from medgan.models import Model, load_model, save_model


def averaged(models: Sequence[Model], weights: Sequence[float]) -> dict[str, nn.Module]:
    """Networks by the contrast that they make, each weight the mean of the models'.

    Raises:
        ModelRefusedError: their networks are of different kinds.
    """
    made = {}
    for direction in models[-1].manifest.directions:
        networks = [model.generator(direction.target) for model in models]
        states = [network.state_dict() for network in networks]
        shapes = [{name: tensor.shape for name, tensor in state.items()} for state in states]
        if any(other != shapes[0] for other in shapes):
            raise ModelRefusedError(
                "has another network than the last one",
                file=next(m.folder for m, s in zip(models, shapes, strict=True) if s != shapes[-1]),
                remedy="Average models of one training.",
            )
        parts = torch.tensor(weights, dtype=torch.float64)
        parts /= parts.sum()
        networks[-1].load_state_dict(
            {
                name: sum(
                    part * state[name].double() for part, state in zip(parts, states, strict=True)
                ).float()
                for name in states[-1]
            }
        )
        made[direction.target] = networks[-1]
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the mean; everything but the weights is said as by the last model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, nargs="+", required=True)
    parser.add_argument("--weight", type=float, nargs="+", help="of each; all alike if not given")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    weights = options.weight or [1.0] * len(options.model)
    if len(weights) != len(options.model) or min(weights) < 0 or sum(weights) <= 0:
        parser.error("--weight takes one number for each model, none below 0")
    try:
        models = [load_model(path) for path in options.model]
        last = models[-1].manifest
        save_model(
            options.out,
            generators=averaged(models, weights),
            recipe=last.recipe,
            slab=last.slab,
            domains=last.domains,
            history=last.training,
        )
    except MedganError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
