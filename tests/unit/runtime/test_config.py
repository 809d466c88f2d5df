"""A function's userConfig is taken as it is meant, or refused with one clear line."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from alpes_runtime import FunctionConfig
from alpes_runtime.config import parse_config
from alpes_runtime.errors import Misconfigured
from functions.ordenes.function import OrdenesConfig
from functions.pagos.function import PagosConfig
from functions.reporting.function import ReportingConfig

ROOT = Path(__file__).parents[3]
LEAST = {"dsn_env": "ALPES_ORDENES_DSN"}


@dataclass(frozen=True, kw_only=True)
class Config(FunctionConfig):
    name: str = "n"
    flag: bool = True
    rate: float = 0.5
    most: int | None = None


def test_what_is_left_out_has_its_default() -> None:
    assert parse_config(Config, LEAST) == Config(dsn_env="ALPES_ORDENES_DSN")


def test_a_former_name_still_works_and_a_warning_names_the_present_one() -> None:
    told: list[str] = []
    config = parse_config(ReportingConfig, {**LEAST, "totales_por_estado": False}, told.append)
    assert not config.totals_per_status
    (line,) = told
    assert line.startswith("userConfig: totales_por_estado is called totals_per_status now")


@pytest.mark.parametrize("key", ["report_max_rows", "reporte_max_filas"])
def test_a_retired_key_does_nothing_and_a_warning_says_why(key: str) -> None:
    told: list[str] = []
    assert parse_config(ReportingConfig, {**LEAST, key: 7}, told.append) == parse_config(ReportingConfig, LEAST)
    assert told == [f"userConfig: {key} does nothing any more, remove it: a report may have any number of orders"]


def test_a_key_by_both_its_names_is_refused() -> None:
    both = {**LEAST, "totales_por_estado": True, "totals_per_status": True}
    with pytest.raises(Misconfigured, match="totales_por_estado is the former name of totals_per_status: keep the"):
        parse_config(ReportingConfig, both)


@pytest.mark.parametrize("service", ["ordenes", "pagos", "reporting"])
def test_a_configuration_of_the_first_release_is_read(service: str) -> None:
    kinds = {"ordenes": OrdenesConfig, "pagos": PagosConfig, "reporting": ReportingConfig}
    released = yaml.safe_load((ROOT / "tests" / "releases" / "0.1.0" / f"{service}.yaml").read_text())["userConfig"]
    present = yaml.safe_load((ROOT / "function-configs" / f"{service}.yaml").read_text())["userConfig"]
    assert parse_config(kinds[service], released) == parse_config(kinds[service], present)


def test_every_key_is_taken() -> None:
    given = {**LEAST, "intake": "runtime", "batch_max": 7, "retry_max_attempts": 2, "retry_initial_seconds": 0.5}
    given |= {"trace_property": True, "name": "x", "flag": False, "rate": 0.25, "most": 3}
    assert dataclasses.asdict(parse_config(Config, given)) == given


def test_whole_numbers_may_be_written_either_way_as_json_does() -> None:
    config = parse_config(Config, {**LEAST, "batch_max": 7.0, "rate": 1})
    assert (config.batch_max, config.rate) == (7, 1.0)
    assert type(config.batch_max) is int
    assert type(config.rate) is float


@pytest.mark.parametrize(
    ("key", "near"), [("bach_max", "batch_max"), ("dsnEnv", "dsn_env"), ("retry_attempts", "retry_max_attempts")]
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(key: str, near: str) -> None:
    with pytest.raises(Misconfigured, match=rf"unknown key '{key}'; did you mean '{near}'\?"):
        parse_config(Config, {**LEAST, key: 1})


def test_a_key_like_no_other_is_refused_with_all_known_ones() -> None:
    with pytest.raises(Misconfigured, match=r"unknown key 'zzz'; known keys are batch_max, dsn_env, flag"):
        parse_config(Config, {**LEAST, "zzz": 1})


def test_a_missing_key_is_named() -> None:
    with pytest.raises(Misconfigured, match="'dsn_env' is missing"):
        parse_config(Config, {})


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("batch_max", "7", "a whole number"),
        ("batch_max", 7.5, "a whole number"),
        ("batch_max", True, "a whole number"),
        ("batch_max", None, "a whole number"),
        ("batch_max", math.nan, "a whole number"),
        ("batch_max", math.inf, "a whole number"),
        ("rate", "0.5", "a number"),
        ("rate", False, "a number"),
        ("rate", [0.5], "a number"),
        ("flag", 1, "true or false"),
        ("flag", "true", "true or false"),
        ("name", 1, "text"),
        ("name", None, "text"),
        ("most", "3", "a whole number"),
        ("dsn_env", {}, "text"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_the_right_one(key: str, value: Any, wanted: str) -> None:
    with pytest.raises(Misconfigured, match=f"{key} must be {wanted}, got"):
        parse_config(Config, {**LEAST, key: value})


@pytest.mark.parametrize("value", ["Direct", "dircet", 1, None, ["direct"]])
def test_a_choice_that_there_is_not_is_refused_with_those_there_are(value: Any) -> None:
    with pytest.raises(Misconfigured, match="allowed is 'direct' or 'runtime'"):
        parse_config(Config, {**LEAST, "intake": value})


@pytest.mark.parametrize(
    ("key", "bad", "good"),
    [
        ("batch_max", [0, -1, 5001], [1, 5000]),
        ("retry_max_attempts", [0, 21], [1, 20]),
        ("retry_initial_seconds", [0, -1, 60.5, math.nan], [0.001, 60]),
    ],
)
def test_a_number_out_of_range_is_refused_with_the_range(key: str, bad: list[float], good: list[float]) -> None:
    for value in bad:
        with pytest.raises(Misconfigured, match=f"{key} is .*, allowed is "):
            parse_config(Config, {**LEAST, key: value})
    for value in good:
        assert getattr(parse_config(Config, {**LEAST, key: value}), key) == value


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("reports_at_once", 0, "1 to 16"),
        ("report_seconds", 0, "1 to 86400 s"),
        ("report_memory_mb", 10, "64 to 65536 MB"),
    ],
)
def test_a_report_always_has_room_and_bounds(key: str, value: int, allowed: str) -> None:
    with pytest.raises(Misconfigured, match=rf"{key} is {value}(\.0)?, allowed is {allowed}"):
        parse_config(ReportingConfig, {**LEAST, key: value})


@pytest.mark.parametrize("rate", [-0.01, 1.01, math.nan])
def test_pagos_approves_no_share_outside_0_to_1(rate: float) -> None:
    with pytest.raises(Misconfigured, match="approval_rate"):
        parse_config(PagosConfig, {**LEAST, "approval_rate": rate})


def test_ordenes_needs_a_topic_for_its_second_event_and_a_budget_in_range() -> None:
    with pytest.raises(Misconfigured, match="'orden_actualizada_topic' is missing"):
        parse_config(OrdenesConfig, LEAST)
    topics = {"orden_actualizada_topic": "t", "reembolsar_transaccion_topic": "r"}
    for key, values in {
        "state_puts_per_second": (0, 10_001),
        "expires_after_seconds": (-1, 30 * 24 * 3600 + 1),
        "expiry_window_seconds": (0, 61),
    }.items():
        for value in values:
            with pytest.raises(Misconfigured, match=f"{key} is {value}, allowed is "):
                parse_config(OrdenesConfig, {**LEAST, **topics, key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gateway", "htp"),
        ("gateway_url", "gateway.example"),
        ("gateway_tries", 0),
        ("gateway_tries", 11),
        ("gateway_timeout_seconds", 0),
        ("gateway_timeout_seconds", 8),
        ("gateway_at_once", 0),
        ("gateway_at_once", 201),
    ],
)
def test_a_gateway_setting_out_of_range_is_refused(key: str, value: object) -> None:
    good = {"gateway": "http", "gateway_url": "https://gateway.example"}
    parse_config(PagosConfig, {**LEAST, **good})
    with pytest.raises(Misconfigured, match=key):
        parse_config(PagosConfig, {**LEAST, **good, key: value})


def test_the_gateways_token_comes_from_the_variable_that_the_config_names() -> None:
    config = parse_config(PagosConfig, {**LEAST, "gateway_token_env": "GATEWAY_TOKEN"})
    assert config.options({"GATEWAY_TOKEN": "secret"}).token == "secret"
    for environment in ({}, {"GATEWAY_TOKEN": ""}, {"GATEWAY_TOKEN": " \n"}):
        with pytest.raises(Misconfigured, match="no GATEWAY_TOKEN"):
            config.options(environment)


@pytest.mark.parametrize("token", ["secret\n", " secret", "\tsecret\r\n"])
def test_what_a_file_or_a_shell_leaves_around_the_gateways_token_is_no_part_of_it(token: str) -> None:
    config = parse_config(PagosConfig, {**LEAST, "gateway_token_env": "GATEWAY_TOKEN"})
    assert config.options({"GATEWAY_TOKEN": token}).token == "secret"


@pytest.mark.parametrize(
    "token", ["sec\nret", "sec\r\nX-Other: ret", "sec\x00ret", "sec\x7fret", "secñret", "sec\udcffret"]
)
def test_a_gateway_token_that_no_header_takes_is_refused_and_not_shown(token: str) -> None:
    config = parse_config(PagosConfig, {**LEAST, "gateway_token_env": "GATEWAY_TOKEN"})
    with pytest.raises(Misconfigured, match="GATEWAY_TOKEN") as caught:
        config.options({"GATEWAY_TOKEN": token})
    assert "sec" not in str(caught.value)
    assert "ret" not in str(caught.value)


def test_the_gateways_options_dont_show_its_token() -> None:
    config = parse_config(PagosConfig, {**LEAST, "gateway_token_env": "GATEWAY_TOKEN"})
    assert "secret" not in repr(config.options({"GATEWAY_TOKEN": "secret"}))


def test_the_dsn_comes_from_the_variable_that_the_config_names() -> None:
    config = parse_config(Config, LEAST)
    assert config.dsn({"ALPES_ORDENES_DSN": "postgresql://o", "ALPES_PAGOS_DSN": "postgresql://p"}) == "postgresql://o"


def test_a_dsn_that_is_newer_than_its_worker_is_found_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "environment.json"
    file.write_text('{"ALPES_ORDENES_DSN": "postgresql://o"}')
    config = parse_config(Config, LEAST)
    assert config.dsn({"ALPES_LATER_VARIABLES": str(file)}) == "postgresql://o"
    assert config.dsn({"ALPES_LATER_VARIABLES": str(file), "ALPES_ORDENES_DSN": "postgresql://n"}) == "postgresql://n"
    file.unlink()
    with pytest.raises(Misconfigured, match=r"environment\.json, which ALPES_LATER_VARIABLES names, can't be read"):
        config.dsn({"ALPES_LATER_VARIABLES": str(file)})


@pytest.mark.parametrize("environment", [{}, {"ALPES_ORDENES_DSN": ""}, {"ALPES_PAGOS_DSN": "postgresql://secret"}])
def test_a_missing_dsn_is_named_by_its_variable_and_shows_no_other(environment: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="no ALPES_ORDENES_DSN") as caught:
        parse_config(Config, LEAST).dsn(environment)
    assert "secret" not in str(caught.value)
