"""Writes the C of the extension module: python generate.py CDEF OUTPUT."""

import sys
from pathlib import Path

from cffi import FFI

cdef, output = Path(sys.argv[1]), sys.argv[2]
ffi = FFI()
ffi.cdef(cdef.read_text())
ffi.set_source("homeveil._native", '#include "homeveil.h"')
ffi.emit_c_code(output)
