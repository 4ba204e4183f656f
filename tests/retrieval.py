"""Documents and a question that embeddings rank wrongly and a reranker ranks correctly.

Short passages that share some words with the question are nearer to it than the long one that answers it.
"""

QUESTION = "How does a customer correct an invoice after payment?"
ANSWER = (
    "Accounting closes each month on its third working day. Until then a customer who finds a mistake may have it put "
    "right: the wrong invoice is cancelled, support issues a correct one with a number of its own, and what was paid "
    "before counts towards it. After the month is closed, payment of the difference is credited instead."
)
PASSAGES = (
    "An invoice for a customer.",
    "Payment by invoice.",
    "Bread is baked in ovens before sunrise.",
    ANSWER,
    "How a customer is greeted.",
    "Payment after delivery.",
)
