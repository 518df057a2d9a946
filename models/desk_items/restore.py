"""Weights of an exported detector as a run to train on: python restore.py --out RUN --drawn F [--traced F]
[--photos F] [--items desk_items.onnx].

An exported network holds each batch normalisation within the convolution before it. It is taken out
again with the statistics of training crops, so that the network says the same as before.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
import torch
from data import Desks
from learning import BATCH
from network import DeskItems
from onnx import numpy_helper
from torch import Tensor, nn
from torch.utils.data import DataLoader
from train import NAME

BATCHES = 25


def exported(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and bias of each convolution, in the order in which they run."""
    graph = onnx.load(str(path)).graph
    values = {one.name: numpy_helper.to_array(one).astype(np.float32) for one in graph.initializer}
    widened = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}

    def value(name: str) -> np.ndarray:
        return values[widened.get(name, name)].copy()

    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return [(value(node.input[1]), value(node.input[2])) for node in convolutions]


def order_of(net: nn.Module) -> list[nn.Conv2d]:
    """The convolutions in the order in which they run."""
    order: list[nn.Conv2d] = []
    found = [one for one in net.modules() if isinstance(one, nn.Conv2d)]
    hooks = [one.register_forward_hook(lambda conv, *_: order.append(conv)) for one in found]
    net(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    return order


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=Path, default=Path(__file__).with_name("desk_items.onnx"))
    for name in ("out", "drawn", "traced", "photos"):
        parser.add_argument(f"--{name}", type=Path, required=name == "out")
    args = parser.parse_args()
    net = DeskItems().eval()
    norms = {one[0]: one[1] for one in net.modules() if isinstance(one, nn.Sequential)
             and len(one) == 3 and isinstance(one[1], nn.BatchNorm2d)}
    seen: dict[nn.Module, list[Tensor]] = {conv: [] for conv in norms}
    with torch.no_grad():
        for conv, (weight, bias) in zip(order_of(net), exported(args.items), strict=True):
            conv.weight.copy_(torch.from_numpy(weight))
            norm = norms.get(conv)
            if norm is None:
                conv.bias.copy_(torch.from_numpy(bias))
                continue
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
            norm.weight.fill_(1)
            norm.bias.copy_(torch.from_numpy(bias))
            conv.register_forward_hook(
                lambda conv, _, out: seen[conv].append(
                    torch.stack([out.mean((0, 2, 3)), (out**2).mean((0, 2, 3))]).double()
                )
            )
        desks = Desks(args.drawn, args.traced, args.photos, 7)
        for image, *_ in islice(DataLoader(desks, BATCH), BATCHES):
            net(image.float() / 255)
        for conv, norm in norms.items():
            mean, square = torch.stack(seen[conv]).mean(0)
            variance = (square - mean**2).clamp(min=1e-8).float()
            norm.bias += mean.float()
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_((variance + norm.eps).sqrt())
    args.out.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), args.out / NAME)


if __name__ == "__main__":
    main()
