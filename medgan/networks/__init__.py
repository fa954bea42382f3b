"""Generators and discriminators, assembled from MONAI blocks. They know no files."""

from medgan.networks.discriminators import MultiViewDiscriminator
from medgan.networks.generators import ResNetGenerator, UNetGenerator
from medgan.networks.pix2pix import Pix2PixGenerator

__all__ = ["MultiViewDiscriminator", "Pix2PixGenerator", "ResNetGenerator", "UNetGenerator"]
