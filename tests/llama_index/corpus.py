"""Sample documents, and a check for answers that come from them."""

from __future__ import annotations

from llama_index.core import Document

DOCUMENTS = [
    Document(
        text="The Ganges rises at the Gangotri glacier. It flows through Varanasi into the Bay of Bengal.",
        metadata={"topic": "ganges"},
    ),
    Document(
        text="The Godavari rises at Trimbak near Nashik. It is the longest river of the Deccan.",
        metadata={"topic": "godavari"},
    ),
    Document(
        text="Pune lies at the confluence of the Mula and the Mutha. Its people eat misal for breakfast.",
        metadata={"topic": "pune"},
    ),
]

QUESTION = "Where does the Godavari rise?"
PLACE = "Trimbak"
