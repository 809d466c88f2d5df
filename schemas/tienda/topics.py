"""Names of topics and their parts that are needed in several places."""

from alpes_wire.names import DEAD_LETTER_SUFFIX

NAMESPACE = "alpes/tienda"
SERVICES = ("ordenes", "pagos", "reporting")
"""The services in the order in which an order passes them. The function of each has its name."""

CREAR_ORDEN = "crear-orden"
ORDEN_CREADA = "orden-creada"
TRANSACCION_CREADA = "transaccion-creada"
REEMBOLSAR_TRANSACCION = "reembolsar-transaccion"
ORDEN_ACTUALIZADA = "orden-actualizada"
GENERAR_REPORTE = "generar-reporte"
REPORTE_GENERADO = "reporte-generado"
DLQ_BITACORA = "dlq-bitacora"
"""The log of what operators did with dead letters."""

TIMER_KEY = "vencer:"
"""Prefix of the keys of the timers that Ordenes sends to itself."""

RETRY_SUFFIX = "-reintento"
"""Suffix of the topics with a function's later attempts at messages that it could not process yet."""
RETRY_TOPICS = tuple(f"{service}{RETRY_SUFFIX}" for service in SERVICES)
ORDER_DEAD_LETTERS = tuple(f"{topic}{DEAD_LETTER_SUFFIX}" for topic in (CREAR_ORDEN, ORDEN_CREADA, TRANSACCION_CREADA))
"""An order ends in one of these when a function can't take it further."""

EVENTS_AND_COMMANDS = (
    CREAR_ORDEN,
    ORDEN_CREADA,
    TRANSACCION_CREADA,
    REEMBOLSAR_TRANSACCION,
    ORDEN_ACTUALIZADA,
    GENERAR_REPORTE,
    REPORTE_GENERADO,
)
INPUTS = (*(topic for topic in EVENTS_AND_COMMANDS if topic != REPORTE_GENERADO), *RETRY_TOPICS)
"""The topics that a function reads. What it can't process goes to the dead-letter topic of its input."""
ALL = (REPORTE_GENERADO, DLQ_BITACORA, *INPUTS, *(f"{topic}{DEAD_LETTER_SUFFIX}" for topic in INPUTS))


def full_name(topic: str) -> str:
    """Return the name by which Pulsar knows one of our topics.

    Examples
    --------
    >>> full_name("crear-orden")
    'persistent://alpes/tienda/crear-orden'
    """
    return f"persistent://{NAMESPACE}/{topic}"
