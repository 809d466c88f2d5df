from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class GenerarReporte(_message.Message):
    __slots__ = ("report_id", "format", "to", "tz", "by", "report", "filters", "traceparent")
    class FiltersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REPORT_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    TZ_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    report_id: str
    format: str
    to: str
    tz: str
    by: str
    report: str
    filters: _containers.ScalarMap[str, str]
    traceparent: str
    def __init__(self, report_id: _Optional[str] = ..., format: _Optional[str] = ..., to: _Optional[str] = ..., tz: _Optional[str] = ..., by: _Optional[str] = ..., report: _Optional[str] = ..., filters: _Optional[_Mapping[str, str]] = ..., traceparent: _Optional[str] = ..., **kwargs) -> None: ...

class ReporteGenerado(_message.Message):
    __slots__ = ("report_id", "format", "generated_at_ms", "part", "last", "content", "content_type", "error", "traceparent", "event_id", "event_type", "schema_version", "from_ms", "to_ms", "tz", "by", "report", "content_bytes", "sha256")
    REPORT_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    GENERATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    FROM_MS_FIELD_NUMBER: _ClassVar[int]
    TO_MS_FIELD_NUMBER: _ClassVar[int]
    TZ_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    report_id: str
    format: str
    generated_at_ms: int
    part: int
    last: bool
    content: bytes
    content_type: str
    error: str
    traceparent: str
    event_id: str
    event_type: str
    schema_version: int
    from_ms: int
    to_ms: int
    tz: str
    by: str
    report: str
    content_bytes: int
    sha256: bytes
    def __init__(self, report_id: _Optional[str] = ..., format: _Optional[str] = ..., generated_at_ms: _Optional[int] = ..., part: _Optional[int] = ..., last: _Optional[bool] = ..., content: _Optional[bytes] = ..., content_type: _Optional[str] = ..., error: _Optional[str] = ..., traceparent: _Optional[str] = ..., event_id: _Optional[str] = ..., event_type: _Optional[str] = ..., schema_version: _Optional[int] = ..., from_ms: _Optional[int] = ..., to_ms: _Optional[int] = ..., tz: _Optional[str] = ..., by: _Optional[str] = ..., report: _Optional[str] = ..., content_bytes: _Optional[int] = ..., sha256: _Optional[bytes] = ...) -> None: ...
