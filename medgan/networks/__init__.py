"""Generators and discriminators, assembled from MONAI blocks. They know no files."""

from medgan.networks.discriminators import MultiViewDiscriminator
from medgan.networks.generators import ResNetGenerator, UNetGenerator

__all__ = ["MultiViewDiscriminator", "ResNetGenerator", "UNetGenerator"]
