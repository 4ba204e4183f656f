"""A tiny model of the gpt-oss architecture that was trained to recite scenarios, and the code that makes it.

``scenarios.json`` has the texts, as harmony writes them after ``<|start|>assistant``. The words ``scenario NAME`` in
the last user message choose one; its steps follow one another as tool results arrive. ``trained.safetensors`` (MIT, as
this project) has the weights, without the rows of the vocabulary that no scenario uses.
"""
