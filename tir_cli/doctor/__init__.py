"""`tir doctor`: checks the connection step by step, and what a model can do."""
