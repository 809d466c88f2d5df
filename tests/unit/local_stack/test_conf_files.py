"""How the distribution's configuration is rewritten for a local stack."""

import dataclasses

import pytest
import yaml

from connection import java_properties
from local_stack import conf_files
from local_stack.settings import from_environment

SETTINGS = from_environment({"ALPES_PORT_OFFSET": "100", "ALPES_HOME": "/somewhere/alpes"})


def test_a_property_is_replaced_where_it_stands_and_a_new_one_is_added() -> None:
    original = "# says why\na=1\nab=2\n#a=3\n"
    assert conf_files.set_properties(original, {"a": 9, "new": "x"}) == "# says why\na=9\nab=2\n#a=3\nnew=x\n"


@pytest.mark.parametrize("value", [r"c:\1\g<0>", "/home/peña/ca.pem", "/家/🎲", 'https://a:1/{"b": "c=d"}'])
def test_java_reads_the_value_that_was_set(value: str) -> None:
    text = conf_files.set_properties("a=1\nb=2\n", {"a": value})
    assert java_properties.read(text.encode("ascii")) == {"a": value, "b": "2"}


def test_rewriting_twice_changes_nothing_more() -> None:
    once = conf_files.standalone_conf("journalSyncData=false\n", SETTINGS)
    assert conf_files.standalone_conf(once, SETTINGS) == once


def test_the_broker_syncs_its_journal_and_listens_on_loopback_only() -> None:
    original = "journalSyncData=false\nbindAddress=0.0.0.0\nbrokerServicePort=6650\nwebServicePort=8080\n"
    lines = conf_files.standalone_conf(original, SETTINGS).splitlines()
    assert {"journalSyncData=true", "bindAddress=127.0.0.1", "brokerServicePort=6750", "webServicePort=8180"} <= set(
        lines
    )


def test_what_any_pulsar_should_have_is_there_once() -> None:
    lines = conf_files.standalone_conf("managedLedgerNewEntriesCheckDelayInMillis=10\n", SETTINGS).splitlines()
    assert all(lines.count(f"{key}={value}") == 1 for key, value in conf_files.broker_settings().items())


def test_the_worker_follows_the_shifted_ports_and_keeps_what_it_had() -> None:
    original = (
        "workerPort: 6750\n"
        "instanceLivenessCheckFreqMs: 30000\n"
        "functionRuntimeFactoryConfigs:\n  logDirectory: logs/\n  pythonInstanceLocation:\n"
    )
    worker = yaml.safe_load(conf_files.functions_worker_yml(original, SETTINGS))
    assert worker["workerPort"] == 6750
    assert worker["pulsarServiceUrl"] == "pulsar://127.0.0.1:6750"
    assert worker["pulsarWebServiceUrl"] == "http://127.0.0.1:8180"
    assert worker["stateStorageServiceUrl"] == "bk://127.0.0.1:4281"
    assert worker["configurationMetadataStoreUrl"] == "zk:127.0.0.1:2281"
    assert worker["instanceLivenessCheckFreqMs"] == 5000, "it notices a dead instance within seconds"
    assert worker["downloadDirectory"].startswith("/somewhere/alpes/")
    assert worker["functionRuntimeFactoryConfigs"]["logDirectory"] == "/somewhere/alpes/logs"


def test_a_commit_that_postgresql_reported_is_on_the_disk() -> None:
    lines = set(conf_files.postgres_conf(SETTINGS).splitlines())
    assert {"fsync = on", "synchronous_commit = on", "listen_addresses = '127.0.0.1'", "port = 54420"} <= lines


def test_requests_to_the_rest_api_leave_no_line_each() -> None:
    original = "Configuration:\n  Loggers:\n    Logger:\n      - name: verbose\n        level: info\n"
    loggers = yaml.safe_load(conf_files.log4j_yaml(original))["Configuration"]["Loggers"]["Logger"]
    assert {logger["name"]: logger["level"] for logger in loggers} == {
        "verbose": "info",
        "org.eclipse.jetty.server.RequestLog": "warn",
    }


def test_a_test_may_have_the_worker_look_less_often_and_elsewhere_for_the_state_store() -> None:
    settings = dataclasses.replace(SETTINGS, liveness_check_ms=30_000, state_port=5000)
    worker = yaml.safe_load(conf_files.functions_worker_yml("functionRuntimeFactoryConfigs: {}\n", settings))
    assert worker["instanceLivenessCheckFreqMs"] == 30_000
    assert worker["stateStorageServiceUrl"] == "bk://127.0.0.1:5000"
