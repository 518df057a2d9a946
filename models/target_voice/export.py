"""Write the trained networks and the embedding as streaming ONNX, and check them against torch.

python export.py --weights FOLDER --embedding embedding.npz --out FOLDER
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from network import WIDTH, Embedding, Features, TargetVoice, lookahead, slots
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as fn

from homeveil.perceive import sound_features as ft
from homeveil.perceive.voices import BLOCK
from homeveil.profile.voice import SLOTS

OPSET = 17


class StreamingEmbedding(nn.Module):
    """The embedding over all open windows at once, state in and out."""

    def __init__(self, embed: Embedding) -> None:
        super().__init__()
        self.lstm = nn.LSTM(ft.BANDS, 256, 3)
        self.lstm.load_state_dict(embed.lstm.state_dict())
        self.linear = embed.linear

    def forward(self, mel: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """mel (T, SLOTS, 40), h and c (3, SLOTS, 256) -> (T, SLOTS, 256), h, c."""
        out, (h, c) = self.lstm(mel, (h, c))
        out = fn.relu(self.linear(out))
        return out / (torch.sqrt((out * out).sum(-1, keepdim=True)) + 1e-5), h, c


class Streaming(nn.Module):
    """`TargetVoice` over a chunk: the past of every block comes in and goes out.

    The same arithmetic with few operators: at chunks of four frames each costs more than what it
    computes. Frames are rows and a convolution one product of its three taps, so that nothing is
    turned; the slots go through their layers together; layers without a bend between share a bias.
    """

    def __init__(self, net: TargetVoice) -> None:
        super().__init__()
        self.net = net
        self.spans = [block.span for block in net.blocks]
        with torch.no_grad():
            product = torch.stack([one.weight.T * 16 for one in net.product])
            plain = torch.stack([one.weight.T * 8 for one in net.plain])
            zero = torch.zeros(2)
            inner = [torch.cat([a.bias, b.bias, zero]) for a, b in zip(net.product, net.plain)]
            bias = net.enter(torch.cat([torch.zeros(ft.BANDS + 1), *inner, zero]))
        self.product, self.plain = nn.Parameter(product), nn.Parameter(plain)
        self.enter, self.bias = nn.Parameter(net.enter.weight.T.clone()), nn.Parameter(bias)
        mixes = [block.mix.weight.permute(2, 1, 0).reshape(-1, WIDTH) for block in net.blocks]
        self.mixes = nn.ParameterList(mixes)

    def entry(self, sound: Tensor, got: Tensor, phase: Tensor, tpl: Tensor, own: Tensor) -> Tensor:
        """-> (T, C)"""
        heard = got[0].transpose(0, 1)
        pair = heard * tpl.transpose(0, 1)
        near = pair.sum(-1, keepdim=True)
        excess = (near - own.T[..., None]) * 5
        each = torch.cat([pair @ self.product, heard @ self.plain, near, excess], -1)
        turn = (phase / BLOCK)[:, None]
        slots_of = each.transpose(0, 1).reshape(-1, SLOTS * each.shape[-1])
        parts = torch.cat([sound[0], slots_of, turn, turn * turn], -1)
        return fn.relu(self.net.entry_norm(parts @ self.enter + self.bias))

    def forward(
        self,
        sound: Tensor,
        got: Tensor,
        phase: Tensor,
        tpl: Tensor,
        own: Tensor,
        past: Tensor,
        memory: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """past: (1, sum of spans, C)."""
        x = self.entry(sound, got, phase, tpl, own)
        kept = []
        befores = past[0].split(self.spans)
        each = zip(self.net.blocks, self.mixes, self.net.films(tpl), befores, strict=True)
        for block, mix, film, before in each:
            long = torch.cat([before, x])
            step = block.dilation
            taps = [long[: -2 * step], long[step:-step], long[2 * step :]]
            new = torch.addmm(block.mix.bias, torch.cat(taps, 1), mix)
            new = block.norm(new)
            if film is not None:
                scale, shift = film
                new = new * (1 + scale) + shift
            x = taps[2 - block.right // step] + fn.relu(new)
            kept.append(long[-block.span :])
        out, memory = self.net.memory(x[None], memory)
        return self.net.head(torch.cat([x[None], out], -1)), torch.cat(kept)[None], memory


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
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def export_embedding(embed: Embedding, path: Path) -> None:
    """The frozen GE2E encoder, three windows side by side; not shipped, the user supplies it."""
    zero = torch.zeros(3, SLOTS, 256)
    torch.onnx.export(
        StreamingEmbedding(embed).eval(),
        (torch.zeros(BLOCK, SLOTS, ft.BANDS), zero, zero),
        str(path),
        input_names=["mel", "h", "c"],
        output_names=["slots", "h_next", "c_next"],
        dynamic_axes={"mel": {0: "frames"}, "slots": {0: "frames"}},
        opset_version=OPSET,
        dynamo=False,
    )


def export_target(net: TargetVoice, path: Path) -> None:
    """One mode of the target-voice network with float16 weights."""
    stream = Streaming(net).eval()
    length = BLOCK
    args = (
        torch.zeros(1, length, ft.BANDS + 1),
        torch.zeros(1, length, SLOTS, 256),
        torch.arange(length).float(),
        torch.zeros(1, SLOTS, 256),
        torch.zeros(1, SLOTS),
        torch.zeros(1, sum(stream.spans), WIDTH),
        torch.zeros(1, 1, WIDTH),
    )
    torch.onnx.export(
        stream,
        args,
        str(path),
        input_names=["sound", "slots", "phase", "template", "own", "past", "memory"],
        output_names=["logits", "past_next", "memory_next"],
        dynamic_axes={
            "sound": {1: "frames"},
            "slots": {1: "frames"},
            "phase": {0: "frames"},
            "logits": {1: "frames"},
        },
        opset_version=OPSET,
        dynamo=False,
    )
    halve(path)


def compare(net: TargetVoice, embed: Embedding, path: Path) -> dict[str, float]:
    """Largest difference between torch on the whole and numpy plus onnxruntime in chunks."""
    rng = np.random.default_rng(3)
    wave = (rng.standard_normal(12 * ft.SAMPLE_RATE_HZ) * 0.05).astype(np.float32)
    wave *= np.repeat(rng.uniform(0, 1, 120), 1600)
    lag = lookahead(net.mode)
    with torch.no_grad():
        mel, sound = Features()(torch.from_numpy(wave)[None])
        stream = ft.FrameStream()
        parts = [stream.push(piece) for piece in np.array_split(wave, 17)]
        ours = np.concatenate([part.sound for part in parts])
        tpl = fn.normalize(torch.rand(1, SLOTS, 256), dim=-1)
        own = torch.full((1, SLOTS), 0.8)
        got = slots(embed, mel)
        want = net.eval()(sound, got, tpl, own)[0].numpy()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    shape = {i.name: i.shape for i in session.get_inputs()}
    past, memory = np.zeros(shape["past"], np.float32), np.zeros(shape["memory"], np.float32)
    out = []
    for a in range(0, sound.shape[1], 20):
        piece = slice(a, min(a + 20, sound.shape[1]))
        answer, past, memory = session.run(
            None,
            {
                "sound": sound[:, piece].numpy(),
                "slots": got[:, piece].numpy(),
                "phase": (np.arange(piece.start, piece.stop) % BLOCK).astype(np.float32),
                "template": tpl.numpy(),
                "own": own.numpy(),
                "past": past,
                "memory": memory,
            },
        )
        out.append(answer[0])
    late = np.concatenate(out)[lag:]
    inner = slice(600, len(late) - lag)  # the padding at either end differs
    return {
        "features": float(np.abs(ours - sound[0].numpy()).max()),
        "logits": float(np.abs(late[inner] - want[: len(late)][inner]).max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--embedding", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--embedding-out", type=Path)
    args = parser.parse_args()
    embed = Embedding(dict(np.load(args.embedding))).eval()
    if args.embedding_out:
        export_embedding(embed, args.embedding_out)
    for mode in ("monitor", "call"):
        net = TargetVoice(mode)
        net.load_state_dict(torch.load(args.weights / f"{mode}.pt", map_location="cpu"))
        path = args.out / f"target_voice_{mode}.onnx"
        export_target(net, path)
        size = path.stat().st_size
        print(json.dumps({mode: compare(net, embed, path), "bytes": size}))


if __name__ == "__main__":
    main()
