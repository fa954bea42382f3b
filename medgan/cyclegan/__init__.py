"""What makes it a CycleGAN: losses, the history of fakes, the step. It knows no path and no command line."""

from medgan.cyclegan.cyclegan import CycleGAN, Translation, Weights

__all__ = ["CycleGAN", "Translation", "Weights"]
