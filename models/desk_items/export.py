"""Write the trained detector as ONNX with float16 weights: python export.py --weights RUN --out .

Input `rgb` uint8 (1, 3, h, w), sides that 32 divides; output `found` float32
(1, kinds + 6, h / 4, w / 4). Prints the file's hash and size, and the largest difference
between torch and ONNX Runtime.
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
from network import DeskItems
from onnx import numpy_helper
from torch import Tensor, nn

OPSET = 17


class Bytes(nn.Module):
    """Takes what a thumbnail is: bytes."""

    def __init__(self, net: DeskItems) -> None:
        super().__init__()
        self.net = net

    def forward(self, rgb: Tensor) -> Tensor:
        return self.net(rgb.float() / 255)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    net = DeskItems()
    net.load_state_dict(torch.load(args.weights / "desk_items.pt", map_location="cpu"))
    net.eval()
    path = args.out / "desk_items.onnx"
    example = torch.randint(0, 256, (1, 3, 160, 512), dtype=torch.uint8)
    torch.onnx.export(
        Bytes(net).eval(), (example,), str(path), input_names=["rgb"], output_names=["found"],
        dynamic_axes={"rgb": {2: "h", 3: "w"}, "found": {2: "h4", 3: "w4"}},
        opset_version=OPSET, dynamo=False,
    )
    halve(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for high, wide in ((160, 512), (96, 320)):
        rgb = torch.randint(0, 256, (1, 3, high, wide), dtype=torch.uint8)
        with torch.no_grad():
            want = net(rgb.float() / 255).numpy()
        got = session.run(None, {"rgb": rgb.numpy()})[0]
        worst = max(worst, float(np.abs(got - want).max()))
    data = path.read_bytes()
    print(json.dumps({"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "worst": worst}))


if __name__ == "__main__":
    main()
