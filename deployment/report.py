"""What `status` shows of the functions: instances, restarts and what waits for them."""

from collections.abc import Sequence

from deployment import instances
from deployment.function_configs import FunctionConfig
from deployment.rest import AdminApi


def backlog(config: FunctionConfig, topic: str, api: AdminApi) -> int | None:
    """Messages of `topic` that the function has not acknowledged; None where it has no subscription yet."""
    path = topic.replace("://", "/")
    stats = api.find(f"/admin/v2/{path}/partitioned-stats?perPartition=false") or {}
    subscription = (stats.get("subscriptions") or {}).get(config.subscription)
    return None if subscription is None else int(subscription["msgBacklog"])


def lines(configs: Sequence[FunctionConfig], api: AdminApi) -> list[str]:
    """The report, a line each."""
    text = []
    for config in configs:
        found = instances.find(config, api)
        if found is None:
            text.append(f"{config.name:<11} not deployed")
            continue
        error = f", {found.error}" if found.error else ""
        text.append(f"{config.name:<11} {found.running} of {found.wanted} running, {found.restarts} restarts{error}")
        for topic in config.inputs:
            waiting = backlog(config, topic, api)
            text.append(f"{'':<11}   {topic.rpartition('/')[2]:<22} {'-' if waiting is None else waiting:>8} waiting")
    return text


def all_running(configs: Sequence[FunctionConfig], api: AdminApi) -> bool:
    """Whether every function is there with all its instances."""
    found = [instances.find(config, api) for config in configs]
    return all(each is not None and each.wanted == each.running for each in found)
