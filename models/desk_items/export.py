"""Write trained networks as ONNX with float16 weights: python export.py --weights RUN --out .

Whichever of the two RUN holds: `desk_items.onnx`, input `rgb` uint8 (1, 3, h, w), output `found`
float32 (1, kinds + 6, h / 4, w / 4); `desk_change.onnx`, inputs `now` uint8 (1, 3, h, w) and
`clean` uint8 (1, 3, h / 2, w / 2), output `came` float32 (1, 1, h / 2, w / 2). Sides that 32
divides. Prints each file's hash and size, and the largest difference between torch and ONNX
Runtime.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from change import DeskChange
from network import DeskItems
from onnx import numpy_helper
from torch import Tensor, nn

OPSET = 17


class FoundInBytes(nn.Module):
    """The detector on what a thumbnail is: bytes."""

    def __init__(self, net: DeskItems) -> None:
        super().__init__()
        self.net = net

    def forward(self, rgb: Tensor) -> Tensor:
        return self.net(rgb.float() / 255)


class CameInBytes(nn.Module):
    """The comparison on bytes."""

    def __init__(self, net: DeskChange) -> None:
        super().__init__()
        self.net = net

    def forward(self, now: Tensor, clean: Tensor) -> Tensor:
        return self.net(now.float(), clean.float())


def halve(path: Path) -> None:
    """Store float32 weights as float16, each widened by a Cast when the model is loaded."""
    model = onnx.load(str(path))
    casts, kept = [], []
    for item in model.graph.initializer:
        value = numpy_helper.to_array(item)
        if value.dtype == np.float32 and value.size > 256:
            kept.append(numpy_helper.from_array(value.astype(np.float16), item.name + "_half"))
            casts.append(
                onnx.helper.make_node(
                    "Cast", [item.name + "_half"], [item.name], to=onnx.TensorProto.FLOAT
                )
            )
        else:
            kept.append(item)
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def write(net: nn.Module, path: Path, inputs: dict[str, int], output: str, shrunk: int) -> None:
    """``inputs``: names, and by how much smaller than the picture each is."""

    def pictures(high: int, wide: int) -> tuple[Tensor, ...]:
        return tuple(
            torch.randint(0, 256, (1, 3, high // by, wide // by), dtype=torch.uint8)
            for by in inputs.values()
        )

    axes = {name: {2: f"h{by}", 3: f"w{by}"} for name, by in {**inputs, output: shrunk}.items()}
    torch.onnx.export(
        net, pictures(160, 512), str(path), input_names=list(inputs), output_names=[output],
        dynamic_axes=axes, opset_version=OPSET, dynamo=False,
    )
    halve(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for size in ((160, 512), (96, 320)):
        given = pictures(*size)
        with torch.no_grad():
            want = net(*given).numpy()
        fed = dict(zip(inputs, (one.numpy() for one in given), strict=True))
        worst = max(worst, float(np.abs(session.run(None, fed)[0] - want).max()))
    data = path.read_bytes()
    told = {"file": path.name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    print(json.dumps({**told, "worst": worst}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    items, change = (args.weights / f"desk_{name}.pt" for name in ("items", "change"))
    if items.exists():
        net = DeskItems()
        net.load_state_dict(torch.load(items, map_location="cpu"))
        path = args.out / "desk_items.onnx"
        write(FoundInBytes(net).eval(), path, {"rgb": 1}, "found", 4)
    if change.exists():
        net = DeskChange()
        net.load_state_dict(torch.load(change, map_location="cpu"))
        path = args.out / "desk_change.onnx"
        write(CameInBytes(net).eval(), path, {"now": 1, "clean": 2}, "came", 2)


if __name__ == "__main__":
    main()
