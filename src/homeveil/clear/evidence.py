"""What looks have said about each cell since it last changed.

Looks at several scales vote. A real person is seen at more than one scale, or moves, or
has a face; a mug or a sheet of paper may look like a hand at one scale and at no other.
"""

from __future__ import annotations

import math

import numpy as np

from homeveil import _kernels
from homeveil.clear.patches import large, sizes, touching
from homeveil.grid import BoolGrid, Box, CellWindow, FloatGrid, Grid
from homeveil.perceive.observation import BAND_WIDTHS, Face, PeopleLook

BANDS = len(BAND_WIDTHS)
SCAN_BANDS = tuple(range(1, BANDS))
LOOKS_NEEDED = 2
"""Looks at each scanning band before a cell can be called empty."""

SEEN = 0.15
"""Mean probability from which a band says that somebody is there."""

SURE = 0.45
"""Mean probability from which one band is enough."""

CONTRADICTION = 0.35
"""Mean probability in two bands that withdraws a plate."""

FACE_ALONE = 0.5
FACE_AGREED = 0.4
FACE_SEEN = 0.3
"""Detector scores: enough in one band; enough for the better of two bands that agree; and
what the lesser of those must have. Measured on pictures of 5 to 12 pixel faces."""

UNCONFIRMED = 0.6
"""What a face counts that a second detector does not see on a close-up."""

SOMEBODY_CELLS = 12
"""How many cells of people hang together that are remembered when they stir; fewer are mostly a
thing that a look took for a hand."""

_TALL_CELLS = 4
_FEET_SHARE = 0.5
_TRACE = 0.06
_RIM = 0.1


class Evidence:
    """Votes per band and cell; ``forget`` clears them where something changed."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self.votes = np.zeros((BANDS, *grid.shape), np.float32)
        self.looks = np.zeros((BANDS, *grid.shape), np.float32)
        self.faces = np.zeros((BANDS, *grid.shape), np.float32)
        self.excused = np.zeros(grid.shape, bool)
        self._stirred = np.zeros(grid.shape, bool)
        self._sure = np.zeros(grid.shape, bool)
        self._means: FloatGrid | None = None

    def forget(self, cells: BoolGrid) -> None:
        """Start anew in ``cells``, which changed: who was seen there moved, but is not gone."""
        self._stirred |= cells & self._sure & large(self._sure | self._stirred, SOMEBODY_CELLS)
        self.forget_looks(cells)
        self.faces[:, cells] = 0

    def forget_looks(self, cells: BoolGrid) -> None:
        """What people masks saw in ``cells``, which have not changed, is void; a face that was
        found there stays one."""
        self.votes[:, cells] = 0
        self.looks[:, cells] = 0
        self.excused &= ~cells
        self._means = None

    def excuse(self, cells: BoolGrid) -> None:
        """What the mask saw in ``cells`` is nobody, until they change."""
        if cells.any():
            self.excused |= cells
            self._means = None

    def add_look(self, look: PeopleLook, spill: BoolGrid, moving: BoolGrid) -> None:
        """Take in a people mask.

        spill: cells that the agent's outline spills into; they are looked at, but do not
        vote. moving: cells beside others; they are not even looked at.
        """
        inner = trusted(look.window, self._grid)
        inside = inner.inside(look.window)
        index = (look.band, *inner.index)
        counted: BoolGrid = ~moving[inner.index]
        voting = counted & ~spill[inner.index]
        self.votes[index] += np.where(voting, look.probability[inside], 0)
        self.looks[index] += counted
        self._means = None

    def add_face(self, face: Face) -> None:
        """Take in a face that is not the agent's; its body hangs below it."""
        cells = self._grid.window(face_and_body(face)).index
        view = self.faces[(face.band, *cells)]
        np.maximum(view, worth(face), out=view)

    def means(self) -> FloatGrid:
        """(bands, rows, cols), to be read only: mean probability per band; 0 without looks or if
        excused."""
        if self._means is None:
            self._means = (self.votes / np.maximum(self.looks, 1)).astype(np.float32)
            self._means[:, self.excused] = 0
        return self._means

    def looked_enough(self) -> BoolGrid:
        """Cells with enough looks at every scanning band."""
        enough: BoolGrid = np.all(self.looks[1:] >= LOOKS_NEEDED, axis=0)
        return enough

    def occupied(self) -> tuple[BoolGrid, BoolGrid]:
        """Cells that looks call occupied, surely and at all.

        Sure: two bands agree, one band is certain, or a face is there. The second grid
        adds cells in which a single band saw something. What stirred and was looked at anew since
        is settled by the first, which is kept for when its cells change.
        """
        means = self.means()
        seen = means > SEEN
        bodies = (seen.sum(0) >= 2) | (means.max(0) > SURE)
        faces = self.face_there()
        # Somebody who stands still has a face and, below it, a body of which masks see parts.
        sure = with_feet(touching(bodies | faces, bodies)) | faces
        self._sure = sure
        self._stirred &= ~self.looked_enough() | sure
        return sure, sure | seen.any(0)

    def stirred(self) -> BoolGrid:
        """Cells in which somebody was seen who has moved since, and which were not looked at anew
        and found empty; to be read only."""
        return self._stirred

    def suspected(self) -> BoolGrid:
        """Cells in which any band of the people mask saw something."""
        suspected: BoolGrid = np.any(self.means() > SEEN, axis=0)
        return suspected

    def contradicted(self) -> BoolGrid:
        """Cells in which looks see somebody so surely that a plate must have been wrong."""
        means = self.means()
        strong: BoolGrid = ((means > CONTRADICTION) & (self.looks >= LOOKS_NEEDED)).sum(0) >= 2
        return strong | self.face_there()

    def face_there(self) -> BoolGrid:
        """Cells of a face, and of the body below it, that hold still: a picture."""
        best = self.faces.max(0)
        agreed = (self.faces >= FACE_SEEN).sum(0) >= 2
        there: BoolGrid = (best >= FACE_ALONE) | (agreed & (best >= FACE_AGREED))
        return there

    def traces(self) -> BoolGrid:
        """Cells with the least sign of somebody at any scale."""
        trace: BoolGrid = (self.means().max(0) > _TRACE) | (self.faces.max(0) >= FACE_SEEN)
        return trace


def worth(face: Face) -> float:
    """The score of ``face``, less if a second detector did not see it."""
    return face.score if face.confirmed else UNCONFIRMED * face.score


def with_feet(cells: BoolGrid) -> BoolGrid:
    """``cells`` with every tall patch drawn out downward.

    Masks lose the feet and legs of far people first, and people stand on what is below.
    """
    count, labels = _kernels.label(cells)
    result = cells.copy()
    for number in np.flatnonzero(sizes(labels, count) >= _TALL_CELLS):
        patch = labels == number
        window = CellWindow.around(patch)
        height, width = window.shape
        if height < max(_TALL_CELLS, width):
            continue
        bottom = min(cells.shape[0], window.row1 + math.ceil(_FEET_SHARE * height))
        result[window.row0 + height // 2 : bottom, window.col0 : window.col1] = True
    return result


def trusted(window: CellWindow, grid: Grid) -> CellWindow:
    """The part of a look that counts: without its rim, unless that is the frame's own.

    A mask is blind where a person is cut off, so windows overlap by their rims.
    """
    rows, cols = window.shape
    y, x = max(1, round(rows * _RIM)), max(1, round(cols * _RIM))
    return CellWindow(
        window.row0 + (y if window.row0 > 0 else 0),
        window.col0 + (x if window.col0 > 0 else 0),
        window.row1 - (y if window.row1 < grid.rows else 0),
        window.col1 - (x if window.col1 < grid.cols else 0),
    )


def face_and_body(face: Face) -> Box:
    """The place of a face in a picture or of a distant person: head, shoulders, chest."""
    return face.box.grown(1.1, 0.8, 1.1, 2.4)


