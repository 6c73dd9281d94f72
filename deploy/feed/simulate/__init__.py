"""Coherent shopping journeys with stated faults, and the truth about them."""

from deploy.feed.simulate.options import SimulationOptions
from deploy.feed.simulate.record import Outcome, Record, in_order
from deploy.feed.simulate.run import simulate
from deploy.feed.simulate.truth import Truth

__all__ = ["Outcome", "Record", "SimulationOptions", "Truth", "in_order", "simulate"]
