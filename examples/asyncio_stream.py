"""An asyncio server that streams what is veiled, as JPEG pictures, to every client.
python examples/asyncio_stream.py AGENT.veil VIDEO 8123   (passphrase in HOMEVEIL_PASSPHRASE)"""

import asyncio
import os
import sys

import av
import cv2

import homeveil

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=f\r\n\r\n"


async def frames(profile, video):
    """Veiled pictures, as soon as each is cleared. That runs in a thread: the loop stays free."""
    with homeveil.Redactor(profile, delay_seconds=0.0) as redactor, av.open(video) as container:
        for frame in container.decode(video=0):
            raw = homeveil.frame_from_array(frame.to_ndarray(format="bgr24"), "bgr", frame.time)
            for veiled in await asyncio.to_thread(lambda raw=raw: list(redactor.process(raw))):
                yield cv2.imencode(".jpg", homeveil.array_from_frame(veiled, "bgr"))[1].tobytes()


async def main(profile_path, video, port):
    profile = homeveil.load_profile(profile_path, os.environ["HOMEVEIL_PASSPHRASE"])

    async def serve(_reader, writer):
        writer.write(HEAD)
        async for jpeg in frames(profile, video):
            writer.write(b"--f\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg + b"\r\n")
            await writer.drain()
        writer.close()

    await (await asyncio.start_server(serve, "127.0.0.1", int(port))).serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
