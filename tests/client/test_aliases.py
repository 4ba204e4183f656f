"""Argument names of other integrations: renamed, or refused with advice."""

from __future__ import annotations

import pytest

from tir_client import ConfigurationError, InvalidRequestError
from tir_client.aliases import UNSUPPORTED, refuse_unknown, refuse_unknown_parameters, refuse_unsupported, rename

OTHER = {"api_base": "base_url", "openai_api_base": "base_url", "model_name": "model"}


def test_aliases_are_renamed_and_the_rest_is_kept():
    arguments = {"api_base": "u", "model": "m", "x": None}

    assert rename(arguments, OTHER) == {"base_url": "u", "model": "m", "x": None}
    assert arguments == {"api_base": "u", "model": "m", "x": None}


@pytest.mark.parametrize(
    ("arguments", "other"),
    [
        ({"model": "a", "model_name": "b"}, "model_name"),
        ({"model_name": "b", "model": "a"}, "model_name"),
        ({"x": 1, "model_name": "b", "model": None}, "model_name"),
    ],
)
def test_an_argument_under_two_names_is_refused(arguments, other):
    with pytest.raises(InvalidRequestError, match=f"^Give `model` or `{other}`, not both.$"):
        rename(arguments, OTHER)
    with pytest.raises(ConfigurationError):
        rename(arguments, OTHER, ConfigurationError)


def test_two_aliases_of_one_argument_are_refused():
    with pytest.raises(InvalidRequestError, match=r"^Give `base_url` or `api_base`, not both.$"):
        rename({"api_base": "a", "openai_api_base": "b"}, OTHER)


def test_an_unsupported_argument_is_refused_with_what_to_do():
    refuse_unsupported(["timeout"], {"proxy": "pass `http_client`"})
    with pytest.raises(ConfigurationError, match=r"^`proxy` is not an argument here: pass `http_client`.$"):
        refuse_unsupported(["timeout", "proxy"], {"proxy": "pass `http_client`"})


@pytest.mark.parametrize(
    "name", ["openai_api_key", "APIKEY", "access_token", "client_secret", "password", "Credential"]
)
def test_an_argument_that_looks_like_a_credential_is_refused(name):
    with pytest.raises(ConfigurationError, match=f"^`{name}` looks like a credential: pass the token as `api_key`.$"):
        refuse_unsupported([name], {})


@pytest.mark.parametrize("name", ["max_tokens", "max_token", "tokens_per_second", "key"])
def test_an_argument_that_only_resembles_a_credential_is_not_refused_as_one(name):
    refuse_unsupported([name], {})


def test_an_unknown_argument_is_refused_with_the_nearest():
    refuse_unknown([], ["temperature"], "ChatTIR")
    with pytest.raises(
        ConfigurationError, match=r"^ChatTIR has no argument `temprature`: did you mean `temperature`\?$"
    ):
        refuse_unknown(["temprature"], ["temperature", "top_p"], "ChatTIR")
    with pytest.raises(ConfigurationError, match=r"^ChatTIR has no argument `xyz`.$"):
        refuse_unknown(["xyz"], ["temperature"], "ChatTIR")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("proxy", ": pass `http_client`."),
        (
            "project_id",
            r": pass it to the constructor, or call `model.model_copy\(update={'project_id': ...}\)`\.$",
        ),
        (
            "request_timeout",
            r": pass `timeout` to the constructor, or call `model.model_copy\(update={'timeout': ...}\)`\.$",
        ),
        (
            "extra_headers",
            r": pass `default_headers` to the constructor, or .*update={'default_headers': ...}\)`\.$",
        ),
        ("temprature", r": did you mean `temperature`\? If the deployment knows it, pass "),
        ("guided_zz", r"\. If the deployment knows it, pass `extra_body={'guided_zz': ...}`."),
    ],
)
def test_an_unknown_parameter_of_a_call_is_refused_with_what_to_do(name, advice):
    known, unsupported = ["temperature"], {"proxy": "pass `http_client`", "temperature": "no"}
    constructor = ["project_id", "timeout", "default_headers"]

    refuse_unknown_parameters(["temperature"], known, constructor, unsupported)
    with pytest.raises(InvalidRequestError, match=f"^`{name}` is not a parameter of a call{advice}"):
        refuse_unknown_parameters([name, "temperature"], known, constructor, unsupported)


@pytest.mark.parametrize("name", ["verify", "cert", "extra_headers"])
def test_arguments_of_an_http_client_are_refused_with_what_to_do(name):
    with pytest.raises(
        InvalidRequestError, match=f"`{name}` is not a parameter of a call: pass `(http_client|default_)"
    ):
        refuse_unknown_parameters([name], ["temperature"], ["timeout"], UNSUPPORTED)
    with pytest.raises(ConfigurationError, match=f"`{name}` is not an argument here: pass `(http_client|default_)"):
        refuse_unsupported([name], UNSUPPORTED)
