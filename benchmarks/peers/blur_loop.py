"""What one writes in an afternoon: MediaPipe's faces, OpenCV's blur, PyAV around it.

python blur_loop.py IN OUT MODEL.tflite PRESET CRF
"""

from __future__ import annotations

import sys

import av
import cv2
import mediapipe as mp
from mediapipe.tasks.python import BaseOptions, vision

GROW = 0.25


def main(source: str, target: str, model: str, preset: str, crf: str) -> None:
    options = vision.FaceDetectorOptions(
        base_options=BaseOptions(model_asset_path=model), min_detection_confidence=0.3
    )
    with (
        vision.FaceDetector.create_from_options(options) as faces,
        av.open(source) as reader,
        av.open(target, "w") as writer,
    ):
        picture = reader.streams.video[0]
        picture.thread_type = "AUTO"
        stream = writer.add_stream(
            "libx264", rate=picture.average_rate, options={"preset": preset, "crf": crf}
        )
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
        stream.codec_context.time_base = picture.time_base
        for frame in reader.decode(picture):
            rgb = frame.to_ndarray(format="rgb24")
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb)
            for face in faces.detect(image).detections:
                box = face.bounding_box
                dx, dy = round(GROW * box.width), round(GROW * box.height)
                top, left = max(0, box.origin_y - dy), max(0, box.origin_x - dx)
                bottom, right = box.origin_y + box.height + dy, box.origin_x + box.width + dx
                part = rgb[top:bottom, left:right]
                if part.size:
                    part[:] = cv2.blur(part, (max(3, box.width // 2), max(3, box.height // 2)))
            out = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            out.pts, out.time_base = frame.pts, frame.time_base
            writer.mux(stream.encode(out.reformat(format="yuv420p")))
        writer.mux(stream.encode(None))


if __name__ == "__main__":
    main(*sys.argv[1:])
