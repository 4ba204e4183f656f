"""The version of the distribution `tir-llm`, which every package in it shares."""

__version__ = "0.1.0"
