"""The kinds of desk items, each varied in shape, size, colour and pose; people as negatives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from looks import any_colour, dark, grey, light, screen, vivid, writing

if TYPE_CHECKING:
    from shapes import Maker

KINDS = (
    "phone", "paper", "notebook", "pen", "camera", "laptop", "keyboard", "mouse", "mug", "other",
)
"""In the order of the network's channels."""


def phone(m: Maker) -> None:
    r = m.rng
    w, d, h = r.uniform(0.062, 0.082), r.uniform(0.13, 0.172), r.uniform(0.006, 0.012)
    stood = r.random() < 0.12
    turn = (math.radians(r.uniform(35, 80)), 0, 0) if stood else (0, 0, 0)
    lift = math.sin(turn[0]) * d / 2 + h / 2
    body = m.material(any_colour(r), r.uniform(0.15, 0.6), r.choice((0, 0, 0.8)))
    m.box((w, d, h), (0, 0, lift), body, turn, bevel=h * 0.4)
    up = (0, -math.sin(turn[0]) * (h / 2 + 4e-4), lift + math.cos(turn[0]) * (h / 2 + 4e-4))
    if stood or r.random() < 0.72:
        off = r.random() < 0.55
        face = (
            m.material(dark(r), r.uniform(0.03, 0.25))
            if off
            else m.picture(screen(r), 0.1, r.uniform(0.3, 1.5))
        )
        m.sheet(w * 0.94, d * r.uniform(0.86, 0.96), up, face, turn)
    else:
        lens = m.material(dark(r), 0.1)
        x = r.choice((-1, 0, 1)) * w * 0.25
        m.box((w * 0.36, w * r.uniform(0.3, 0.5), 0.003), (x, d * 0.36, lift + h / 2), body)
        for i in range(r.randint(1, 3)):
            m.cylinder(0.006, 0.003, (x, d * 0.36 + (i - 1) * 0.014, lift + h / 2 + 0.002), lens)


def paper(m: Maker) -> None:
    r = m.rng
    w, d = r.choice(((0.21, 0.297),) * 4 + ((0.148, 0.21), (0.216, 0.279), (0.1, 0.15), (0.076, 0.076)))
    count = r.choice((1, 1, 1, 2, 3, 6))
    if r.random() < 0.3:
        w, d = d, w
    white = light(r) if r.random() < 0.85 or w > 0.1 else vivid(r)
    for i in range(count):
        page = writing(r, white, r.randint(10, 30), r.choice((0, 0.5, 1, 1)))
        spread = 0.0 if count == 1 else r.choice((0.004, 0.03))
        m.sheet(
            w, d, (r.gauss(0, spread), r.gauss(0, spread), 0.0006 + 0.0007 * i),
            m.picture(page, 0.85), (0, 0, r.gauss(0, spread * 3)),
            curl=r.choice((0, 0.002, 0.006, 0.015)),
        )


def notebook(m: Maker) -> None:
    r = m.rng
    w, d, h = r.uniform(0.1, 0.22), r.uniform(0.14, 0.3), r.uniform(0.007, 0.045)
    cream = m.material(light(r), 0.9)
    cover = m.material(any_colour(r), r.uniform(0.3, 0.9))
    if r.random() < 0.55:
        _opened(m, w, d, r.uniform(0.004, 0.02), cover, cream)
        return
    if r.random() < 0.25:
        h = r.uniform(0.004, 0.008)
    for i in range(r.choice((1, 1, 1, 2, 3))):
        base = i * (h + 0.001)
        turn = (0, 0, r.gauss(0, 0.15) if i else 0)
        m.box((w * 0.97, d * 0.97, h * 0.8), (0, 0, base + h / 2), cream, turn)
        for z in (base + h * 0.05, base + h * 0.95):
            m.box((w, d, max(0.001, h * 0.1)), (0, 0, z), cover, turn)
        m.box((0.003, d, h), (-w / 2, 0, base + h / 2), cover, turn)
        if r.random() < 0.5:
            label = m.picture(writing(r, any_colour(r), r.randint(2, 6)), 0.6)
            m.sheet(w * r.uniform(0.3, 0.9), d * r.uniform(0.2, 0.7), (0, d * 0.1, base + h * 1.0 + 0.0008), label, turn)
        cover = m.material(any_colour(r), 0.6)
    if r.random() < 0.25:
        _spiral(m, d, h, -w / 2)


def _opened(m: Maker, w: float, d: float, h: float, cover, cream) -> None:
    """Two pages, blank or written on, that fall towards the middle; a cover may look out."""
    r = m.rng
    rim, bow = r.choice((0.0, 0.003, 0.006, 0.012)), r.choice((0.0, 0.002, 0.004, 0.008))
    ruled = r.choice((0, 0, 0.7, 1))
    white = light(r)
    for side in (-1, 1):
        tilt = side * r.uniform(0.0, 0.06)
        m.box((w + rim, d + 2 * rim, 0.003), (side * (w + rim) / 2, 0, 0.002), cover)
        m.box((w, d, h), (side * w / 2, 0, h / 2 + 0.003), cream, (0, tilt, 0))
        page = m.picture(writing(r, white, r.randint(12, 26), ruled if r.random() < 0.8 else 0), 0.9)
        m.sheet(w * 0.99, d * 0.99, (side * w / 2, 0, h + 0.0045), page, (0, tilt, 0), bow)
    if r.random() < 0.4:
        _spiral(m, d, h + 0.004, 0.0)
    elif r.random() < 0.7:
        shade = m.material(grey(r), 0.9)
        m.sheet(r.uniform(0.002, 0.008), d * 0.99, (0, 0, h + 0.0065 + bow), shade)


def _spiral(m: Maker, depth: float, height: float, x: float) -> None:
    wire = m.material(grey(m.rng), 0.3, 0.9)
    for i in range(14):
        m.ring(0.006, 0.0009, (x, (i / 13 - 0.5) * depth * 0.94, height), wire, (math.pi / 2, 0, 0))


def pen(m: Maker) -> None:
    r = m.rng
    length, radius = r.uniform(0.12, 0.17), r.uniform(0.003, 0.006)
    body = m.material(any_colour(r), r.uniform(0.2, 0.6))
    flat = (math.pi / 2, 0, 0)
    m.cylinder(radius, length, (0, 0, radius), body, flat)
    m.cylinder(radius, 0.014, (0, -length / 2 - 0.007, radius), m.material(any_colour(r), 0.4), (math.pi / 2, 0, 0), top=0.0008)
    if r.random() < 0.6:
        m.cylinder(radius * 1.1, length * 0.35, (0, length * 0.3, radius), m.material(any_colour(r), 0.4), flat)


def camera(m: Maker) -> None:
    r = m.rng
    body = m.material(dark(r) if r.random() < 0.7 else grey(r), r.uniform(0.3, 0.7))
    glass, rim = m.material((0.01, 0.01, 0.03), 0.03), m.material(grey(r), 0.3, 0.7)
    kind = r.choice(("compact", "slr", "slr", "web", "action"))
    w, d, h = {
        "compact": (r.uniform(0.085, 0.115), r.uniform(0.02, 0.04), r.uniform(0.05, 0.07)),
        "slr": (r.uniform(0.11, 0.15), r.uniform(0.05, 0.07), r.uniform(0.08, 0.1)),
        "web": (r.uniform(0.05, 0.1), r.uniform(0.03, 0.05), r.uniform(0.03, 0.06)),
        "action": (r.uniform(0.055, 0.075), r.uniform(0.02, 0.04), r.uniform(0.04, 0.05)),
    }[kind]
    m.box((w, d, h), (0, 0, h / 2), body, bevel=min(d, h) * 0.15)
    radius = h * r.uniform(0.28, 0.42)
    length = r.uniform(0.03, 0.11) if kind == "slr" else r.uniform(0.006, 0.03)
    front = (math.pi / 2, 0, 0)
    x = 0 if kind != "action" else w * 0.2
    m.cylinder(radius, length, (x, -d / 2 - length / 2, h * 0.48), body, front)
    m.cylinder(radius * 1.04, 0.006, (x, -d / 2 - length, h * 0.48), rim, front)
    m.cylinder(radius * 0.8, 0.004, (x, -d / 2 - length - 0.002, h * 0.48), glass, front)
    if kind == "slr":
        m.box((w * 0.35, d * 0.8, h * 0.25), (0, 0, h * 1.08), body, bevel=0.005)
    if kind == "compact":
        m.box((w, d * 1.02, h * 0.2), (0, 0, h * 0.9), rim)


def _keys(m: Maker, w: float, d: float, z: float, y: float, columns: int, key) -> None:
    rows = m.rng.choice((4, 5, 6))
    step_x, step_y = w / columns, d / rows
    for row in range(rows):
        if row == 0:
            m.box((w * 0.42, step_y * 0.8, 0.004), (0, y - d / 2 + step_y / 2, z), key)
        for column in range(columns):
            if row == 0 and 0.25 < (column + 0.5) / columns < 0.75:
                continue
            at = (-w / 2 + (column + 0.5) * step_x, y - d / 2 + (row + 0.5) * step_y, z)
            m.box((step_x * 0.82, step_y * 0.8, 0.004), at, key)


def keyboard(m: Maker) -> None:
    r = m.rng
    w, d, h = r.choice((r.uniform(0.27, 0.33), r.uniform(0.4, 0.46))), r.uniform(0.1, 0.16), r.uniform(0.008, 0.025)
    shell = r.choice((dark, dark, light, grey))(r)
    key = shell if r.random() < 0.4 else r.choice((dark, light, grey))(r)
    m.box((w, d, h), (0, 0, h / 2), m.material(shell, 0.6), bevel=0.003)
    _keys(m, w * 0.96, d * 0.9, h + 0.002, 0, int(w / 0.021), m.material(key, 0.6))


def laptop(m: Maker) -> None:
    r = m.rng
    w = r.uniform(0.28, 0.38)
    d, h = w * r.uniform(0.62, 0.72), r.uniform(0.012, 0.022)
    shell = m.material(r.choice((dark, grey, light))(r), r.uniform(0.3, 0.6), r.choice((0, 0.7)))
    m.box((w, d, h), (0, 0, h / 2), shell, bevel=0.003)
    if r.random() < 0.15:
        m.box((w, d, 0.006), (0, 0, h + 0.003), shell, bevel=0.002)
        return
    _keys(m, w * 0.88, d * 0.45, h + 0.001, d * 0.14, 14, m.material(dark(r), 0.6))
    m.box((w * 0.3, d * 0.28, 0.001), (0, -d * 0.3, h), m.material(grey(r), 0.4))
    open_by = math.radians(r.uniform(92, 130))
    lean = open_by - math.pi / 2
    at = (0, d / 2 + math.sin(lean) * d / 2, h + math.cos(lean) * d / 2)
    m.box((w, 0.007, d), at, shell, (-lean, 0, 0), bevel=0.002)
    turn = (math.pi / 2 - lean, 0, 0)
    shown = m.picture(writing(r, any_colour(r), r.randint(5, 25)), 0.2, r.uniform(0, 1.2))
    m.sheet(w * 0.94, d * 0.9, (at[0], at[1] - 0.0045, at[2]), shown, turn)
    if r.random() < 0.6:
        m.cylinder(0.016, 0.001, (at[0], at[1] + 0.0042, at[2]), m.material(any_colour(r), 0.3), turn)


def mouse(m: Maker) -> None:
    r = m.rng
    w, d, h = r.uniform(0.052, 0.072), r.uniform(0.095, 0.125), r.uniform(0.022, 0.042)
    tone = r.choice((dark, dark, light, grey, vivid))
    shell = m.material(tone(r), r.uniform(0.2, 0.7))
    trim = m.material(r.choice((tone, dark, grey, any_colour))(r), r.uniform(0.2, 0.7))
    if r.random() < 0.65:
        m.ball((w, d, h * 2), (0, 0, 0), shell, flat=True)
        if r.random() < 0.4:
            m.ball((w * 1.02, d * 0.6, h * 1.7), (0, d * r.choice((-0.22, 0.22)), 0), trim, flat=True)
    else:
        slope = r.uniform(0.03, 0.16)
        m.box((w, d, h * 0.7), (0, 0, h * 0.4), shell, (-slope, 0, 0), bevel=h * r.uniform(0.15, 0.3))
        if r.random() < 0.6:
            m.box((w * 0.7, d * 0.5, h * 0.2), (0, -d * 0.16, h * 0.78), trim, (-slope, 0, 0), bevel=h * 0.08)
    if r.random() < 0.5:
        m.box((0.0015, d * 0.42, 0.003), (0, d * 0.22, h * 0.88), m.material(dark(r), 0.6), (-0.2, 0, 0))
    m.box((0.007, 0.02, 0.009), (0, d * 0.25, h * 0.87), m.material(any_colour(r), 0.5))


def mug(m: Maker) -> None:
    r = m.rng
    colour = m.material(any_colour(r), r.uniform(0.1, 0.6))
    if r.random() < 0.45:
        radius, h = r.uniform(0.032, 0.048), r.uniform(0.07, 0.125)
        m.cylinder(radius * r.uniform(0.75, 1), h, (0, 0, h / 2), colour, top=radius, caps=False)
        m.cylinder(radius * 0.9, 0.002, (0, 0, h * r.uniform(0.5, 0.92)), m.material(r.choice(((0.03, 0.012, 0.005), dark(r), light(r))), 0.2))
        if r.random() < 0.75:
            a = r.uniform(0, 6.28)
            m.ring(h * 0.27, 0.005, (radius * 1.05 * math.cos(a), radius * 1.05 * math.sin(a), h * 0.5), colour, (math.pi / 2, 0, a))
        return
    _bottle(m, colour)


def _glass(m: Maker, tint):
    """Something clear, colourless or of a tint, empty (light goes straight through) or full."""
    r = m.rng
    return m.material(tint, r.uniform(0.02, 0.2), clear=r.uniform(0.6, 0.93), bends=r.choice((1.05, 1.33, 1.33, 1.5)))


def _bottle(m: Maker, colour) -> None:
    """A can, a bottle or a drinking glass; six of ten are clear."""
    r = m.rng
    radius, h = r.uniform(0.03, 0.042), r.uniform(0.11, 0.19)
    if r.random() < 0.4:
        m.cylinder(radius, h, (0, 0, h / 2), colour)
        if r.random() < 0.75:
            m.cylinder(radius, 0.04, (0, 0, h + 0.02), colour, top=0.014)
            m.cylinder(0.015, 0.035, (0, 0, h + 0.055), m.material(any_colour(r), 0.4))
        if r.random() < 0.6:
            m.cylinder(radius * 1.01, h * 0.4, (0, 0, h * 0.5), m.material(any_colour(r), 0.5))
        return
    hue = r.choice(((0.95, 0.97, 1.0), (0.95, 0.97, 1.0), (0.6, 0.82, 1.0), (0.55, 0.85, 0.6), (0.8, 0.5, 0.2), any_colour(r)))
    glass = _glass(m, tuple(min(1.0, part * r.uniform(0.85, 1.05)) for part in hue))
    if r.random() < 0.25:
        m.cylinder(radius * r.uniform(0.7, 1), h * 0.8, (0, 0, h * 0.4), glass, top=radius, caps=False)
        m.cylinder(radius * 0.7, 0.004, (0, 0, 0.003), glass)
        if r.random() < 0.6:
            m.cylinder(radius * 0.85, 0.002, (0, 0, h * r.uniform(0.2, 0.7)), m.material(any_colour(r), 0.05))
        return
    shoulder, neck = r.uniform(0.035, 0.085), r.uniform(0.009, 0.015)
    waist = r.uniform(0.85, 1.0)
    m.cylinder(radius, h * 0.5, (0, 0, h * 0.25), glass, top=radius * waist, caps=False)
    m.cylinder(radius * waist, h * 0.5, (0, 0, h * 0.75), glass, top=radius, caps=False)
    m.cylinder(radius * 0.95, 0.003, (0, 0, 0.002), glass)
    m.cylinder(radius, shoulder * 0.5, (0, 0, h + shoulder * 0.25), glass, top=(radius + neck) * 0.6, caps=False)
    m.cylinder((radius + neck) * 0.6, shoulder * 0.5, (0, 0, h + shoulder * 0.75), glass, top=neck, caps=False)
    if r.random() < 0.85:
        cap = r.uniform(0.012, 0.022)
        m.cylinder(neck * r.uniform(1.05, 1.3), cap, (0, 0, h + shoulder + cap / 2), m.material(any_colour(r), 0.4))
    if r.random() < 0.55:
        tall = r.uniform(0.2, 0.6)
        m.cylinder(radius * 1.02, h * tall, (0, 0, h * r.uniform(tall / 2, 1 - tall / 2)), m.material(any_colour(r), 0.5), caps=False)
    if r.random() < 0.5:
        full = r.uniform(0.2, 0.95)
        m.cylinder(radius * 0.93 * waist, 0.002, (0, 0, h * full), m.material(any_colour(r) if r.random() < 0.3 else light(r), 0.05))


def other(m: Maker) -> None:
    r = m.rng
    colour = m.material(any_colour(r), r.uniform(0.1, 0.9), r.choice((0, 0, 0, 0.9)))
    kind = r.choice(("box", "fruit", "ring", "plant", "glasses", "plate", "tape", "stapler", "lamp"))
    if kind == "box":
        w, d, h = (r.uniform(0.05, 0.2) for _ in range(3))
        m.box((w, d, h), (0, 0, h / 2), colour)
    elif kind == "fruit":
        size = r.uniform(0.06, 0.09)
        m.ball((size, size, size * r.uniform(0.8, 1)), (0, 0, size / 2), colour)
    elif kind == "ring":
        m.ring(r.uniform(0.07, 0.09), 0.009, (0, 0, 0.02), colour)
        for x in (-0.08, 0.08):
            m.ball((0.04, 0.08, 0.08), (x, -0.04, 0.035), m.material(dark(r), 0.8))
    elif kind == "plant":
        m.cylinder(0.04, 0.09, (0, 0, 0.045), colour, top=0.055)
        leaf = m.material((0.03, r.uniform(0.1, 0.3), 0.04), 0.6)
        for _ in range(14):
            m.ball((0.03, 0.012, 0.09), (r.gauss(0, 0.03), r.gauss(0, 0.03), r.uniform(0.1, 0.18)), leaf, tuple(r.uniform(-1, 1) for _ in range(3)))
    elif kind == "glasses":
        for x in (-0.034, 0.034):
            m.ring(0.026, 0.002, (x, 0, 0.026), colour, (math.pi / 2, 0, 0))
            m.box((0.003, 0.13, 0.004), (x * 1.9, 0.065, 0.03), colour)
    elif kind == "plate":
        m.cylinder(0.06, 0.02, (0, 0, 0.01), colour, top=r.uniform(0.08, 0.13))
    elif kind == "tape":
        m.ring(r.uniform(0.03, 0.05), 0.011, (0, 0, 0.011), colour)
    elif kind == "stapler":
        m.box((0.035, 0.14, 0.02), (0, 0, 0.01), colour, bevel=0.004)
        m.box((0.03, 0.14, 0.02), (0, 0.005, 0.04), colour, (0.15, 0, 0), bevel=0.006)
    else:
        m.cylinder(0.07, 0.02, (0, 0, 0.01), colour)
        m.cylinder(0.008, 0.35, (0, 0, 0.18), colour)


def person(m: Maker, edge_y: float) -> None:
    """Head, torso and two arms behind the desk's far edge; hands may lie on the desk."""
    r = m.rng
    x, y = r.gauss(0, 0.12), edge_y + r.uniform(0.12, 0.35)
    tone = r.uniform(0.12, 1)
    skin = m.material((0.75 * tone, 0.48 * tone, 0.36 * tone), 0.6)
    cloth = m.material(any_colour(r), 0.95)
    m.ball((0.42, 0.25, 0.7), (x, y, 0.12), cloth)
    m.ball((0.17, 0.2, 0.24), (x, y, 0.6), skin)
    m.ball((0.2, 0.21, 0.2), (x, y + 0.03, 0.66), m.material(any_colour(r), 0.9))
    for side in (-1, 1):
        reach = (x + side * r.uniform(0.05, 0.4), edge_y - r.uniform(-0.15, 0.5), r.choice((0.02, 0.02, r.uniform(0, 0.5))))
        arm(m, (x + side * 0.3, y - 0.08, 0.12), reach, skin, cloth if r.random() < 0.7 else skin)


def arm(m: Maker, elbow, hand, skin, cloth) -> None:
    """A sleeve or forearm from ``elbow`` to ``hand``, with a palm and four fingers."""
    (ax, ay, az), (bx, by, bz) = elbow, hand
    length = math.dist(elbow, hand)
    way = ((bx - ax) / length, (by - ay) / length, (bz - az) / length)
    turn = (0.0, math.acos(max(-1, min(1, way[2]))), math.atan2(way[1], way[0]))
    m.cylinder(0.05, length, tuple((p + q) / 2 for p, q in zip(elbow, hand)), cloth, turn, top=0.032)

    def on(along: float, aside: float):
        return (bx + way[0] * along - way[1] * aside, by + way[1] * along + way[0] * aside, bz + way[2] * along)

    m.ball((0.04, 0.085, 0.1), on(0.04, 0), skin, turn)
    for i in range(4):
        m.ball((0.018, 0.018, 0.085), on(m.rng.uniform(0.09, 0.13), (i - 1.5) * 0.019), skin, turn)


MAKERS = {
    "phone": phone, "paper": paper, "notebook": notebook, "pen": pen, "camera": camera,
    "laptop": laptop, "keyboard": keyboard, "mouse": mouse, "mug": mug, "other": other,
}
