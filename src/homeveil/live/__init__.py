"""Live: the engine between a camera and what watches it.

``source`` opens the camera in a process of its own, :mod:`homeveil.clearing.live` clears what
comes in another, ``session`` keeps the two going and emits only what is veiled, ``outputs``
carry it away, ``board`` holds what the worker's page and the metrics show.
"""
