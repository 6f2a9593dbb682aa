"""Senders and clients of Tiltyard's flag farm, with nothing but Python's standard library. See the README beside this folder."""
from .farm import Farm, FarmAway, FarmRefused, Lease, only
from .juries import JURIES
from .verdicts import KINDS, Limited, Lost, NotSent, Verdict, classify

__all__ = ["Farm", "FarmAway", "FarmRefused", "Lease", "JURIES", "KINDS", "Limited", "Lost", "NotSent", "Verdict", "classify", "only"]
