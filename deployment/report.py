"""What `status` shows of the functions: instances, restarts, what waits for them and what they take no more of."""

import re
from collections.abc import Sequence

from deployment import instances
from deployment.function_configs import FunctionConfig
from deployment.rest import AdminApi

# The runtime's user metrics, as Pulsar's function stats show them: an input that it takes nothing more of, and what an
# instance waits for, in vain for some time.
TOLD = re.compile(r"user_metric_(?P<metric>halted|stuck)\.(?P<what>.+)_sum")


def backlog(config: FunctionConfig, topic: str, api: AdminApi) -> tuple[int, int] | None:
    """Messages of `topic` that wait for the function, and those that are not due yet; None without a subscription."""
    path = topic.replace("://", "/")
    stats = api.find(f"/admin/v2/{path}/partitioned-stats?perPartition=false") or {}
    subscription = (stats.get("subscriptions") or {}).get(config.subscription)
    if subscription is None:
        return None
    delayed = int(subscription.get("msgDelayed", 0))
    return max(0, int(subscription["msgBacklog"]) - delayed), delayed


def told(config: FunctionConfig, api: AdminApi) -> list[tuple[str, str]]:
    """What some instance says of itself: the metric, and the input or what is waited for."""
    stats = api.find(f"{config.rest_path}/stats") or {}
    metrics = [(each.get("metrics") or {}).get("userMetrics") or {} for each in stats.get("instances") or []]
    return sorted(
        {
            (match["metric"], match["what"])
            for each in metrics
            for name, value in each.items()
            if value > 0 and (match := TOLD.fullmatch(name))
        }
    )


def _in_words(metric: str, what: str, name: str) -> str:
    if metric == "halted":
        return (
            f"HALTED: takes no more of {what}, for its code fails at most of it. Nothing is lost: deploy a"
            f" mended version. What failed: ./deploy.sh logs {name}"
        )
    return (
        f"STUCK: has waited in vain for the {what}. Nothing is lost; it goes on by itself once it can."
        f" What it says: ./deploy.sh logs {name}"
    )


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
            waiting, delayed = backlog(config, topic, api) or ("-", 0)
            later = f", {delayed} not due yet" if delayed else ""
            text.append(f"{'':<11}   {topic.rpartition('/')[2]:<22} {waiting:>8} waiting{later}")
        text.extend(f"{'':<11}   {_in_words(metric, what, config.name)}" for metric, what in told(config, api))
    return text


def all_running(configs: Sequence[FunctionConfig], api: AdminApi) -> bool:
    """Whether every function is there with all its instances, takes all its inputs, and gets on."""
    found = [instances.find(config, api) for config in configs]
    running = all(each is not None and each.wanted == each.running for each in found)
    return running and not any(told(config, api) for config in configs)
