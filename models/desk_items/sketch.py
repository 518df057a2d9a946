"""The same items drawn without ray tracing: `raster.c`, one shadow map, a lamp and a sky.

Some ten times cheaper than `render.py` and without end. `python sketch.py --out FOLDER --first 0
--count 5000` writes pictures in that one's layout; `Studio.scene` gives one.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import os
import random
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
from items import KINDS, MAKERS, person
from looks import any_colour, dark, grey, light
from outline import outline_area
from piles import laid

WIDTH, HEIGHT = 448, 252
PEOPLE, DESK = 240, 250
FINE = 2
SHADOW = 1024
VIEWS = 6
WEIGHTS = (4, 3.5, 3.5, 1.5, 2, 1.5, 2, 2, 4, 2.5)
REACH = {"laptop": 0.2, "keyboard": 0.17, "paper": 0.13, "notebook": 0.14}

_QUICK = (
    "-fassociative-math", "-ffinite-math-only", "-fno-math-errno", "-fno-signed-zeros", "-fno-trapping-math"
)
# What -ffast-math is of, but for that a library made with it switches denormal numbers off for its whole process.


def _library() -> ctypes.CDLL:
    source = Path(__file__).with_name("raster.c")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "raster.so"
        words = ["cc", "-O3", "-march=native", *_QUICK, "-shared", "-fPIC"]
        subprocess.run([*words, "-o", str(made), str(source), "-lm"], check=True)
        return ctypes.CDLL(str(made))


def _address(array: np.ndarray | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


def turned(angles) -> np.ndarray:
    """Rotation by Euler angles XYZ, radians."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(angles), np.cos(angles)
    x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return z @ y @ x


class Sketcher:
    """Collects the triangles of one thing; the same verbs as `shapes.Maker`."""

    def __init__(self, rng: random.Random, number: int) -> None:
        self.rng, self.number = rng, number
        self.root = SimpleNamespace(location=(0, 0, 0), rotation_euler=(0, 0, 0))
        self.parts: list[tuple] = []

    def material(self, colour, rough=0.5, metal=0.0, glow=0.0, clear=0.0, bends=1.33):
        return SimpleNamespace(
            colour=colour, rough=rough, glow=glow, picture=None, clear=clear, bends=bends
        )

    def picture(self, pixels, rough=0.5, glow=0.0):
        return SimpleNamespace(
            colour=(1, 1, 1), rough=rough, glow=glow, picture=pixels, clear=0.0, bends=1.0
        )

    def _add(self, points, normals, uv, triangles, at, turn, material) -> None:
        spin = turned(turn)
        self.parts.append(
            (points @ spin.T + np.array(at), normals @ spin.T, uv, triangles, material)
        )

    def box(self, size, at, material, turn=(0, 0, 0), bevel=0.0):
        points, normals, triangles = [], [], []
        for axis in range(3):
            for side in (-1, 1):
                first = len(points)
                for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                    corner = np.zeros(3)
                    corner[axis], corner[(axis + 1) % 3], corner[(axis + 2) % 3] = side, a, b
                    points.append(corner / 2 * np.array(size))
                    normals.append(np.eye(3)[axis] * side)
                triangles += [(first, first + 1, first + 2), (first, first + 2, first + 3)]
        self._add(np.array(points), np.array(normals), np.zeros((24, 2)), np.array(triangles),
                  at, turn, material)

    def _grid(self, rows, cols, place, at, turn, material):
        """A (rows+1) x (cols+1) net; ``place(u, v)`` gives points and normals."""
        v, u = np.meshgrid(np.linspace(0, 1, rows + 1), np.linspace(0, 1, cols + 1), indexing="ij")
        points, normals = place(u.ravel(), v.ravel())
        i = np.arange(rows * (cols + 1)).reshape(rows, cols + 1)[:, :-1].ravel()
        triangles = np.concatenate([
            np.stack([i, i + 1, i + cols + 2], 1), np.stack([i, i + cols + 2, i + cols + 1], 1)
        ])
        self._add(points, normals, np.stack([u.ravel(), v.ravel()], 1), triangles, at, turn,
                  material)

    def sheet(self, width, depth, at, material, turn=(0, 0, 0), curl=0.0, net=8):
        phase = self.rng.uniform(0, 6.28)

        def place(u, v):
            x, y = u - 0.5, v - 0.5
            s = 2.2 * x + 1.4 * y + phase
            lift = curl * np.sin(s) ** 2
            slope = curl * np.sin(2 * s)
            up = np.stack([-slope * 2.2 / width, -slope * 1.4 / depth, np.ones_like(x)], 1)
            up /= np.linalg.norm(up, axis=1, keepdims=True)
            return np.stack([x * width, y * depth, lift], 1), up

        self._grid(net, net, place, at, turn, material)

    def cylinder(self, radius, height, at, material, turn=(0, 0, 0), top=None, caps=True):
        end = radius if top is None else top

        def side(u, v):
            a = 2 * math.pi * u
            r = radius + (end - radius) * v
            out = np.stack([np.cos(a), np.sin(a), np.full_like(a, (radius - end) / height)], 1)
            return np.stack([r * np.cos(a), r * np.sin(a), (v - 0.5) * height], 1), out

        self._grid(1, 20, side, at, turn, material)
        for level, r in ((-0.5, radius), (0.5, end)) if caps else ():

            def cap(u, v, level=level, r=r):
                a = 2 * math.pi * u
                points = np.stack([r * v * np.cos(a), r * v * np.sin(a),
                                   np.full_like(a, level * height)], 1)
                return points, np.tile([0, 0, math.copysign(1, level)], (len(a), 1))

            self._grid(1, 20, cap, at, turn, material)

    def ball(self, size, at, material, turn=(0, 0, 0), flat=False):
        def place(u, v):
            a, b = 2 * math.pi * u, math.pi * (v - 0.5)
            unit = np.stack([np.cos(a) * np.cos(b), np.sin(a) * np.cos(b), np.sin(b)], 1)
            if flat:
                unit[:, 2] = np.maximum(unit[:, 2], 0)
            out = unit / np.array(size)
            return unit / 2 * np.array(size), out / np.linalg.norm(out, axis=1, keepdims=True)

        self._grid(8, 14, place, at, turn, material)

    def ring(self, radius, thick, at, material, turn=(0, 0, 0)):
        def place(u, v):
            a, b = 2 * math.pi * u, 2 * math.pi * v
            out = np.stack([np.cos(a) * np.cos(b), np.sin(a) * np.cos(b), np.sin(b)], 1)
            core = np.stack([np.cos(a), np.sin(a), np.zeros_like(a)], 1) * radius
            return core + out * thick, out

        self._grid(6, 18, place, at, turn, material)


class Stage:
    """Triangles of a scene as arrays, and the two views of them: eye and lamp."""

    def __init__(self, makers: list[Sketcher], library: ctypes.CDLL) -> None:
        self.library = library
        points, normals, colour, uv, texture, number, glow, gloss = ([] for _ in range(8))
        clear, bends = [], []
        self.texels, self.spans, offset = [np.zeros((1, 3))], [], 1
        for maker in makers:
            spin, move = turned(maker.root.rotation_euler), np.array(maker.root.location)
            for p, n, t, triangles, material in maker.parts:
                which = -1
                if material.picture is not None:
                    which = len(self.spans)
                    rows, cols = material.picture.shape[:2]
                    self.spans.append((offset, cols, rows))
                    self.texels.append(material.picture.reshape(-1, 3))
                    offset += rows * cols
                count = len(triangles)
                points.append((p @ spin.T + move)[triangles])
                normals.append((n @ spin.T)[triangles])
                uv.append(t[triangles])
                colour.append(np.tile(material.colour, (count, 3, 1)))
                texture.append(np.full(count, which))
                number.append(np.full(count, maker.number))
                gloss.append(np.full((count, 3), (1 - material.rough) ** 2))
                glow.append(np.full((count, 3), material.glow))
                clear.append(np.full(count, material.clear))
                bends.append(np.full(count, material.bends))
        self.points, self.normals = np.concatenate(points), np.concatenate(normals)
        self.colour, self.uv = np.concatenate(colour), np.concatenate(uv)
        self.texture, self.number = np.concatenate(texture), np.concatenate(number)
        self.gloss, self.glow = np.concatenate(gloss), np.concatenate(glow)
        self.clear, self.bends = np.concatenate(clear), np.concatenate(bends)

    def _raster(self, xy, inverse, width, height, shading=None, solid=False):
        """Depths; with ``shading`` (diffuse, gloss of each corner) also colours, numbers and which
        triangle is seen. ``solid``: without what is clear."""
        keep = (inverse > 0).all(1) & (inverse < 50).all(1)
        if solid:
            keep &= self.clear == 0
        diffuse, gloss = shading or (np.zeros(xy.shape[:-1]),) * 2
        corners = np.concatenate(
            [xy, inverse[..., None], self.colour, self.uv, diffuse[..., None], gloss[..., None]], -1
        )[keep].astype(np.float32)
        out = np.zeros((height, width, 5), np.float32) if shading else None
        depth = np.zeros((height, width), np.float32)
        owner = np.full((height, width), -1, np.int32)
        ids = np.zeros((height, width), np.uint8)
        given = (
            np.ascontiguousarray(corners), np.ascontiguousarray(self.texture[keep], np.int32),
            np.ascontiguousarray(self.number[keep], np.uint8),
            np.concatenate(self.texels).astype(np.float32),
            np.array(self.spans or [(0, 1, 1)], np.int32),
        )
        made = (out, depth, owner, ids)
        self.library.raster(
            len(corners), *map(_address, given), width, height, *map(_address, made)
        )
        return out, depth, ids, np.append(np.flatnonzero(keep), -1)[owner]

    def whole(self, count: int, eye, target, half_tan, roll) -> list[float]:
        """Pixels that the outline of each of items 1..count would have, if nothing hid it and
        the picture did not end; 0 where it reaches behind the camera."""
        seen = (self.points - np.array(eye)) @ _axes(np.array(eye), np.array(target), roll).T
        sizes = []
        for number in range(1, count + 1):
            corners = seen[self.number == number].reshape(-1, 3)
            near = corners[:, 2].min() <= 0.03
            flat = np.unique(corners[:, :2] / corners[:, 2:] * WIDTH / 2 / half_tan, axis=0)
            sizes.append(0.0 if near else outline_area(flat))
        return sizes

    def shoot(self, eye, target, half_tan, roll, rng: random.Random):
        """RGB float 0.. and mask; ``rng`` makes the light."""
        width, height = WIDTH * FINE, HEIGHT * FINE
        lamp = np.array((rng.uniform(-2, 2), rng.uniform(-1.2, 1.5), rng.uniform(0.8, 2.4)))
        frame, scale = _axes(np.array(eye), np.array(target), roll), width / 2 / half_tan
        seen = (self.points - np.array(eye)) @ frame.T
        depth_of = np.maximum(seen[..., 2], 1e-6)
        inverse = np.where(seen[..., 2] > 0.03, 1 / depth_of, -1)
        xy = seen[..., :2] / depth_of[..., None] * scale + np.array((width, height)) / 2
        to_lamp = lamp - self.points
        to_lamp /= np.linalg.norm(to_lamp, axis=-1, keepdims=True)
        to_eye = np.array(eye) - self.points
        to_eye /= np.linalg.norm(to_eye, axis=-1, keepdims=True)
        outward = self.normals * np.sign((self.normals * to_eye).sum(-1, keepdims=True) + 1e-9)
        diffuse = np.maximum((outward * to_lamp).sum(-1), 0)
        half = to_lamp + to_eye
        half /= np.linalg.norm(half, axis=-1, keepdims=True) + 1e-9
        sky = 1 - np.abs((outward * to_eye).sum(-1))
        gloss = self.gloss * (np.maximum((outward * half).sum(-1), 0) ** 40 * 1.5 + sky**4 * 0.6
                              + 0.04) + self.glow * 0.35
        shadows = self._shadows(lamp, rng)
        warm = np.array((1, rng.uniform(0.75, 1), rng.uniform(0.5, 1)), np.float32)
        cool = np.array((rng.uniform(0.8, 1), 1, rng.uniform(0.85, 1.1)), np.float32)
        sun, ambient, beyond = rng.uniform(0.3, 1.3), rng.uniform(0.15, 0.8), rng.random()
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32) + np.float32(0.5)

        def layer(solid: bool):
            """Colours without and of the gloss, numbers and triangles."""
            out, near, ids, owner = self._raster(
                xy, inverse, width, height, (diffuse, gloss), solid
            )
            z = 1 / np.maximum(near, 1e-6)
            rays = np.stack([(xs - width / 2) / scale * z, (ys - height / 2) / scale * z, z], -1)
            lit = shadows(rays @ frame.astype(np.float32) + np.array(eye, np.float32))
            light_in = sun * warm * (out[..., 3] * lit)[..., None] + ambient * cool
            rgb = out[..., :3] * light_in
            rgb[near == 0] = beyond
            return rgb, out[..., 4:5] * (0.3 + sun * lit[..., None]), ids, owner

        rgb, shine, ids, owner = layer(False)
        if (self.clear[owner] * (owner >= 0)).any():
            behind, glint, *_ = layer(True)
            rgb = self._through(rgb, behind + glint, ids, owner, rng)
        small = cv2.resize(rgb + shine, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        return small, ids[FINE // 2 :: FINE, FINE // 2 :: FINE]

    def _through(self, rgb, behind, ids, owner, rng: random.Random):
        """``rgb`` with what is ``behind`` its clear parts: tinted, darker towards their outlines,
        and displaced as by a rod of what they are made of, which mirrors if it bends enough."""
        height, width = ids.shape
        clear = np.where(owner >= 0, self.clear[owner], 0).astype(np.float32)
        tint = self.colour[owner, 0].astype(np.float32)
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
        for number in np.unique(ids[clear > 0]):
            where = ids == number
            x0, x1 = np.flatnonzero(where.any(0))[[0, -1]]
            # Caps and labels are not clear, and bend nothing.
            index = self.bends[(self.number == number) & (self.clear > 0)].max()
            zoom = 1.0 if index < 1.2 else -rng.uniform(0.5, 1.5)
            xs[where] = (x0 + x1) / 2 + zoom * (xs[where] - (x0 + x1) / 2)
            ys[where] += rng.uniform(-0.3, 0.3) * (x1 - x0)
            deep = cv2.distanceTransform(np.pad(where, 1).astype(np.uint8), cv2.DIST_L2, 3)
            rim = np.exp(-deep[1:-1, 1:-1][where] / (rng.uniform(0.03, 0.12) * (x1 - x0 + 1)))
            tint[where] *= 1 - rng.uniform(0.2, 0.8) * rim[:, None]
        seen = cv2.remap(behind, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        share = clear[..., None]
        return rgb * (1 - share) + seen * tint * share

    def _shadows(self, lamp, rng: random.Random):
        """A function of places: 1 where the lamp is seen from them, 0 in shadow, soft between.
        What is clear throws none."""
        frame = _axes(lamp, np.array((0, 0, 0.0)), 0)
        half = 1.0
        seen = (self.points - lamp) @ frame.T
        deep = np.maximum(seen[..., 2], 1e-6)
        xy = seen[..., :2] / deep[..., None] * SHADOW / 2 / half + SHADOW / 2
        inverse = np.where(seen[..., 2] > 0.05, 1 / deep, -1)
        near = self._raster(xy, inverse, SHADOW, SHADOW, solid=True)[1]
        spread = rng.choice((1.0, 2.0, 4.0, 8.0, 14.0))

        def lit(world):
            at = (world - lamp.astype(np.float32)) @ frame.T.astype(np.float32)
            deep = np.maximum(at[..., 2], 1e-6)
            mapped = at[..., :2] / deep[..., None] * SHADOW / 2 / half + SHADOW / 2
            mapped = mapped.astype(np.float32) - np.float32(0.5)
            nearest = cv2.remap(near, mapped[..., 0], mapped[..., 1], cv2.INTER_NEAREST)
            seen = (1 / np.maximum(nearest, 1e-3) > deep - 0.01).astype(np.float32)
            return cv2.GaussianBlur(seen, (0, 0), spread)

        return lit


def _axes(eye, target, roll):
    forward = target - eye
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, (0, 0, 1.0))
    right /= np.linalg.norm(right) + 1e-9
    down = np.cross(forward, right)
    c, s = math.cos(roll), math.sin(roll)
    return np.stack([c * right + s * down, c * down - s * right, forward])


def _surface(rng: random.Random) -> np.ndarray:
    draw = np.random.default_rng(rng.randrange(2**31))
    base = np.array(rng.choice(((0.35, 0.2, 0.1), (0.55, 0.38, 0.22), (0.12, 0.06, 0.03),
                                light(rng), dark(rng), grey(rng), any_colour(rng))))
    kind = rng.choice(("wood", "wood", "plain", "noise"))
    shade = np.ones((256, 256))
    if kind == "wood":
        y = np.linspace(0, rng.uniform(10, 60), 256)[:, None]
        wave = np.cumsum(draw.normal(0, 0.15, (1, 256)), 1)
        shade = 1 + rng.uniform(0.05, 0.25) * np.sin(y + wave + 2 * np.sin(y * 0.37))
    elif kind == "noise":
        shade = 1 + draw.normal(0, rng.uniform(0.02, 0.15), (256, 256))
    return np.clip(base * shade[..., None], 0, 1)


def _room(rng: random.Random, depth: float) -> Sketcher:
    m = Sketcher(rng, 0)
    wall = m.material(any_colour(rng) if rng.random() < 0.4 else light(rng), 0.9)
    far = rng.uniform(1.2, 4)
    m.sheet(14, 6, (0, far, 1), wall, (math.pi / 2, 0, 0), net=16)
    for side in (-1, 1):
        m.sheet(14, 6, (side * rng.uniform(1.5, 4), 0, 1), wall, (math.pi / 2, 0, math.pi / 2), net=30)
    floor = m.picture(_surface(rng), 0.7) if rng.random() < 0.7 else m.material(any_colour(rng), 0.7)
    side = rng.uniform(6, 14)
    m.sheet(side, side, (0, 0, -0.75), floor, (0, 0, rng.choice((0, math.pi / 2))), net=30)
    for _ in range(rng.randint(0, 6)):
        w, h = rng.uniform(0.2, 1.2), rng.uniform(0.2, 1.8)
        y = rng.uniform(depth / 2 + 0.7, max(far, depth / 2 + 0.8))
        m.box((w, 0.3, h), (rng.uniform(-2, 2), y, h / 2 - 0.75), m.material(any_colour(rng), 0.8))
    for _ in range(rng.randint(0, 14)):
        size = (rng.uniform(0.03, 0.9), 0.02, rng.uniform(0.05, 0.7))
        at = (rng.uniform(-1.8, 1.8), far - 0.07, rng.uniform(-0.5, 1.5))
        m.box(size, at, m.material(any_colour(rng), 0.5))
    return m


def _place(
    rng: random.Random, width: float, depth: float, count: int
) -> tuple[list[str], list[Sketcher]]:
    """At most ``count`` items that do not stand in each other."""
    kinds, makers, taken = [], [], []
    for _ in range(count):
        kind = rng.choices(KINDS, WEIGHTS)[0]
        reach = REACH.get(kind, 0.07)
        for _ in range(12):
            x = rng.uniform(-width / 2 + reach, width / 2 - reach) * rng.choice((0.5, 1))
            y = rng.uniform(-depth / 2 + 0.08, depth / 2 - 0.06)
            if all(math.hypot(x - a, y - b) > 0.75 * (reach + c) for a, b, c in taken):
                break
        else:
            continue
        taken.append((x, y, reach))
        kinds.append(kind)
        m = Sketcher(rng, len(kinds))
        MAKERS[kind](m)
        about = rng.choice((0, math.pi)) if kind in ("keyboard", "laptop") else 0
        loose = {"keyboard": 0.15, "laptop": 0.4}.get(kind)
        turn = about + rng.gauss(0, loose) if loose else rng.uniform(0, 6.28)
        if rng.random() < 0.3 and kind in ("paper", "notebook", "phone"):
            turn = rng.gauss(0, 0.2)
        m.root.location, m.root.rotation_euler = (x, y, 0), (0, 0, turn)
        makers.append(m)
    return kinds, makers


def _height(maker: Sketcher, x: float, y: float) -> float | None:
    """How high the thing is at a place of its own frame; None beside it."""
    highest = None
    for points, _, _, triangles, _ in maker.parts:
        a, b, c = (points[triangles[:, i]] for i in range(3))
        u, v, w = b[:, :2] - a[:, :2], c[:, :2] - a[:, :2], np.array((x, y)) - a[:, :2]
        area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
        flat = np.abs(area) > 1e-12
        safe = np.where(flat, area, 1)
        s = (w[:, 0] * v[:, 1] - w[:, 1] * v[:, 0]) / safe
        t = (u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]) / safe
        hit = flat & (s >= 0) & (t >= 0) & (s + t <= 1)
        if hit.any():
            z = (a[:, 2] + s * (b - a)[:, 2] + t * (c - a)[:, 2])[hit].max()
            highest = z if highest is None else max(highest, z)
    return highest


def _lay(rng: random.Random, kinds: list[str], makers: list[Sketcher]) -> list[Sketcher]:
    """Things that lie on those of ``makers``; their kinds are added to ``kinds``."""
    made = []
    for one in laid(rng, kinds):
        base = makers[one.base]
        lift = one.lifted(partial(_height, base))
        if lift is None:
            continue
        kinds.append(one.kind)
        m = Sketcher(rng, len(kinds))
        MAKERS[one.kind](m)
        (x, y, z), angle = base.root.location, base.root.rotation_euler[2]
        c, s = math.cos(angle), math.sin(angle)
        at = (x + c * one.x - s * one.y, y + s * one.x + c * one.y, z + lift)
        m.root.location, m.root.rotation_euler = at, (0, 0, angle + one.turn)
        made.append(m)
    return made


def _view(rng: random.Random, depth: float, items: list[Sketcher]) -> tuple:
    """A view in which half of the items are, where a few tries find one."""
    for _ in range(VIEWS):
        view = _any_view(rng, depth)
        eye, target, half_tan, roll = view
        middles = np.array([item.root.location for item in items]).reshape(-1, 3)
        at = (middles - np.array(eye)) @ _axes(np.array(eye), np.array(target), roll).T
        flat = np.abs(at[:, :2] / np.maximum(at[:, 2:], 0.05) / half_tan)
        seen = (at[:, 2] > 0.05) & (flat[:, 0] < 1) & (flat[:, 1] < HEIGHT / WIDTH)
        if 2 * seen.sum() >= len(items):
            break
    return view


def _any_view(rng: random.Random, depth: float) -> tuple:
    """A webcam on the monitor that looks at the worker, or one on an arm that looks down."""
    eye = [rng.gauss(0, 0.15), -depth / 2 + rng.uniform(-0.35, 0.1), rng.uniform(0.18, 0.65)]
    if rng.random() < 0.6:
        target = (rng.gauss(0, 0.1), depth / 2 + 0.3, eye[2] - rng.uniform(0.1, 0.45))
    else:
        target = (rng.gauss(0, 0.1), rng.uniform(-0.1, 0.4), rng.uniform(-0.1, 0.1))
        eye[2] += rng.uniform(0, 0.4)
    half_tan = math.tan(math.radians(rng.uniform(50, 88)) / 2)
    return eye, target, half_tan, rng.gauss(0, 0.04)


def _desk(rng: random.Random, width: float, depth: float) -> Sketcher:
    desk = Sketcher(rng, DESK)
    top = desk.picture(_surface(rng), rng.uniform(0.3, 0.95))
    desk.sheet(width, depth, (0, 0, 0), top, net=40)
    desk.box((width, 0.02, 0.03), (0, depth / 2, -0.017), desk.material(any_colour(rng), 0.6))
    return desk


def _exposed(rgb: np.ndarray, gain: float, gamma: float) -> np.ndarray:
    return (np.clip(rgb * gain, 0, 1) ** (1 / gamma) * 255).astype(np.uint8)


def _exposed_twice(rng: random.Random, first, second, least: float, most: float):
    """Two pictures of one camera, the second ``least`` to ``most`` times as bright."""
    gamma, gain = rng.uniform(1.8, 2.4), rng.uniform(0.6, 1.3)
    return _exposed(first, gain, gamma), _exposed(second, gain * rng.uniform(least, most), gamma)


class Studio:
    """Draws scene after scene."""

    def __init__(self) -> None:
        self.library = _library()

    def scene(self, number: int) -> tuple[np.ndarray, np.ndarray, list[str], list[float]]:
        """(252, 448, 3) uint8 RGB; (252, 448) uint8 mask; kinds of items 1..n, and the pixels
        of each one's outline, seen whole."""
        rng = random.Random(7_000_003 * 31 + number)
        width, depth = rng.uniform(0.9, 1.8), rng.uniform(0.5, 0.85)
        desk = _desk(rng, width, depth)
        few, many, more = rng.randint(1, 5), rng.randint(3, 10), rng.randint(3, 10)
        kinds, makers = _place(rng, width, depth, rng.choice((0, few, many, more)))
        makers += [desk, _room(rng, depth)]
        for _ in range(rng.choice((0, 1, 1, 1, 2))):
            body = Sketcher(rng, PEOPLE)
            person(body, depth / 2)
            makers.append(body)
        view = _view(rng, depth, makers[: len(kinds)])
        # Of numbers of its own: what lies on the desk itself is the same with and without.
        makers += _lay(random.Random(13_000_027 * 7 + number), kinds, makers)
        stage = Stage(makers, self.library)
        rgb, mask = stage.shoot(*view, rng)
        rgb = _exposed(rgb, rng.uniform(0.6, 1.3), rng.uniform(1.8, 2.4))
        return rgb, mask, kinds, stage.whole(len(kinds), *view)

    def pair(self, number: int, *, moved_lamp: bool):
        """A desk clean and with items: two pictures, mask and kinds of the second. The light
        is a little other in the second; ``moved_lamp``: wholly other."""
        rng = random.Random(9_000_011 * 17 + number)
        width, depth = rng.uniform(0.9, 1.8), rng.uniform(0.5, 0.85)
        desk, room = _desk(rng, width, depth), _room(rng, depth)
        kinds, items = _place(rng, width, depth, rng.randint(0, 9))
        view, seed = _any_view(rng, depth), rng.random()
        empty, _ = Stage([desk, room], self.library).shoot(*view, random.Random(seed))
        lamp = random.Random(seed + moved_lamp)
        full, mask = Stage([*items, desk, room], self.library).shoot(*view, lamp)
        return *_exposed_twice(rng, empty, full, 0.8, 1.25), mask, kinds

    def changed(self, number: int):
        """A desk before and now: things stay, come and go, people come, light changes. Two
        pictures, the mask of the second, kinds and outlines as `scene` gives them, and which
        of the kinds came."""
        rng = random.Random(11_000_027 * 13 + number)
        width, depth = rng.uniform(0.9, 1.8), rng.uniform(0.5, 0.85)
        desk, room = _desk(rng, width, depth), _room(rng, depth)
        kinds, items = _place(rng, width, depth, rng.randint(1, 9))
        view = _view(rng, depth, items)
        fates = rng.choices(("came", "stays", "left"), (4, 1.5, 1), k=len(kinds))
        before = [one for one, fate in zip(items, fates, strict=True) if fate != "came"]
        now = [one for one, fate in zip(items, fates, strict=True) if fate != "left"]
        # Each with a number of its own: what has that of the room would bend with all of it.
        earlier = Stage([*before, desk, room], self.library)
        for one, count in zip(now, range(1, 99)):
            one.number = count
        kept = [(kind, fate) for kind, fate in zip(kinds, fates, strict=True) if fate != "left"]
        bodies = []
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            bodies.append(Sketcher(rng, PEOPLE))
            person(bodies[-1], depth / 2)
        lamp, moved = rng.random(), rng.random() < 0.4
        first, _ = earlier.shoot(*view, random.Random(lamp))
        stage = Stage([*now, *bodies, desk, room], self.library)
        second, mask = stage.shoot(*view, random.Random(lamp + moved))
        pictures = _exposed_twice(rng, first, second, 0.75, 1.3)
        came = [fate == "came" for _, fate in kept]
        return *pictures, mask, [kind for kind, _ in kept], stage.whole(len(kept), *view), came

    def company(self, number: int, *, moved_lamp: bool):
        """A clean desk empty, and with people at it and their shadows but no item: two
        pictures, mask of the second, and where the desk is seen in the first."""
        rng = random.Random(9_000_011 * 19 + number)
        width, depth = rng.uniform(0.9, 1.8), rng.uniform(0.5, 0.85)
        desk, room = _desk(rng, width, depth), _room(rng, depth)
        view, seed = _any_view(rng, depth), rng.random()
        empty, first = Stage([desk, room], self.library).shoot(*view, random.Random(seed))
        bodies = []
        for _ in range(rng.choice((0, 1, 1, 2))):
            bodies.append(Sketcher(rng, PEOPLE))
            person(bodies[-1], depth / 2)
        lamp = random.Random(seed + moved_lamp)
        full, mask = Stage([*bodies, desk, room], self.library).shoot(*view, lamp)
        return *_exposed_twice(rng, empty, full, 0.8, 1.25), mask, first == DESK


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--pairs", action="store_true", help="before and now, for change.py")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    studio = Studio()
    for number in range(args.first, args.first + args.count * args.step, args.step):
        described = args.out / f"{number:05d}.json"
        if described.exists():
            continue
        pictures, about = {}, {}
        if args.pairs:
            drawn = studio.changed(number)
            pictures["before"], *drawn, about["came"] = drawn
        else:
            drawn = studio.scene(number)
        rgb, pictures["mask"], about["kinds"], whole = drawn
        about["whole"] = [round(float(size), 1) for size in whole]
        quick = [cv2.IMWRITE_PNG_COMPRESSION, 1]
        cv2.imwrite(str(described.with_suffix(".png")), rgb[..., ::-1], quick)
        for name, picture in pictures.items():
            flipped = picture[..., ::-1] if picture.ndim == 3 else picture
            cv2.imwrite(str(described.with_suffix(f".{name}.png")), flipped, quick)
        part = described.with_suffix(".part")
        part.write_text(json.dumps(about))
        os.replace(part, described)


if __name__ == "__main__":
    main()
