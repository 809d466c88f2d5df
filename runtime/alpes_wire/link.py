"""One connection to a broker: frames in and out, and the handshake before them."""

import contextlib
import select
import socket
import ssl
import time
from struct import Struct
from typing import NamedTuple

from google.protobuf.message import DecodeError

from .endpoint import Endpoint
from .errors import Forbidden, Unauthenticated, WireError
from .protocol_pb2 import BaseCommand, CommandError, CommandLookupTopicResponse

PROTOCOL_VERSION = 19
"""From this version on a broker tells consumers where their topic moved; batches need no acknowledgement by index."""
CLIENT = "alpes"
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 10.0
SEND_TIMEOUT_S = 10.0
"""A broker that accepts no bytes for this long counts as unreachable."""
MOST_REDIRECTS = 20
FRAME_OVERHEAD = 64 * 1024
DEFAULT_MESSAGE_BYTES = 5 * 1024 * 1024
LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024
"""Largest message accepted here. A broker may store messages from before its limit was lowered."""
READ_BYTES = 256 * 1024

REFUSALS: dict[int, type[WireError]] = {3: Unauthenticated, 4: Forbidden}
"""Pulsar's codes of errors that are about who we are."""

_SIZES = Struct(">II")
_SIZE = Struct(">I")


class Frame(NamedTuple):
    """What the broker sent: a command and the bytes behind it."""

    command: BaseCommand
    body: bytes


def encoded(command: BaseCommand) -> bytes:
    """Return a command as bytes for the wire."""
    data = command.SerializeToString()
    return _SIZES.pack(len(data) + 4, len(data)) + data


class Link:
    """A connection to a broker, used by one thread at a time.

    Parameters
    ----------
    stream
        The connected socket.
    """

    def __init__(self, stream: socket.socket) -> None:
        stream.settimeout(SEND_TIMEOUT_S)
        self._stream = stream
        self._readable = select.poll()
        self._readable.register(stream, select.POLLIN)
        self._buffer = bytearray()
        self._at = 0
        self._most = DEFAULT_MESSAGE_BYTES + FRAME_OVERHEAD
        self.heard_at = time.monotonic()
        self.sent_at = self.heard_at

    def send(self, command: BaseCommand) -> None:
        """Send a command. Raises `WireError`."""
        try:
            self._stream.sendall(encoded(command))
        except OSError as error:
            raise WireError(f"the connection broke off: {_cause(error)}") from error
        self.sent_at = time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Wait for a whole frame; return whether there is one. Raises `WireError` where the connection is lost."""
        deadline = time.monotonic() + seconds
        while not self._whole():
            left = max(0.0, deadline - time.monotonic())
            try:
                if not self._decrypted() and not self._readable.poll(left * 1000):
                    return False
                data = self._stream.recv(READ_BYTES)
            except OSError as error:
                raise WireError(f"the connection broke off: {_cause(error)}") from error
            if not data:
                raise WireError("the broker closed the connection")
            self.heard_at = time.monotonic()
            self._buffer += data
        return True

    def next(self) -> Frame | None:
        """Return the next whole frame, None where there is none. Raises `WireError` where it is malformed."""
        if not self._whole():
            return None
        start = self._at + 4
        end = start + _SIZE.unpack_from(self._buffer, self._at)[0]
        try:
            body = start + 4 + _SIZE.unpack_from(self._buffer, start)[0]
            if body > end:
                raise WireError("the broker sent a malformed frame")
            command = BaseCommand.FromString(bytes(self._buffer[start + 4 : body]))
        except DecodeError as error:
            raise WireError("the broker sent a malformed command") from error
        frame = Frame(command, bytes(self._buffer[body:end]))
        self._at = end
        if self._at == len(self._buffer) or self._at > READ_BYTES:
            del self._buffer[: self._at]
            self._at = 0
        return frame

    def answer(self, seconds: float = ANSWER_TIMEOUT_S) -> Frame:
        """Return the next frame that isn't a ping or pong. Raises `WireError` where none comes in time."""
        deadline = time.monotonic() + seconds
        while True:
            while (frame := self.next()) is not None:
                if not self.kept_alive(frame.command):
                    return frame
            if time.monotonic() > deadline:
                raise WireError(f"the broker did not answer in {seconds:.0f} s")
            self.wait(max(0.0, deadline - time.monotonic()))

    def kept_alive(self, command: BaseCommand) -> bool:
        """Answer a ping; return whether the command was a ping or a pong."""
        if command.type == BaseCommand.PING:
            pong = BaseCommand(type=BaseCommand.PONG)
            pong.pong.SetInParent()
            self.send(pong)
            return True
        return bool(command.type == BaseCommand.PONG)

    def ping(self) -> None:
        """Send a ping."""
        ping = BaseCommand(type=BaseCommand.PING)
        ping.ping.SetInParent()
        self.send(ping)

    def take_messages_of(self, size: int) -> None:
        """Accept frames with messages of up to ``size`` bytes, the broker's own maximum."""
        self._most = max(size, LARGEST_MESSAGE_BYTES) + FRAME_OVERHEAD

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):
            self._stream.close()

    def _decrypted(self) -> bool:
        return isinstance(self._stream, ssl.SSLSocket) and self._stream.pending() > 0

    def _whole(self) -> bool:
        there = len(self._buffer) - self._at
        if there < 4:
            return False
        size = _SIZE.unpack_from(self._buffer, self._at)[0]
        if not 4 <= size <= self._most:
            raise WireError(f"the broker sent a frame of {size:,} bytes: it isn't Pulsar, or allows larger messages")
        return bool(there >= 4 + size)


def connect(endpoint: Endpoint, url: str = "", *, through: str = "", answer_s: float = ANSWER_TIMEOUT_S) -> Link:
    """Connect to a broker and authenticate.

    Parameters
    ----------
    endpoint
        Where Pulsar is and how to authenticate.
    url
        Address of the broker; if empty, the first one in the service URL that answers.
    through
        The broker that a proxy at the address should connect to, empty for no proxy.
    answer_s
        How long each one may take to answer, in seconds.

    Raises
    ------
    WireError
        No broker answers, or it refused: `Unauthenticated` where that is about who one of the two is.
    """
    reasons, kinds = [], set()
    for host, port, secure in endpoint.addresses(url):
        try:
            return _connected(endpoint, host, port, secure=secure, through=through, answer_s=answer_s)
        except (OSError, WireError) as error:
            distrusted = isinstance(error, ssl.SSLCertVerificationError)
            kinds.add(Unauthenticated if distrusted else type(error) if isinstance(error, WireError) else WireError)
            reasons.append(f"{host}:{port}: {_cause(error) if isinstance(error, OSError) else error}")
    kind = kinds.pop() if len(kinds) == 1 else WireError
    raise kind("; ".join(reasons))


def _connected(endpoint: Endpoint, host: str, port: int, *, secure: bool, through: str, answer_s: float) -> Link:
    stream = socket.create_connection((host, port), CONNECT_TIMEOUT_S)
    try:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secure:
            stream = endpoint.tls().wrap_socket(stream, server_hostname=host)
        link = Link(stream)
        _shake_hands(link, endpoint, through, answer_s)
    except BaseException:
        stream.close()
        raise
    return link


def connect_to_topic(endpoint: Endpoint, topic: str) -> Link:
    """Connect to the broker that owns a topic. Raises `WireError`, see `connect`."""
    url, authoritative = "", False
    link = connect(endpoint)
    try:
        for _ in range(MOST_REDIRECTS):
            where = _looked_up(link, topic, authoritative=authoritative)
            secure = endpoint.service_url.startswith("pulsar+ssl") and where.brokerServiceUrlTls
            broker = where.brokerServiceUrlTls if secure else where.brokerServiceUrl
            connected = where.response == CommandLookupTopicResponse.Connect
            proxied = where.proxy_through_service_url
            if connected and not proxied and endpoint.addresses(broker) == endpoint.addresses(url):
                return link
            link.close()
            link = connect(endpoint, through=broker.partition("://")[2]) if proxied else connect(endpoint, broker)
            if connected:
                return link
            url, authoritative = broker, where.authoritative
    except BaseException:
        link.close()
        raise
    link.close()
    raise WireError(f"{topic}: more than {MOST_REDIRECTS} redirects between brokers")


def subscribe(endpoint: Endpoint, command: BaseCommand) -> Link:
    """Connect to the broker that owns the topic of a SUBSCRIBE command, and subscribe. Raises `WireError`."""
    topic = command.subscribe.topic
    link = connect_to_topic(endpoint, topic)
    try:
        link.send(command)
        answer = link.answer().command
        if answer.type != BaseCommand.SUCCESS:
            raise refused(topic, answer.error)
    except BaseException:
        link.close()
        raise
    return link


def _looked_up(link: Link, topic: str, *, authoritative: bool) -> CommandLookupTopicResponse:
    lookup = BaseCommand(type=BaseCommand.LOOKUP)
    lookup.lookupTopic.topic = topic
    lookup.lookupTopic.request_id = 1
    lookup.lookupTopic.authoritative = authoritative
    link.send(lookup)
    answer = link.answer().command
    if answer.type == BaseCommand.ERROR:
        raise refused(topic, answer.error)
    where = answer.lookupTopicResponse
    if answer.type != BaseCommand.LOOKUP_RESPONSE or where.response == CommandLookupTopicResponse.Failed:
        raise _of_kind(where.error, topic, where.message or "it does not say which broker owns the topic")
    return where


def _shake_hands(link: Link, endpoint: Endpoint, through: str, answer_s: float) -> None:
    hello = BaseCommand(type=BaseCommand.CONNECT)
    hello.connect.client_version = CLIENT
    hello.connect.protocol_version = PROTOCOL_VERSION
    hello.connect.proxy_to_broker_url = through
    if endpoint.auth_method:
        hello.connect.auth_method_name = endpoint.auth_method
        hello.connect.auth_data = endpoint.auth_data()
    link.send(hello)
    answer = link.answer(answer_s).command
    if answer.type == BaseCommand.ERROR:
        raise refused("", answer.error)
    if answer.type != BaseCommand.CONNECTED:
        raise WireError("the server at this address does not answer as Pulsar does")
    link.take_messages_of(answer.connected.max_message_size)


def auth_response(endpoint: Endpoint) -> BaseCommand:
    """Return the answer to a broker that asks for credentials again. Raises `WireError` where they can't be read."""
    response = BaseCommand(type=BaseCommand.AUTH_RESPONSE)
    response.authResponse.client_version = CLIENT
    response.authResponse.protocol_version = PROTOCOL_VERSION
    response.authResponse.response.auth_method_name = endpoint.auth_method
    try:
        response.authResponse.response.auth_data = endpoint.auth_data()
    except OSError as error:
        raise WireError(f"the credentials can't be read: {_cause(error)}") from error
    return response


def refused(topic: str, error: CommandError) -> WireError:
    """Return the broker's error, with its message in one line."""
    return _of_kind(error.error, topic, " ".join(error.message.decode(errors="backslashreplace").split())[:500])


def _of_kind(code: int, topic: str, said: str) -> WireError:
    kind = REFUSALS.get(code, WireError)
    return kind(f"{f'{topic}: ' if topic else ''}the broker refused: {said or f'error {code}'}")


def _cause(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate isn't accepted: {error.verify_message}"
    return error.strerror or str(error) or type(error).__name__
