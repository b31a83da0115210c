"""One MQTT 5 connection on paho-mqtt, driven by its owner's thread, and the names of the topics.

paho's callbacks run under its lock, so they only put things aside here; the owner collects them after ``pump``. A
connection is used once: after a failure a new one is made, so that nothing of paho's own queue lives on.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

from paho.mqtt import MQTTException
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.errors import BrokerError, SubscriptionError
from edge.tls import TidySocket, refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge.config import Broker

MAX_IN_FLIGHT: Final = 20
KEEPALIVE_S: Final = 30

_CONNECT_TIMEOUT_S = 5.0
_ANSWER_TIMEOUT_S = 10.0
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_Item = TypeVar("_Item")

# What a broken broker sends makes paho raise any of these; others, such as a signal handler's, are not ours to take.
_PAHO_ERRORS = (LookupError, ValueError, TypeError, AttributeError, OSError, struct.error, MQTTException)
_NOT_AUTHORISED = (0x86, 0x87)  # bad user name or password, not authorised
_WRONG_VERSION = (0x01, 0x84)


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one node: ``<prefix>/v1/<site>/<node>/...``."""

    prefix: str
    site: str
    node: str

    @property
    def status(self) -> str:
        """``online`` or ``offline``, retained."""
        return self._of("status")

    @property
    def birth(self) -> str:
        """What runs on the node, retained."""
        return self._of("birth")

    @property
    def health(self) -> str:
        """Counters, now and then."""
        return self._of("health")

    @property
    def signal(self) -> str:
        """Each phase that a signal group enters."""
        return self._of("signal")

    @property
    def violation(self) -> str:
        """Signed events."""
        return self._of("event/violation")

    @property
    def state(self) -> str:
        """Signed events too: armed, disarmed, and why."""
        return self._of("event/state")

    @property
    def checkpoint(self) -> str:
        """The last checkpoint of the node's ledger, retained."""
        return self._of("checkpoint")

    @property
    def doctor(self) -> str:
        """Where ``stopline doctor`` tries whether it may publish."""
        return self._of("doctor")

    def evidence(self, event_id: str, part: int = 0) -> str:
        """An event's evidence bundle or the list of its parts; with ``part``, counted from 1, that part."""
        return self._of(f"evidence/{event_id}/{part}" if part else f"evidence/{event_id}")

    def receipt(self, event_id: str) -> str:
        """What a receiver says of an event that it has stored."""
        return self._of(f"receipt/{event_id}")

    def _of(self, name: str) -> str:
        return f"{self.prefix}/v1/{self.site}/{self.node}/{name}"


def all_violations(prefix: str) -> str:
    """The filter that matches the events of every site and node."""
    return f"{prefix}/v1/+/+/event/violation"


def all_states(prefix: str) -> str:
    """The filter that matches the changes of state of every site and node."""
    return f"{prefix}/v1/+/+/event/state"


def all_checkpoints(prefix: str) -> str:
    """The filter that matches the checkpoints of every site and node."""
    return f"{prefix}/v1/+/+/checkpoint"


def all_health(prefix: str) -> str:
    """The filter that matches what the nodes of every site say of themselves."""
    return f"{prefix}/v1/+/+/health"


def all_evidence(prefix: str) -> str:
    """The filter that matches the evidence of every site and node, in parts or whole."""
    return f"{prefix}/v1/+/+/evidence/#"


def shared(group: str, topic_filter: str) -> str:
    """The filter by which several subscribers of one group share what comes."""
    return f"$share/{group}/{topic_filter}"


@dataclass(frozen=True, slots=True)
class Publication:
    """What is published, with its MQTT 5 properties. Without ``expiry_s`` it never expires."""

    topic: str
    payload: bytes = field(repr=False)
    content_type: str
    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None
    user_properties: tuple[tuple[str, str], ...] = ()
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """The broker's answer to the QoS 1 publication ``mid``; ``refusal`` is None where it took it."""

    mid: int
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Received:
    """A message from the broker; ``mid`` is what to acknowledge it by, 0 where there is nothing to acknowledge."""

    topic: str
    payload: bytes = field(repr=False)
    content_type: str | None
    retained: bool
    expiry_s: int | None
    user_properties: tuple[tuple[str, str], ...]
    correlation: bytes | None = None
    mid: int = 0


@dataclass(frozen=True, slots=True)
class _Endpoint:
    host: str
    port: int
    tls: ssl.SSLContext | None
    certified: bool
    username: str | None
    password: str | None = field(repr=False)


class Connection:
    """One connection to a broker. Only one thread may use it; every method raises BrokerError in one clear sentence."""

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        *,
        will: Publication | None = None,
        session_s: int = 0,
        unacknowledged: int | None = None,
        in_flight: int = MAX_IN_FLIGHT,
        keepalive_s: int = KEEPALIVE_S,
        largest_bytes: int | None = None,
    ) -> None:
        """Check the address, files and password, not the network yet.

        ``session_s`` is how long the broker keeps this client's subscriptions and messages after it has gone; 0 starts
        afresh each time. With ``unacknowledged`` the broker is told of what came by ``acknowledge`` alone, and is asked
        to send at most so many messages before it (Mosquitto before 2.0.13 does not keep to it). ``in_flight`` is how
        many QoS 1 publications may be under way, where the broker allows as many. After ``keepalive_s`` without a word
        each end asks whether the other is still there. The broker is to send no packet over ``largest_bytes``.
        """
        self._endpoint = _endpoint(broker)
        self._session_s = session_s
        self._unacknowledged = unacknowledged
        self._keepalive_s = keepalive_s
        self._largest_bytes = largest_bytes
        self._acks: deque[Ack] = deque()
        self._received: deque[Received] = deque()
        self._connack: tuple[ReasonCode, Properties] | None = None
        self._resumed = False
        self._asked: dict[int | None, str] = {}
        self._refused_topic: str | None = None
        self._lost: str | None = None
        self._detail = ""
        self._unanswered: set[int] = set()
        self._in_flight = self._max_unanswered = in_flight
        self._max_packet_bytes: int | None = None
        self._client = self._new_client(client_id, will)

    @property
    def room(self) -> int:
        """How many more QoS 1 publications may be under way; none while earlier ones have not left this machine."""
        return 0 if self._client.want_write() else self._max_unanswered - len(self._unanswered)

    def fileno(self) -> int:
        """What to wait on for several connections at once; -1 where there is none."""
        sock = self._client.socket()
        return -1 if sock is None else sock.fileno()

    def open(self, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Connect and wait until the broker has accepted this client."""
        properties = _no_properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._session_s
        properties.ReceiveMaximum = self._unacknowledged or MAX_IN_FLIGHT
        if self._largest_bytes is not None:
            properties.MaximumPacketSize = self._largest_bytes
        where = self._endpoint
        try:
            self._client.connect(
                where.host, where.port, self._keepalive_s, clean_start=self._session_s == 0, properties=properties
            )
        except (OSError, ValueError) as error:
            raise BrokerError(_unreachable(where, error)) from None
        self._await(lambda: self._connack is not None, cancelled, f"{_name(where)} does not answer as an MQTT broker")
        self._settle()

    def publish(self, publication: Publication) -> int:
        """Hand a publication over; its ``Ack`` bears the number given back. ``room`` says whether one more may go."""
        properties = _properties(PacketTypes.PUBLISH, publication)
        info = self._client.publish(
            publication.topic, publication.payload, publication.qos, publication.retain, properties
        )
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerError(self._why(f"the broker connection failed ({paho.error_string(info.rc)})"))
        if publication.qos:
            self._unanswered.add(info.mid)
        return info.mid

    def too_large(self, publication: Publication) -> str | None:
        """Why the broker cannot take a publication of this size, or None where it can."""
        size = len(publication.payload) + len(publication.topic) + 1000
        if self._max_packet_bytes is None or size <= self._max_packet_bytes:
            return None
        return f"Packet too large: about {size} bytes, the broker takes {self._max_packet_bytes}"

    def subscribe(self, topic_filter: str) -> None:
        """Subscribe with QoS 1 and wait for the broker's word.

        Where the broker has kept the session, its word is not waited for: the subscription is there already, and the
        word stands behind everything that waited in the session, which may take minutes. A refusal then comes out of
        ``pump``.
        """
        _, mid = self._client.subscribe(topic_filter, qos=1)
        self._asked[mid] = topic_filter
        if not self._resumed:
            silence = "The broker does not answer a subscription"
            self._await(lambda: mid not in self._asked, lambda: False, silence)

    def pump(self, timeout_s: float) -> bool:
        """Send and receive for at most ``timeout_s``, less where something came; says whether a message or ack did."""
        before = len(self._received) + len(self._acks)
        try:
            code = self._exchange(timeout_s)
        except _PAHO_ERRORS as error:
            raise BrokerError(self._why(f"the broker sends what MQTT does not know ({error!r})")) from error
        if self._lost is not None or code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerError(self._why("the broker connection was lost"))
        if self._refused_topic is not None:
            raise SubscriptionError(f"The broker refuses {self._refused_topic}", self._refused_topic)
        return len(self._received) + len(self._acks) > before

    def _exchange(self, timeout_s: float) -> MQTTErrorCode:
        """One round of paho's own reading, writing and keeping alive, as it documents for loops of others."""
        sock = self._client.socket()
        if sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        buffered = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        ready = dict(poll.poll(0 if buffered else timeout_s * 1000)).get(sock.fileno(), 0)
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        if buffered or ready & ~select.POLLOUT:
            code = self._client.loop_read()
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS and ready & select.POLLOUT:
            code = self._client.loop_write()
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS:
            code = self._client.loop_misc()
        return code

    def take_acks(self) -> list[Ack]:
        """The broker's answers since the last call."""
        return _drained(self._acks)

    def take_received(self, most: int | None = None, most_bytes: int | None = None) -> list[Received]:
        """The messages received since the last call, or the first of them: within bounds, but one if there is any."""
        taken: list[Received] = []
        size = 0
        while self._received and (most is None or len(taken) < most) and (most_bytes is None or size < most_bytes):
            taken.append(self._received.popleft())
            size += len(taken[-1].payload)
        return taken

    def acknowledge(self, received: Received) -> None:
        """Tell the broker that a message is safe here, where the connection was made with ``unacknowledged``."""
        if received.mid and self._client.ack(received.mid, 1) != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerError(self._why("the broker connection was lost"))

    def close(self, *, with_will: bool = False) -> None:
        """Say goodbye and close the socket; the broker sends the last will only ``with_will``."""
        reason = ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message" if with_will else "Success")
        with suppress(*_PAHO_ERRORS):
            self._client.disconnect(reason)
        sock = self._client.socket()
        if sock is not None:  # the goodbye could not be written
            sock.close()

    def _new_client(self, client_id: str, will: Publication | None) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=paho.MQTTv5, reconnect_on_failure=False)
        client.connect_timeout = _CONNECT_TIMEOUT_S
        client.max_inflight_messages = self._in_flight
        client.manual_ack_set(self._unacknowledged is not None)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_log = self._on_log
        if self._endpoint.username is not None:
            client.username_pw_set(self._endpoint.username, self._endpoint.password)
        if self._endpoint.tls is not None:
            client.tls_set_context(self._endpoint.tls)
        if will is not None:
            properties = _properties(PacketTypes.WILLMESSAGE, will)
            client.will_set(will.topic, will.payload, will.qos, will.retain, properties)
        return client

    def _await(self, answered: Callable[[], bool], cancelled: Callable[[], bool], silence: str) -> None:
        give_up = time.monotonic() + _ANSWER_TIMEOUT_S
        while not answered():
            if time.monotonic() > give_up or cancelled():
                raise BrokerError(f"{silence}: check its address and that it speaks MQTT 5")
            self.pump(0.1)

    def _settle(self) -> None:
        """Accept what the broker said in its CONNACK, or its refusal."""
        assert self._connack is not None
        reason, properties = self._connack
        if reason.is_failure:
            raise BrokerError(_refused(self._endpoint, reason))
        self._max_unanswered = min(self._in_flight, getattr(properties, "ReceiveMaximum", self._in_flight))
        self._max_packet_bytes = getattr(properties, "MaximumPacketSize", None)

    def _why(self, otherwise: str) -> str:
        """The best that is known about a connection that ended."""
        where = _name(self._endpoint)
        if self._connack is not None and self._connack[0].is_failure:
            return _refused(self._endpoint, self._connack[0])
        if self._connack is None:
            hint = "does it want TLS (mqtts://), or a client certificate that it trusts?"
            return f"{where} closed the connection before it accepted this client: {hint}{self._detail}"
        return f"{where}: {self._lost or otherwise}; it is tried again.{self._detail}"

    def _on_connect(
        self, _client: paho.Client, _data: Any, flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._resumed = bool(flags.session_present)
        self._connack = (reason, properties or _no_properties(PacketTypes.CONNACK))

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, flags: Any, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        by_broker = flags.is_disconnect_packet_from_server
        self._lost = f"the broker ended the connection ({reason.getName()})" if by_broker else "the connection was lost"

    def _on_publish(
        self, _client: paho.Client, _data: Any, mid: int, reason: ReasonCode, properties: Properties
    ) -> None:
        if mid not in self._unanswered:  # QoS 0: paho says only that it was written
            return
        self._unanswered.discard(mid)
        said = getattr(properties, "ReasonString", "")
        self._acks.append(Ack(mid, f"{reason.getName()} {said}".strip() if reason.is_failure else None))

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        topic_filter = self._asked.pop(mid, "a subscription")
        for reason in reasons:
            if reason.is_failure:
                self._refused_topic = f"{topic_filter} to this client: {reason.getName()}"

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        properties = message.properties
        self._received.append(
            Received(
                topic=message.topic,
                payload=bytes(message.payload),
                content_type=getattr(properties, "ContentType", None),
                retained=message.retain,
                expiry_s=getattr(properties, "MessageExpiryInterval", None),
                user_properties=tuple(getattr(properties, "UserProperty", ())),
                correlation=getattr(properties, "CorrelationData", None),
                mid=message.mid if message.qos else 0,
            )
        )

    def _on_log(self, _client: paho.Client, _data: Any, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._detail = f" ({text[:200]})"


def check_settings(broker: Broker) -> None:
    """Raise BrokerError for an address, certificate or password file that is no good; the network is not tried."""
    _endpoint(broker)


def _endpoint(broker: Broker) -> _Endpoint:
    """Where and how to connect; BrokerError where the settings contradict themselves."""
    url = urlsplit(broker.url)
    try:
        port = url.port or _PORTS[url.scheme]
    except (ValueError, KeyError):
        raise BrokerError(_bad_url(broker.url)) from None
    if not url.hostname:
        raise BrokerError(_bad_url(broker.url))
    username = unquote(url.username) if url.username else broker.username
    password = unquote(url.password) if url.password else _password(broker)
    tls = _tls(broker, url.scheme)
    return _Endpoint(url.hostname, port, tls, broker.cert is not None, username, password)


def _bad_url(url: str) -> str:
    return f"{url!r} is no broker address: write it as mqtt://host:1883, or mqtts://host:8883 for TLS"


def _password(broker: Broker) -> str | None:
    if broker.password_file is None:
        return None
    try:
        return broker.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokerError(
            f"{broker.password_file} cannot be read as a password file ({_brief(error)}): correct its path"
        ) from None


def _tls(broker: Broker, scheme: str) -> ssl.SSLContext | None:
    if scheme == "mqtt":
        if broker.ca or broker.cert or broker.key:
            raise BrokerError("The broker's address begins with mqtt:// though certificates are set: use mqtts://")
        return None
    if (broker.cert is None) != (broker.key is None):
        raise BrokerError("A client certificate needs both: set the broker's cert and key, or neither")
    try:
        context = ssl.create_default_context(cafile=broker.ca)
    except (OSError, ssl.SSLError) as error:
        raise BrokerError(
            f"{broker.ca} cannot be used as the broker's CA certificate ({_brief(error)}): give the authority's, in PEM"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = TidySocket
    if broker.cert is not None and broker.key is not None:
        _load_client_certificate(context, broker.cert, broker.key)
    return context


def _load_client_certificate(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    try:
        context.load_cert_chain(cert, key, password=lambda: b"")
    except (OSError, ssl.SSLError) as error:
        if _lies_in_tpm(key):
            raise BrokerError(
                f"{key} lies in a TPM, where TLS cannot reach it: name a key file of its own as the broker's "
                "key, certified with --use tls"
            ) from None
        raise BrokerError(
            f"{cert} with {key} cannot be used as client certificate and key ({_brief(error)}): they must belong "
            "together, in PEM, the key without a password"
        ) from None


def _lies_in_tpm(key: Path) -> bool:
    with suppress(OSError):
        return b"-----BEGIN TSS2 PRIVATE KEY-----" in key.read_bytes()
    return False


def _no_properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call] # paho leaves it without annotations


def _properties(packet: int, publication: Publication) -> Properties:
    properties = _no_properties(packet)
    properties.ContentType = publication.content_type
    if publication.content_type.startswith("text/") or "json" in publication.content_type:
        properties.PayloadFormatIndicator = 1  # UTF-8 text
    if publication.correlation is not None:
        properties.CorrelationData = publication.correlation
    if publication.expiry_s is not None:
        properties.MessageExpiryInterval = publication.expiry_s
    if publication.user_properties:
        properties.UserProperty = list(publication.user_properties)
    return properties


def _name(where: _Endpoint) -> str:
    return f"The broker at {where.host}:{where.port}"


def _refused(where: _Endpoint, reason: ReasonCode) -> str:
    if reason.value in _NOT_AUTHORISED:
        return (
            f"{_name(where)} does not let this client in ({reason.getName()}): "
            "check user name, password and client certificate"
        )
    if reason.value in _WRONG_VERSION:
        return f"{_name(where)} speaks no MQTT 5: use one that does, for example Mosquitto 2"
    return f"{_name(where)} refuses this client ({reason.getName()})"


def _unreachable(where: _Endpoint, error: OSError | ValueError) -> str:
    name = _name(where)
    refused = refusal(error, with_certificate=where.certified) if isinstance(error, ssl.SSLError) else None
    if refused is not None:
        return f"{name} {refused}"
    if isinstance(error, ssl.SSLError) or (where.tls is not None and isinstance(error, ConnectionResetError)):
        return f"{name} does not speak TLS as expected ({_brief(error)}): check its port and certificates"
    if isinstance(error, socket.gaierror):
        return f"{name} is not found: check the host name and the network"
    if isinstance(error, ConnectionRefusedError):
        return f"{name} is not there: nothing listens on that port; start the broker or check its address"
    return f"{name} cannot be reached ({_brief(error)}): check its address and the network"


def _brief(error: Exception) -> str:
    """The part of a foreign error that a person can use."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error)


def _drained(items: deque[_Item]) -> list[_Item]:
    taken = list(items)
    items.clear()
    return taken
