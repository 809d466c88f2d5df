"""Topics stay where a broker deletes unused ones; policies and partitions that are changed are shown and mended."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from connection.admin import Admin
from connection.errors import PulsarError
from deployment import namespace, topology
from schemas.tienda.topics import NAMESPACE
from tests.e2e.tienda import Tienda
from tests.lanes import PATIENCE
from tests.stack import asked

UNUSED = {"inactiveTopicDeleteMode": "delete_when_no_subscriptions", "maxInactiveDurationSeconds": 1}
LEFT_TO_PULSAR, AS_OURS = "alpes/prueba-inactivos", "alpes/prueba-activos"
WHOLE = "0x00000000_0xffffffff"
"""The only bundle of a namespace that a broker knows nothing about."""
LOOKS_S = 60
"""A broker looks for inactive topics once in so many seconds (`brokerDeleteInactiveTopicsFrequencySeconds`)."""


@pytest.fixture
def api(stack: Tienda) -> Admin:
    return Admin(stack.admin_url)


@pytest.fixture
def two_namespaces(api: Admin) -> Iterator[None]:
    """Make two namespaces beside ours that retain nothing: one has our policy against the deletion of topics."""
    (policy,) = [each for each in namespace.policies(topology.load()) if each.name == "inactiveTopicPolicies"]
    both = {LEFT_TO_PULSAR: {**UNUSED, "deleteWhileInactive": True}, AS_OURS: policy.body(UNUSED)}
    for name, body in both.items():
        api.create(f"/admin/v2/namespaces/{name}", {})
        api.post(f"/admin/v2/namespaces/{name}/inactiveTopicPolicies", body)
        api.put(f"/admin/v2/persistent/{name}/prueba/partitions", 1)
        # A broker looks only at topics that it has loaded, as one that was used is.
        api.get(f"/admin/v2/persistent/{name}/prueba-partition-0/internalStats")
    yield
    for name in both:
        # Where something is left, it goes with the stack.
        with contextlib.suppress(PulsarError):
            api.delete(f"/admin/v2/persistent/{name}/prueba/partitions?force=true")
            api.delete(f"/admin/v2/namespaces/{name}")


def alpes(stack: Tienda, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `alpes` against the stack."""
    addresses = ("--service-url", stack.service_url, "--admin-url", stack.admin_url)
    command = [sys.executable, "-m", "client", *arguments, *addresses]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_broker_asked_before_the_namespace_existed_knows_its_bundles(api: Admin) -> None:
    # A deployment asks for topics before it makes their namespace.
    found = api.text(f"/lookup/v2/topic/persistent/{NAMESPACE}/crear-orden-partition-0/bundle")
    assert found != WHOLE


@pytest.mark.usefixtures("two_namespaces")
def test_a_broker_that_deletes_unused_topics_leaves_alone_those_of_a_namespace_with_our_policy(api: Admin) -> None:
    before = set(api.get(f"/admin/v2/persistent/{NAMESPACE}"))
    deadline = time.monotonic() + (LOOKS_S + 30) * PATIENCE
    while api.get(f"/admin/v2/persistent/{LEFT_TO_PULSAR}"):
        assert time.monotonic() < deadline, "the broker deletes no unused topic, so this test shows nothing"
        time.sleep(1)
    assert len(api.get(f"/admin/v2/persistent/{AS_OURS}")) == 1
    # Dead-letter topics have no subscription, and nobody uses those that a test hasn't just written to.
    assert before <= set(api.get(f"/admin/v2/persistent/{NAMESPACE}"))


@pytest.mark.usefixtures("databases")
def test_what_somebody_changed_is_shown_by_the_plan_and_mended_by_a_deployment(stack: Tienda, api: Admin) -> None:
    # A topic that no producer has open: one that has would make it again at once.
    letters, partition = "reporting-reintento-DLQ", "reporting-reintento-DLQ-partition-0"
    assert asked(stack, "deploy", seconds=300).returncode == 0
    plan = asked(stack, "plan")
    assert (plan.returncode, plan.stdout.splitlines()[-1]) == (0, "Unchanged: there is nothing to deploy.")
    api.post(f"/admin/v2/namespaces/{NAMESPACE}/messageTTL", 86400)
    api.delete(f"/admin/v2/persistent/{NAMESPACE}/{partition}?force=true")
    plan = asked(stack, "plan")
    assert plan.returncode == 3
    assert f"~ namespace {NAMESPACE}  messageTTL: 86400 → 0  (changed by hand)" in plan.stdout
    assert f"+ topic {letters}  partition 0: none → made again, empty" in plan.stdout

    listed = alpes(stack, "dlq", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    whole = alpes(stack, "reconcile", "--topics", "--json")
    assert whole.returncode in {0, 1}, whole.stderr
    assert json.loads(whole.stdout)

    deployed = asked(stack, "deploy", seconds=300)
    assert deployed.returncode == 0, deployed.stderr
    assert "nchanged:" not in deployed.stdout + deployed.stderr
    assert api.get(f"/admin/v2/namespaces/{NAMESPACE}/messageTTL") == 0
    assert f"persistent://{NAMESPACE}/{partition}" in api.get(f"/admin/v2/persistent/{NAMESPACE}")
    assert asked(stack, "plan").returncode == 0
