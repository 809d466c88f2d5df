"""A namespace of the tests' own on the real broker: topics, what they hold, and what an operator does to them."""

import time
import uuid
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pulsar

from alpes_wire import Endpoint, Reader
from connection.admin import Admin
from connection.errors import RefusedError
from tests.lanes import PATIENCE

TENANT = "alpes"
BACKLOG_QUOTA = "backlogQuota?backlogQuotaType=destination_storage"


class Namespace:
    """A namespace with a random name, whose topics keep everything, as the real one's do."""

    def __init__(self, service_url: str, admin_url: str) -> None:
        self.service_url = service_url
        self._admin = Admin(admin_url)
        self._admin.create(
            f"/admin/v2/tenants/{TENANT}", {"allowedClusters": self._admin.get("/admin/v2/clusters"), "adminRoles": []}
        )
        self.name = f"{TENANT}/pruebas-{uuid.uuid4().hex[:10]}"
        self._path = f"/admin/v2/namespaces/{self.name}"
        retention = {"retentionTimeInMinutes": -1, "retentionSizeInMB": -1}
        self._admin.put(self._path, {"retention_policies": retention})
        self.client = client_of(service_url)

    def topic(self, name: str, partitions: int = 1) -> str:
        """Create a partitioned topic and return its full name."""
        topic = f"persistent://{self.name}/{name}-{uuid.uuid4().hex[:6]}"
        self._admin.put(_path(topic) + "/partitions", partitions)
        return topic

    def plain_topic(self, name: str) -> str:
        """Return the full name of a topic without partitions, which the first producer creates."""
        return f"persistent://{self.name}/{name}-{uuid.uuid4().hex[:6]}"

    def partitions(self, topic: str) -> list[str]:
        """Return the names of a topic's partitions."""
        return list(self.client.get_topic_partitions(topic))

    def stored(self, topic: str) -> list[Any]:
        """Return every message that the topic holds, partition by partition."""
        messages: list[Any] = []
        for partition in self.partitions(topic):
            with closing(Reader(Endpoint(self.service_url), partition)) as reader:
                while reader.last()[1] and (message := reader.read(5.0)) is not None:
                    messages.append(message)
                messages += reader.rest()
        return messages

    def payloads(self, topic: str) -> list[bytes]:
        """Return the payload of every message that the topic holds."""
        return [message.data() for message in self.stored(topic)]

    def limit_entries(self, topic: str, most_bytes: int) -> None:
        """Let a topic refuse larger entries, and wait until it does."""
        self._admin.post(f"{_path(topic)}/maxMessageSize", most_bytes)
        eventually(lambda: self._admin.get(f"{_path(topic)}/maxMessageSize") == most_bytes, "the limit is known")

    def lift_entry_limit(self, topic: str) -> None:
        """Take `limit_entries` back."""
        self._admin.delete(f"{_path(topic)}/maxMessageSize")
        eventually(lambda: self._admin.find(f"{_path(topic)}/maxMessageSize") is None, "the limit is gone")

    def terminate(self, topic: str) -> None:
        """Let a topic, or one partition, take nothing more, for ever."""
        self._admin.post(_path(topic) + "/terminate", None)

    def rewind(self, topic: str, subscription: str) -> None:
        """Reset a subscription to the start of its topic."""
        self._admin.post(f"{_path(topic)}/subscription/{subscription}/resetcursor/0", None)

    def schema(self, topic: str) -> dict[str, Any]:
        """Return the registered schema of a topic."""
        schema: dict[str, Any] = self._admin.get(
            _path(topic).replace("/admin/v2/persistent", "/admin/v2/schemas") + "/schema"
        )
        return schema

    def limit_backlog(self, limit_bytes: int) -> None:
        """Let the broker refuse producers of a topic with more unacknowledged bytes than that."""
        self._admin.post(
            f"{self._path}/{BACKLOG_QUOTA}", {"limitSize": limit_bytes, "limitTime": -1, "policy": "producer_exception"}
        )

    def lift_backlog_limit(self) -> None:
        """Take `limit_backlog` back."""
        self._admin.delete(f"{self._path}/{BACKLOG_QUOTA}")

    def delete(self) -> None:
        """Delete the namespace and all that is in it."""
        self.client.close()
        partitioned = self._admin.get(f"/admin/v2/persistent/{self.name}/partitioned")
        for topic in partitioned:
            self._admin.delete(_path(topic) + "/partitions?force=true")
        for topic in self._admin.get(f"/admin/v2/persistent/{self.name}?includeSystemTopic=true"):
            self._admin.delete(_path(topic) + "?force=true")
        eventually(self._gone, "the namespace is deleted")

    def _gone(self) -> bool:
        try:
            self._admin.delete(self._path)
        except RefusedError:
            return False
        return True


def client_of(service_url: str) -> Any:
    """Return a client that gives up soon and logs errors alone."""
    return pulsar.Client(
        service_url, operation_timeout_seconds=3, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
    )


def eventually(holds: Callable[[], bool], what: str, timeout_s: float = 15.0) -> None:
    """Wait until something holds."""
    timeout_s *= PATIENCE
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"after {timeout_s:.0f} s, still not: {what}"
        time.sleep(0.05)


def _path(topic: str) -> str:
    return "/admin/v2/" + topic.replace("://", "/")
