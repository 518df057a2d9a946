"""Set before anything else of a test is loaded."""

import os

# Some tests load ONNX Runtime by themselves, which else writes files of its own (see
# homeveil.perceive._onnx) that this process would then share with nobody knows whom.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
