"""Archives: many recordings, cleared by many processes, on one machine or on Ray.

``sources`` finds the inputs, ``state`` remembers what became of each, ``run`` hands what is
left to an engine (``pool`` or ``cluster``), whose workers call ``work.clear`` for one file:
``homeveil.redact`` and nothing else. ``summary`` tells about the whole. ``places`` is the one
door to fsspec.
"""
