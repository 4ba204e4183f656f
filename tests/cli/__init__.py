"""The command `tir`."""
