from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CrearOrden(_message.Message):
    __slots__ = ("id", "client_id", "address", "status", "created_at", "service", "created_at_ms", "total_cents", "currency", "traceparent", "direccion", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_CENTS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    DIRECCION_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    client_id: int
    address: str
    status: str
    created_at: float
    service: str
    created_at_ms: int
    total_cents: int
    currency: str
    traceparent: str
    direccion: Direccion
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., client_id: _Optional[int] = ..., address: _Optional[str] = ..., status: _Optional[str] = ..., created_at: _Optional[float] = ..., service: _Optional[str] = ..., created_at_ms: _Optional[int] = ..., total_cents: _Optional[int] = ..., currency: _Optional[str] = ..., traceparent: _Optional[str] = ..., direccion: _Optional[_Union[Direccion, _Mapping]] = ..., schema_version: _Optional[int] = ...) -> None: ...

class Direccion(_message.Message):
    __slots__ = ("calle", "numero", "complemento", "codigo_postal", "ciudad", "region", "pais")
    CALLE_FIELD_NUMBER: _ClassVar[int]
    NUMERO_FIELD_NUMBER: _ClassVar[int]
    COMPLEMENTO_FIELD_NUMBER: _ClassVar[int]
    CODIGO_POSTAL_FIELD_NUMBER: _ClassVar[int]
    CIUDAD_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    PAIS_FIELD_NUMBER: _ClassVar[int]
    calle: str
    numero: str
    complemento: str
    codigo_postal: str
    ciudad: str
    region: str
    pais: str
    def __init__(self, calle: _Optional[str] = ..., numero: _Optional[str] = ..., complemento: _Optional[str] = ..., codigo_postal: _Optional[str] = ..., ciudad: _Optional[str] = ..., region: _Optional[str] = ..., pais: _Optional[str] = ...) -> None: ...

class OrdenCreada(_message.Message):
    __slots__ = ("id", "client_id", "address", "status", "created_at", "service", "created_at_ms", "total_cents", "currency", "traceparent", "event_id", "event_type", "schema_version", "direccion")
    ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_CENTS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    DIRECCION_FIELD_NUMBER: _ClassVar[int]
    id: str
    client_id: int
    address: str
    status: str
    created_at: float
    service: str
    created_at_ms: int
    total_cents: int
    currency: str
    traceparent: str
    event_id: str
    event_type: str
    schema_version: int
    direccion: Direccion
    def __init__(self, id: _Optional[str] = ..., client_id: _Optional[int] = ..., address: _Optional[str] = ..., status: _Optional[str] = ..., created_at: _Optional[float] = ..., service: _Optional[str] = ..., created_at_ms: _Optional[int] = ..., total_cents: _Optional[int] = ..., currency: _Optional[str] = ..., traceparent: _Optional[str] = ..., event_id: _Optional[str] = ..., event_type: _Optional[str] = ..., schema_version: _Optional[int] = ..., direccion: _Optional[_Union[Direccion, _Mapping]] = ...) -> None: ...

class OrdenActualizada(_message.Message):
    __slots__ = ("id", "client_id", "address", "status", "created_at", "service", "created_at_ms", "total_cents", "currency", "traceparent", "event_id", "event_type", "schema_version", "version", "updated_at_ms", "transaction_id", "direccion")
    ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_CENTS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    DIRECCION_FIELD_NUMBER: _ClassVar[int]
    id: str
    client_id: int
    address: str
    status: str
    created_at: float
    service: str
    created_at_ms: int
    total_cents: int
    currency: str
    traceparent: str
    event_id: str
    event_type: str
    schema_version: int
    version: int
    updated_at_ms: int
    transaction_id: str
    direccion: Direccion
    def __init__(self, id: _Optional[str] = ..., client_id: _Optional[int] = ..., address: _Optional[str] = ..., status: _Optional[str] = ..., created_at: _Optional[float] = ..., service: _Optional[str] = ..., created_at_ms: _Optional[int] = ..., total_cents: _Optional[int] = ..., currency: _Optional[str] = ..., traceparent: _Optional[str] = ..., event_id: _Optional[str] = ..., event_type: _Optional[str] = ..., schema_version: _Optional[int] = ..., version: _Optional[int] = ..., updated_at_ms: _Optional[int] = ..., transaction_id: _Optional[str] = ..., direccion: _Optional[_Union[Direccion, _Mapping]] = ...) -> None: ...

class VencerOrdenes(_message.Message):
    __slots__ = ("accepted_from_ms", "accepted_until_ms", "after_id", "done")
    ACCEPTED_FROM_MS_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    AFTER_ID_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    accepted_from_ms: int
    accepted_until_ms: int
    after_id: str
    done: bool
    def __init__(self, accepted_from_ms: _Optional[int] = ..., accepted_until_ms: _Optional[int] = ..., after_id: _Optional[str] = ..., done: _Optional[bool] = ...) -> None: ...
