"""Meshes and materials of desk items for `render.py`: every one is made here, from numbers.

Units are metres; an item stands on z = 0 around the origin and looks along -y.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import bmesh
import bpy
import numpy as np
from looks import Colour


class Maker:
    """Adds the parts of one thing to the scene; all carry its number for the mask."""

    def __init__(self, rng: random.Random, number: int) -> None:
        self.rng = rng
        self.number = number
        self.root = bpy.data.objects.new("root", None)
        bpy.context.collection.objects.link(self.root)

    def material(
        self, colour: Colour, rough: float = 0.5, metal: float = 0.0, glow: float = 0.0,
        clear: float = 0.0, bends: float = 1.33,
    ) -> bpy.types.Material:
        """clear: share of the light that goes through; bends: refractive index."""
        made = bpy.data.materials.new("m")
        made.use_nodes = True
        shader = made.node_tree.nodes["Principled BSDF"]
        shader.inputs["Base Color"].default_value = (*colour, 1)
        shader.inputs["Roughness"].default_value = rough
        shader.inputs["Metallic"].default_value = metal
        if clear:
            shader.inputs["Transmission Weight"].default_value = clear
            shader.inputs["IOR"].default_value = bends
        if glow:
            shader.inputs["Emission Color"].default_value = (*colour, 1)
            shader.inputs["Emission Strength"].default_value = glow
        return made

    def picture(self, pixels: np.ndarray, rough: float = 0.5, glow: float = 0.0):
        """A material that shows (h, w, 3) float pixels over the face's unit square."""
        height, width = pixels.shape[:2]
        image = bpy.data.images.new("i", width, height)
        image.pixels.foreach_set(
            np.dstack([pixels, np.ones((height, width, 1))]).astype(np.float32).ravel()
        )
        made = self.material((1, 1, 1), rough)
        tree = made.node_tree
        node = tree.nodes.new("ShaderNodeTexImage")
        node.image = image
        shader = tree.nodes["Principled BSDF"]
        tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
        if glow:
            tree.links.new(node.outputs["Color"], shader.inputs["Emission Color"])
            shader.inputs["Emission Strength"].default_value = glow
        return made

    def _add(self, mesh_of: Callable[[bmesh.types.BMesh], None], at, turn, material, smooth=False):
        built = bmesh.new()
        mesh_of(built)
        if smooth:
            for face in built.faces:
                face.smooth = True
        mesh = bpy.data.meshes.new("p")
        built.to_mesh(mesh)
        built.free()
        part = bpy.data.objects.new("p", mesh)
        mesh.materials.append(material)
        part.location, part.rotation_euler = at, turn
        part.parent = self.root
        part["number"] = self.number
        bpy.context.collection.objects.link(part)
        return part

    def box(self, size, at, material, turn=(0, 0, 0), bevel=0.0):
        def mesh_of(built):
            bmesh.ops.create_cube(built, size=1)
            bmesh.ops.scale(built, vec=size, verts=built.verts)
            if bevel:
                bmesh.ops.bevel(
                    built, geom=built.edges[:], offset=bevel, segments=2, affect="EDGES",
                    profile=0.5,
                )

        return self._add(mesh_of, at, turn, material)

    def sheet(self, width, depth, at, material, turn=(0, 0, 0), curl=0.0):
        """A grid of 12x12 with texture coordinates, bent by ``curl`` metres."""
        phase = self.rng.uniform(0, 6.28)

        def mesh_of(built):
            bmesh.ops.create_grid(built, x_segments=12, y_segments=12, size=0.5, calc_uvs=False)
            layer = built.loops.layers.uv.new("uv")
            for face in built.faces:
                for loop in face.loops:
                    loop[layer].uv = (loop.vert.co.x + 0.5, loop.vert.co.y + 0.5)
            for vert in built.verts:
                x, y = vert.co.x, vert.co.y
                lift = curl * abs(math.sin(2.2 * x + 1.4 * y + phase)) ** 2
                vert.co = (x * width, y * depth, lift)

        return self._add(mesh_of, at, turn, material, smooth=True)

    def cylinder(self, radius, height, at, material, turn=(0, 0, 0), top=None, caps=True):
        def mesh_of(built):
            bmesh.ops.create_cone(
                built, cap_ends=caps, segments=28, radius1=radius,
                radius2=radius if top is None else top, depth=height,
            )

        return self._add(mesh_of, at, turn, material, smooth=True)

    def ball(self, size, at, material, turn=(0, 0, 0), flat=False):
        def mesh_of(built):
            bmesh.ops.create_uvsphere(built, u_segments=20, v_segments=12, radius=0.5)
            if flat:
                for vert in built.verts:
                    vert.co.z = max(vert.co.z, 0)
            bmesh.ops.scale(built, vec=size, verts=built.verts)

        return self._add(mesh_of, at, turn, material, smooth=True)

    def ring(self, radius, thick, at, material, turn=(0, 0, 0)):
        def mesh_of(built):
            for i in range(20):
                a = 2 * math.pi * i / 20
                made = bmesh.ops.create_cone(
                    built, cap_ends=False, segments=8, radius1=thick, radius2=thick,
                    depth=2 * math.pi * radius / 19,
                )
                bmesh.ops.rotate(
                    built, verts=made["verts"], cent=(0, 0, 0), matrix=_about("X", math.pi / 2)
                )
                bmesh.ops.translate(built, verts=made["verts"], vec=(radius, 0, 0))
                bmesh.ops.rotate(
                    built, verts=made["verts"], cent=(0, 0, 0), matrix=_about("Z", a)
                )

        return self._add(mesh_of, at, turn, material, smooth=True)


def _about(axis: str, angle: float):
    from mathutils import Matrix

    return Matrix.Rotation(angle, 3, axis)
