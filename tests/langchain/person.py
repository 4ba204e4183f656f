"""The schema `Person` of the tests of structured output, in each form, and an object of it."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic.v1 import BaseModel as BaseModelV1

ADA = {"name": "Ada", "age": 36}
TEXT = '{"name": "Ada", "age": 36}'


class Person(BaseModel):
    """A person."""

    name: str
    age: int


class PersonV1(BaseModelV1):
    """A person."""

    name: str
    age: int
