"""Data made by code: simulated heads as NIfTI, DICOM and PNG, for demonstrations, trainings and validation."""

from medgan.sample_data.label_maps import label_maps, read_label_map
from medgan.sample_data.samples import SampleData, make_sample_data
from medgan.sample_data.simulated import Simulation, write_simulation

__all__ = ["SampleData", "Simulation", "label_maps", "make_sample_data", "read_label_map", "write_simulation"]
