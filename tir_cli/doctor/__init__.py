"""`tir doctor`: checks a connection from the ground up, and what a model can do."""
