"""Where a live session goes. ``transport`` encodes once, into an MPEG transport stream that
``recorder``, ``push`` and the loopback server carry on; ``virtual_camera`` and ``events`` take
the frames themselves."""
