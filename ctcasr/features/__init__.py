"""Audio frontend: settings of the feature frames and their numpy reader.

The torch reader is `ctcasr.features.torch_reader`; it is not imported here, because the runtime half of
ctcasr works without torch.
"""

from ctcasr.features.numpy_reader import FeatureExtractor
from ctcasr.features.settings import FeatureSettings, GlobalStatistics

__all__ = ["FeatureExtractor", "FeatureSettings", "GlobalStatistics"]
