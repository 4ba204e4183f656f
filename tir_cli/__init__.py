"""The command `tir`, installed by the extra `cli`: `tir --help` lists what it does."""
