"""Names of topics and their parts that are needed in several places."""

NAMESPACE = "alpes/tienda"

CREAR_ORDEN = "crear-orden"
ORDEN_ACTUALIZADA = "orden-actualizada"
GENERAR_REPORTE = "generar-reporte"
REPORTE_GENERADO = "reporte-generado"
DLQ_BITACORA = "dlq-bitacora"
"""The log of what operators did with dead letters."""

TIMER_KEY = "vencer:"
"""Prefix of the keys of the timers that Ordenes sends to itself."""

RETRY_SUFFIX = "-reintento"
"""Suffix of the topics with a function's later attempts at messages that it could not process yet."""

# An order ends in one of these when a function can't take it further.
ORDER_DEAD_LETTERS = ("crear-orden-DLQ", "orden-creada-DLQ", "transaccion-creada-DLQ")


def full_name(topic: str) -> str:
    """Return the name by which Pulsar knows one of our topics.

    Examples
    --------
    >>> full_name("crear-orden")
    'persistent://alpes/tienda/crear-orden'
    """
    return f"persistent://{NAMESPACE}/{topic}"
