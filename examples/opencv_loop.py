"""An OpenCV loop with one more step: nothing is kept that homeveil did not clear.
python examples/opencv_loop.py AGENT.veil 0    (passphrase in HOMEVEIL_PASSPHRASE)"""

import os
import sys
import time

import cv2

import homeveil


def main(profile_path, camera, out="veiled.avi"):
    profile = homeveil.load_profile(profile_path, os.environ["HOMEVEIL_PASSPHRASE"])
    capture = cv2.VideoCapture(int(camera) if camera.isdigit() else camera)
    if not capture.isOpened():
        sys.exit(f"{camera}: cannot be opened")
    writer = None
    begin = time.monotonic()
    with homeveil.Redactor(profile, delay_seconds=0.0) as redactor:
        while True:
            good, picture = capture.read()
            if not good:
                break
            raw = homeveil.frame_from_array(picture, "bgr", time.monotonic() - begin)
            for veiled in redactor.process(raw):
                veiled_picture = homeveil.array_from_frame(veiled, "bgr")
                if writer is None:
                    size = veiled_picture.shape[1::-1]
                    writer = cv2.VideoWriter(out, cv2.VideoWriter.fourcc(*"MJPG"), 15, size)
                writer.write(veiled_picture)
    capture.release()
    if writer is not None:
        writer.release()


if __name__ == "__main__":
    main(*sys.argv[1:])
