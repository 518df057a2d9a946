"""Render desks with items and exact masks: `python render.py --out FOLDER --first 0 --count 500`.

Each picture NNNNN.png has a mask NNNNN.mask.png (0 nothing, 1..n items, 240 people, 250 desk)
and NNNNN.json with the kind of each item and the pixels of its outline, seen whole. A scene
depends on its number alone.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
from functools import partial
from pathlib import Path

import bpy
import numpy as np
from items import KINDS, MAKERS, person
from bpy_extras.object_utils import world_to_camera_view
from looks import any_colour, dark, grey, light
from mathutils import Vector
from outline import outline_area
from piles import laid
from shapes import Maker

WIDTH, HEIGHT = 448, 252
PEOPLE, DESK = 240, 250
VIEWS = 6
SEED = 20261125
WEIGHTS = (4, 3.5, 3.5, 1.5, 2, 1.5, 2, 2, 4, 2.5)


def clear() -> None:
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    bpy.data.orphans_purge(do_recursive=True)


def surface(rng: random.Random, maker: Maker):
    """Wood, plain, cloth or speckled: a picture of the desk's top."""
    draw = np.random.default_rng(rng.randrange(2**31))
    base = np.array(rng.choice(((0.35, 0.2, 0.1), (0.55, 0.38, 0.22), (0.12, 0.06, 0.03),
                                light(rng), dark(rng), grey(rng), any_colour(rng))))
    size = 256
    kind = rng.choice(("wood", "wood", "plain", "noise"))
    shade = np.ones((size, size))
    if kind == "wood":
        y = np.linspace(0, rng.uniform(10, 60), size)[:, None]
        wave = np.cumsum(draw.normal(0, 0.15, (1, size)), 1)
        shade = 1 + rng.uniform(0.05, 0.25) * np.sin(y + wave + 2 * np.sin(y * 0.37))
    elif kind == "noise":
        shade = 1 + draw.normal(0, rng.uniform(0.02, 0.15), (size, size))
    pixels = np.clip(base[None, None] * shade[..., None], 0, 1)
    return maker.picture(pixels, rng.uniform(0.15, 0.9))


def room(rng: random.Random, depth: float) -> None:
    """Floor, walls and blocks of furniture behind the desk: nothing to be found there."""
    m = Maker(rng, 0)
    wall = m.material(any_colour(rng) if rng.random() < 0.4 else light(rng), 0.9)
    far = rng.uniform(1.2, 4)
    m.box((12, 0.1, 5), (0, far, 1), wall)
    for side in (-1, 1):
        m.box((0.1, 12, 5), (side * rng.uniform(1.5, 4), 2, 1), wall)
    floor = surface(rng, m) if rng.random() < 0.7 else m.material(any_colour(rng), 0.7)
    side = rng.uniform(6, 14)
    m.sheet(side, side, (0, 0, -0.75), floor, (0, 0, rng.choice((0, math.pi / 2))))
    for _ in range(rng.randint(0, 6)):
        w, h = rng.uniform(0.2, 1.2), rng.uniform(0.2, 1.8)
        y = rng.uniform(depth / 2 + 0.7, max(far, depth / 2 + 0.8))
        m.box((w, 0.3, h), (rng.uniform(-2, 2), y, h / 2 - 0.75), m.material(any_colour(rng), 0.8))
    for _ in range(rng.randint(0, 4)):
        m.box((rng.uniform(0.2, 0.9), 0.02, rng.uniform(0.2, 0.7)),
              (rng.uniform(-1.8, 1.8), far - 0.07, rng.uniform(0.2, 1.5)), m.material(any_colour(rng), 0.5))


def lights(rng: random.Random) -> None:
    world = bpy.context.scene.world or bpy.data.worlds.new("w")
    bpy.context.scene.world = world
    world.use_nodes = True
    sky = world.node_tree.nodes["Background"]
    tint = rng.uniform(0.75, 1)
    sky.inputs[0].default_value = (1, rng.uniform(0.85, 1), tint, 1)
    sky.inputs[1].default_value = rng.choice((0.05, 0.2, 0.5, 1.0)) * rng.uniform(0.5, 1.2)
    for _ in range(rng.randint(1, 3)):
        lamp = bpy.data.lights.new("l", "AREA")
        lamp.size = rng.choice((0.05, 0.3, 1.0, 2.0))
        lamp.energy = rng.uniform(5, 60)
        lamp.color = (1, rng.uniform(0.7, 1), rng.uniform(0.5, 1))
        held = bpy.data.objects.new("l", lamp)
        at = Vector((rng.uniform(-2, 2), rng.uniform(-1.5, 1.5), rng.uniform(0.8, 2.2)))
        held.location = at
        held.rotation_euler = (Vector((0, 0, 0)) - at).to_track_quat("-Z", "Y").to_euler()
        bpy.context.collection.objects.link(held)


def viewpoint(rng: random.Random, depth: float, count: int) -> None:
    """A view in which half of the ``count`` items are, where a few tries find one."""
    scene = bpy.context.scene
    for _ in range(VIEWS):
        for old in [one for one in bpy.data.objects if one.type == "CAMERA"]:
            bpy.data.objects.remove(old)
        any_view(rng, depth)
        bpy.context.view_layer.update()
        middles = {int(part["number"]): part.parent.matrix_world.translation
                   for part in bpy.data.objects if part.type == "MESH"}
        at = [world_to_camera_view(scene, scene.camera, middles[i + 1]) for i in range(count)]
        seen = sum(0 < p.x < 1 and 0 < p.y < 1 and p.z > 0.05 for p in at)
        if 2 * seen >= count:
            break


def any_view(rng: random.Random, depth: float) -> None:
    """A webcam on the monitor that looks at the worker, or one on an arm that looks down."""
    eye = bpy.data.cameras.new("c")
    eye.lens_unit = "FOV"
    eye.angle = math.radians(rng.uniform(50, 88))
    eye.clip_start = 0.01
    held = bpy.data.objects.new("c", eye)
    bpy.context.collection.objects.link(held)
    low = rng.random() < 0.6
    at = Vector((rng.gauss(0, 0.15), -depth / 2 + rng.uniform(-0.35, 0.1), rng.uniform(0.18, 0.65)))
    if low:
        target = Vector((rng.gauss(0, 0.1), depth / 2 + 0.3, at.z - rng.uniform(0.1, 0.45)))
    else:
        target = Vector((rng.gauss(0, 0.1), rng.uniform(-0.1, 0.4), rng.uniform(-0.1, 0.1)))
        at.z += rng.uniform(0, 0.4)
    held.location = at
    turn = (target - at).to_track_quat("-Z", "Y").to_euler()
    turn.rotate_axis("Z", rng.gauss(0, 0.04))
    held.rotation_euler = turn
    bpy.context.scene.camera = held


def place(rng: random.Random, width: float, depth: float) -> tuple[list[str], list[Maker]]:
    """Items on the desk that do not stand in each other, in order."""
    kinds: list[str] = []
    makers: list[Maker] = []
    taken: list[tuple[float, float, float]] = []
    for _ in range(rng.randint(2, 9)):
        kind = rng.choices(KINDS, WEIGHTS)[0]
        reach = {"laptop": 0.2, "keyboard": 0.17, "paper": 0.13, "notebook": 0.14}.get(kind, 0.07)
        for _ in range(12):
            x = rng.uniform(-width / 2 + reach, width / 2 - reach) * rng.choice((0.5, 1))
            y = rng.uniform(-depth / 2 + 0.08, depth / 2 - 0.06)
            if all(math.hypot(x - a, y - b) > 0.75 * (reach + c) for a, b, c in taken):
                break
        else:
            continue
        taken.append((x, y, reach))
        kinds.append(kind)
        m = Maker(rng, len(kinds))
        MAKERS[kind](m)
        m.root.location = (x, y, 0)
        turned = {"keyboard": 0.15, "laptop": 0.4}.get(kind)
        about = rng.choice((0, math.pi)) if kind in ("keyboard", "laptop") else 0
        m.root.rotation_euler = (0, 0, about + rng.gauss(0, turned) if turned else rng.uniform(0, 6.28))
        if rng.random() < 0.3 and kind in ("paper", "notebook", "phone"):
            m.root.rotation_euler = (0, 0, rng.gauss(0, 0.2))
        makers.append(m)
    return kinds, makers


def height(maker: Maker, x: float, y: float) -> float | None:
    """How high the thing is at a place of its own frame; None beside it, or under another."""
    above = maker.root.matrix_world @ Vector((x, y, 1))
    hit, place, _, _, part, _ = bpy.context.scene.ray_cast(
        bpy.context.evaluated_depsgraph_get(), above, (0, 0, -1)
    )
    return place.z if hit and int(part["number"]) == maker.number else None


def lay(rng: random.Random, kinds: list[str], makers: list[Maker]) -> None:
    """Things that lie on those of ``makers``; their kinds are added to ``kinds``."""
    for one in laid(rng, kinds):
        bpy.context.view_layer.update()
        base = makers[one.base]
        lift = one.lifted(partial(height, base))
        if lift is None:
            continue
        kinds.append(one.kind)
        m = Maker(rng, len(kinds))
        MAKERS[one.kind](m)
        at = base.root.matrix_world @ Vector((one.x, one.y, 0))
        m.root.location = (at.x, at.y, lift)
        m.root.rotation_euler = (0, 0, base.root.rotation_euler[2] + one.turn)


def build(number: int) -> list[str]:
    rng = random.Random(SEED * 100_003 + number)
    clear()
    width, depth = rng.uniform(0.9, 1.8), rng.uniform(0.5, 0.85)
    top = Maker(rng, DESK)
    top.sheet(width, depth, (0, 0, 0), surface(rng, top))
    top.box((width, depth, 0.03), (0, 0, -0.017), top.material(any_colour(rng), 0.6))
    room(rng, depth)
    kinds, makers = place(rng, width, depth)
    on_the_desk = len(kinds)
    lay(random.Random(SEED * 1_000_003 + number), kinds, makers)
    if rng.random() < 0.7:
        person(Maker(rng, PEOPLE), depth / 2)
    lights(rng)
    viewpoint(rng, depth, on_the_desk)
    return kinds


def whole(count: int) -> list[float]:
    """Pixels that the outline of each of ``count`` items would have, if nothing hid it and the
    picture did not end; 0 where it reaches behind the camera."""
    bpy.context.view_layer.update()
    scene = bpy.context.scene
    seen: list[list[Vector]] = [[] for _ in range(count)]
    for part in bpy.data.objects:
        if part.type == "MESH" and 1 <= int(part["number"]) <= count:
            for vertex in part.data.vertices:
                place = part.matrix_world @ vertex.co
                seen[int(part["number"]) - 1].append(
                    world_to_camera_view(scene, scene.camera, place)
                )
    return [
        outline_area(np.array([(p.x * WIDTH, p.y * HEIGHT) for p in points]))
        if all(p.z > 0.02 for p in points) else 0.0
        for points in seen
    ]


def settings(samples: int, threads: int) -> None:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.max_bounces = 8
    scene.cycles.diffuse_bounces = scene.cycles.glossy_bounces = 3
    scene.cycles.use_denoising = True
    scene.cycles.denoising_quality = "FAST"
    scene.cycles.use_adaptive_sampling = False
    scene.render.threads_mode = "FIXED"
    scene.render.threads = threads
    scene.render.dither_intensity = 0
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "PNG"


def shoot(path: Path, rng: random.Random, threads: int) -> None:
    scene = bpy.context.scene
    settings(4, threads)
    scene.cycles.pixel_filter_type = "BLACKMAN_HARRIS"
    scene.view_settings.view_transform = rng.choice(("Standard", "AgX", "Filmic"))
    scene.view_settings.exposure = rng.uniform(-0.6, 0.8)
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def shoot_mask(path: Path, threads: int) -> None:
    scene = bpy.context.scene
    settings(1, threads)
    scene.cycles.use_denoising = False
    scene.cycles.max_bounces = 0
    scene.cycles.pixel_filter_type = "BOX"
    scene.cycles.filter_width = 0.01
    scene.view_settings.view_transform = "Raw"
    scene.view_settings.exposure = 0
    scene.world.node_tree.nodes["Background"].inputs[1].default_value = 0
    flat: dict[int, bpy.types.Material] = {}
    for part in bpy.data.objects:
        if part.type == "LIGHT":
            part.hide_render = True
        if part.type != "MESH":
            continue
        number = int(part["number"])
        if number not in flat:
            made = bpy.data.materials.new("f")
            made.use_nodes = True
            tree = made.node_tree
            tree.nodes.clear()
            glow, out = tree.nodes.new("ShaderNodeEmission"), tree.nodes.new("ShaderNodeOutputMaterial")
            glow.inputs[0].default_value = (number / 255, number / 255, number / 255, 1)
            tree.links.new(glow.outputs[0], out.inputs[0])
            flat[number] = made
        part.data.materials[0] = flat[number]
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    for number in range(args.first, args.first + args.count * args.step, args.step):
        described = args.out / f"{number:05d}.json"
        if described.exists():
            continue
        kinds = build(number)
        sizes = [round(size, 1) for size in whole(len(kinds))]
        shoot(args.out / f"{number:05d}.png", random.Random(number), args.threads)
        shoot_mask(args.out / f"{number:05d}.mask.png", args.threads)
        part = described.with_suffix(".part")
        part.write_text(json.dumps({"kinds": kinds, "whole": sizes}))
        os.replace(part, described)


if __name__ == "__main__":
    main()
