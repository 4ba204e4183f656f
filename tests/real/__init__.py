"""Tests against a real vLLM server, and the tooling that installs, starts and ends one."""
