from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class TransaccionProcesada(_message.Message):
    __slots__ = ("order_id", "status", "id", "amount_cents", "currency", "processed_at_ms", "traceparent", "event_id", "event_type", "schema_version")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_CENTS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    status: str
    id: str
    amount_cents: int
    currency: str
    processed_at_ms: int
    traceparent: str
    event_id: str
    event_type: str
    schema_version: int
    def __init__(self, order_id: _Optional[str] = ..., status: _Optional[str] = ..., id: _Optional[str] = ..., amount_cents: _Optional[int] = ..., currency: _Optional[str] = ..., processed_at_ms: _Optional[int] = ..., traceparent: _Optional[str] = ..., event_id: _Optional[str] = ..., event_type: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...

class ReembolsarTransaccion(_message.Message):
    __slots__ = ("order_id", "transaction_id", "amount_cents", "currency", "traceparent", "event_id", "event_type", "schema_version")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_CENTS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    transaction_id: str
    amount_cents: int
    currency: str
    traceparent: str
    event_id: str
    event_type: str
    schema_version: int
    def __init__(self, order_id: _Optional[str] = ..., transaction_id: _Optional[str] = ..., amount_cents: _Optional[int] = ..., currency: _Optional[str] = ..., traceparent: _Optional[str] = ..., event_id: _Optional[str] = ..., event_type: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...
