"""Makes the default perceiver from verified model files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from homeveil.errors import ModelError
from homeveil.models import store
from homeveil.models.purposes import PICTURE_PURPOSES, check_purposes
from homeveil.models.store import LoadedModels
from homeveil.perceive.perceiver import ModelPerceiver
from homeveil.policy import ModelFile, Policy
from homeveil.profile.template import Profile

FAR = 9.0
"""Distance reported when there is no profile: nobody is the agent."""


def load_models(models: Mapping[str, ModelFile]) -> LoadedModels:
    """Read every model and compare its hash; ModelError for the first that is amiss."""
    check_purposes(models)
    return store.load(PICTURE_PURPOSES, models)


def load_perceiver(
    profile: Profile | None, policy: Policy, models: LoadedModels | None = None
) -> ModelPerceiver:
    """The default perceiver.

    Raises ModelError when a model is missing or not the one meant, ProfileError when the
    profile was made with another identity model.
    """
    loaded = models or load_models(policy.models)
    if profile is not None:
        profile.require_model(loaded.sha256["face_embedding"])

    def distance(embedding: NDArray[np.float32]) -> float:
        if profile is None or profile.face is None:
            return FAR
        return float(profile.face.distance(embedding[None])[0])

    # Imported here: MediaPipe and ONNX Runtime take a second to load.
    from homeveil.perceive.faces import FaceBoxes
    from homeveil.perceive.identity import FaceIdentity
    from homeveil.perceive.people import PeopleMask
    from homeveil.perceive.pose import BodyPose

    data = loaded.data
    try:
        return ModelPerceiver(
            FaceBoxes(data["face_detection_full"], data["face_detection_short"]),
            PeopleMask(data["people_mask_wide"], data["people_mask_square"]),
            FaceIdentity(data["face_landmarks"], data["face_embedding"], distance),
            BodyPose(data["body_pose"]),
        )
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"a model file cannot be run ({type(error).__name__}: {error}); "
            "run `homeveil models verify`"
        ) from error
