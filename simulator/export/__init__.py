"""Plans as files that others deploy: Kubernetes, Triton, Ray Serve; each checked by the target's own parser."""

from simulator.export.case import Case, read_case
from simulator.export.exporter import Exported, check_folder, export
from simulator.export.registry import TARGETS
from simulator.export.target import Options, Target

__all__ = ["TARGETS", "Case", "Exported", "Options", "Target", "check_folder", "export", "read_case"]
