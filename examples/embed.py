"""A monitoring agent with frames of its own: the rest of it gets what is veiled, and desk events.
python examples/embed.py AGENT.veil VIDEO      (passphrase in HOMEVEIL_PASSPHRASE)"""

import os
import sys

import av

import homeveil


class Events:
    """Takes desk events: anything with ``put`` does."""

    def put(self, event):
        print("desk:", event.document["type"])


def upload(picture):
    """Stands for what the agent does with a picture, (height, width, 3) RGB."""


def main(profile_path, video):
    profile = homeveil.load_profile(profile_path, os.environ["HOMEVEIL_PASSPHRASE"])
    sent = 0
    with homeveil.Redactor(profile, delay_seconds=0.0) as redactor, homeveil.DeskEvents(
        [Events()], clock=homeveil.Live()
    ) as events, av.open(video) as container:
        for frame in container.decode(video=0):
            raw = homeveil.frame_from_array(frame.to_ndarray(format="rgb24"), "rgb", frame.time)
            for veiled in redactor.process(raw):
                events.take(veiled)
                upload(homeveil.array_from_frame(veiled, "rgb"))
                sent += 1
    print(sent, "frames sent, all of them veiled")


if __name__ == "__main__":
    main(*sys.argv[1:])
