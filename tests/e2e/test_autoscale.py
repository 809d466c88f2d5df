"""Autoscaling on the real Pulsar: what instances tell of themselves, and the change of their number."""

import dataclasses
import re

from autoscale.load import Load
from autoscale.looking import Looking
from autoscale.loop import Autoscaler
from connection import functions
from connection.admin import Admin
from deployment import function_configs
from schemas.tienda.topics import NAMESPACE
from tests.e2e.tienda import Tienda, new_prefix, orders, wait_until
from tests.stack import asked

LOOK_S = 3.0
PAGOS = function_configs.load()["pagos"]
TINY = dataclasses.replace(
    PAGOS, values={**PAGOS.values, "resources": {"cpu": 0.001}, "autoscale": {"min": 1, "max": 2}}
)
"""Any work is too much for one instance of it."""


def test_a_busy_function_gets_another_instance_which_shares_the_work_and_keeps_its_configuration(stack: Tienda) -> None:
    admin, prefix = Admin(stack.admin_url), new_prefix("auto")
    before = admin.get(PAGOS.rest_path)
    stack.publish("crear-orden", orders(f"{prefix}a", 500))
    stack.wait_ended(f"{prefix}a", 500, 60)
    looking = Looking(admin)
    loads: list[Load] = []

    def told() -> bool:
        load = looking.look(PAGOS, None)
        assert load is not None
        loads.append(load)
        return bool(load.cpu_cores) and load.done_per_s is not None

    wait_until(told, 30, "the instance has told what it uses", every=LOOK_S)
    load = loads[-1]
    assert load.wanted == load.running == len(load.on) == 1
    assert load.memory_bytes[0] > 20_000_000
    assert min(load.free_memory_bytes.values()) > 0
    assert 0 < max(load.disk_share.values()) < 1
    scaler = Autoscaler(admin, [TINY], looking, at_once=True)
    try:
        wait_until(lambda: any(line.changed for line in scaler.step()), 30, "it has decided for more", every=LOOK_S)
        wait_until(lambda: running(admin) == 2, 60, "two instances run")
        after = admin.get(PAGOS.rest_path)
        assert after == {**before, "parallelism": 2}
        stack.publish("crear-orden", orders(f"{prefix}b", 500))
        stack.wait_ended(f"{prefix}b", 500, 60)
        # As after a release of other code: the deployment updates the function, and leaves the number alone.
        stack.admin("PUT", f"/admin/v2/namespaces/{NAMESPACE}/properties", {"pagos.deployed": "another"})
        deployed = asked(stack, "deploy", "pagos", seconds=300)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        assert re.search(r"pagos +updated, 2 of 2 running", deployed.stdout + deployed.stderr), deployed.stdout
        assert admin.get(PAGOS.rest_path) == after
    finally:
        functions.set_parallelism(admin, PAGOS.rest_path, 1)
        wait_until(lambda: running(admin) == 1, 60, "one instance runs again")
    assert admin.get(PAGOS.rest_path) == before


def running(admin: Admin) -> int | None:
    """Return how many instances run, None while they are fewer or more than wanted."""
    found = functions.instances(admin, PAGOS.rest_path)
    return found.running if found and found.running == found.wanted else None
