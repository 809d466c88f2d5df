"""Names that functions, clients and operators agree on: of message properties, and the ending of dead-letter topics."""

ATTEMPT = "attempt"
"""Property of a retried or dead-lettered message: the number of the attempt. Absent means the first."""
SOURCE_TOPIC = "source.topic"
"""Property of a retried or dead-lettered message: the topic it first came from."""
SOURCE_MESSAGE_ID = "source.message_id"
"""Property of a retried or dead-lettered message: its id in the topic it first came from."""

ERROR_TYPE = "error.type"
"""Property of a dead letter: the kind of failure, such as ``invalid`` or ``bug``."""
ERROR_MESSAGE = "error.message"
"""Property of a dead letter: why the message failed, for a person to read."""
ERROR_FUNCTION = "error.function"
"""Property of a dead letter: the function that gave the message up; several may read one topic."""
OMITTED = "payload.omitted"
"""Property of a dead letter whose payload did not fit; the message lies in `SOURCE_TOPIC` under `SOURCE_MESSAGE_ID`."""

REPLAY_PREFIX = "replay."
"""Begins the names of the properties in which an operator's replay keeps how a message failed before."""

DEAD_LETTER_SUFFIX = "-DLQ"
"""Ends the name of the topic that takes what a function could not process of the topic named before it."""
