"""The limit: decode and encode, nothing between.

python transcode.py IN OUT PRESET CRF
"""

from __future__ import annotations

import sys

import av


def main(source: str, target: str, preset: str, crf: str) -> None:
    with av.open(source) as reader, av.open(target, "w") as writer:
        picture = reader.streams.video[0]
        picture.thread_type = "AUTO"
        options = {"preset": preset, "crf": crf}
        stream = writer.add_stream("libx264", rate=picture.average_rate, options=options)
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
        stream.codec_context.time_base = picture.time_base
        for frame in reader.decode(picture):
            frame.pict_type = av.video.frame.PictureType.NONE
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))


if __name__ == "__main__":
    main(*sys.argv[1:])
