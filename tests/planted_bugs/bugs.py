"""Bugs that somebody could write one day, each as a replacement of text, and the suite that has to notice it.

One more is one more `Bug` here: the command `python -m tests.planted_bugs NAME` plants it in a copy of the checkout and runs
its suite there. A bug in a query is planted twice: in the SQL, and in what stands for it in the simulation, which the
contract test of both holds together.
"""

# ruff: noqa: E501 -- replaced text reads best as it stands

from collections.abc import Sequence
from dataclasses import dataclass

SIMULATION = "simulation"
"""`python -m tests.simulation` must find a seed that fails."""


@dataclass(frozen=True)
class Edit:
    """One replacement.

    Parameters
    ----------
    file
        Path within the checkout.
    before, after
        Text that is there exactly once, and what takes its place.
    """

    file: str
    before: str
    after: str


@dataclass(frozen=True)
class Bug:
    """A bug.

    Parameters
    ----------
    name
        What it is called on the command line.
    what
        What goes wrong in the code, in a line.
    edits
        How it is planted.
    suite
        `SIMULATION`, or what pytest is given: a file of tests/faults, for instance.
    """

    name: str
    what: str
    edits: Sequence[Edit]
    suite: str = SIMULATION


RUNTIME = "runtime/alpes_runtime"
STATEMENTS = "tests/simulation/statements.py"

PUBLISH_THEN_ACK = """        try:
            if group.events:
                self._publisher.publish(group.events)
        except Refused as error:
            return self._withheld.add(group.messages, group.caused(), error.events)
        # Only now: the group is committed, and every event of it confirmed.
        for message in group.messages:
            message.acknowledge()
"""

BUGS: Sequence[Bug] = (
    # -- the order of things
    Bug(
        "ack-before-commit",
        "a group is acknowledged as soon as it is taken",
        [
            Edit(
                f"{RUNTIME}/pipeline.py",
                "            group = self._inbox.take(self._batch_max, wait_s)\n",
                "            group = self._inbox.take(self._batch_max, wait_s)\n"
                "            for message in group:\n"
                "                message.acknowledge()\n",
            )
        ],
    ),
    Bug(
        "ack-before-publish",
        "a group is acknowledged before its events are confirmed",
        [
            Edit(
                f"{RUNTIME}/pipeline.py",
                PUBLISH_THEN_ACK,
                "        for message in group.messages:\n"
                "            message.acknowledge()\n"
                "        if group.events:\n"
                "            self._publisher.publish(group.events)\n",
            )
        ],
    ),
    Bug(
        "ack-though-publish-failed",
        "a group whose events were not confirmed counts as published",
        [
            Edit(
                f"{RUNTIME}/pipeline.py",
                PUBLISH_THEN_ACK,
                "        try:\n"
                "            self._publisher.publish(group.events)\n"
                "        finally:\n"
                "            for message in group.messages:\n"
                "                message.acknowledge()\n",
            )
        ],
    ),
    Bug(
        "publish-before-commit",
        "events are published within the transaction",
        [
            Edit(
                f"{RUNTIME}/committer.py",
                "                    outcomes = apply(handler, transaction, batch)\n",
                "                    outcomes = apply(handler, transaction, batch)\n"
                "                    self.publisher.publish(\n"
                "                        [event for outcome in outcomes if isinstance(outcome, Done) for event in outcome.events]\n"
                "                    )\n",
            ),
            Edit(
                f"{RUNTIME}/assembly.py",
                "        self._commit = CommitStage(",
                "        committer.publisher = self._publisher\n        self._commit = CommitStage(",
            ),
        ],
    ),
    Bug(
        "cumulative-ack",
        "an acknowledgement covers everything that the consumer was given before",
        [
            Edit(
                f"{RUNTIME}/intake.py",
                "class DirectIntake:\n",
                "class Cumulative:\n"
                "    def __init__(self, consumer: Any) -> None:\n"
                "        self.consumer, self.given = consumer, []\n\n"
                "    def acknowledge(self, message: Any) -> None:\n"
                "        while message in self.given:\n"
                "            self.consumer.acknowledge(self.given.pop(0))\n\n\n"
                "class DirectIntake:\n",
            ),
            Edit(
                f"{RUNTIME}/intake.py",
                "        self._held: list[Received] = []\n",
                "        self._held: list[Received] = []\n        self._cumulative = Cumulative(consumer)\n",
            ),
            Edit(
                f"{RUNTIME}/intake.py",
                "            received = wrap(self._topic, message, self._consumer)\n",
                "            self._cumulative.given.append(message)\n"
                "            received = wrap(self._topic, message, self._cumulative)\n",
            ),
        ],
    ),
    Bug(
        "ack-while-the-gateway-is-asked",
        "a message that waits for the gateway's answer is acknowledged with the rest of its group",
        [Edit(f"{RUNTIME}/committer.py", "        if asked:\n", "        if not group:\n")],
    ),
    Bug(
        "group-dropped-when-the-publisher-is-behind",
        "a committed group is forgotten where the next stage has no room",
        [
            Edit(
                f"{RUNTIME}/pipeline.py",
                "        except queue.Full:\n            return False\n",
                "        except queue.Full:\n            self._held = None\n            return False\n",
            )
        ],
    ),
    # -- failures of the database
    Bug(
        "outage-dead-letters",
        "a database that is away fails the messages instead of being waited for",
        [
            Edit(
                f"{RUNTIME}/committer.py",
                "            except Unavailable as error:\n                self._wait(error)\n",
                "            except ZeroDivisionError as error:\n                self._wait(error)\n",
            )
        ],
    ),
    Bug(
        "unanswered-commit-taken-for-one",
        "a transaction whose end is not known counts as committed, and causes nothing",
        [
            Edit(
                f"{RUNTIME}/committer.py",
                "                self._wait(error)\n",
                "                return [Done()] * len(batch)\n",
            )
        ],
    ),
    Bug(
        "good-rows-dead-lettered-with-a-bad-one",
        "a group with one message that the database refuses is dead-lettered whole",
        [
            Edit(
                f"{RUNTIME}/committer.py",
                "                applied = self._separated(handler, transaction, part, applied)\n",
                "                applied = [applied] * len(part)\n",
            )
        ],
    ),
    Bug(
        "half-of-a-split-group-forgotten",
        "the second half of a group that is split counts as done",
        [
            Edit(
                f"{RUNTIME}/committer.py",
                "        for half in _halves(batch):\n            applied = self._tried(handler, transaction, half)\n",
                "        for half in _halves(batch):\n"
                "            applied = [Done()] * len(half) if outcomes else self._tried(handler, transaction, half)\n",
            )
        ],
    ),
    # -- idempotence
    Bug(
        "no-on-conflict",
        "Pagos inserts a transaction without ON CONFLICT: a repeated order breaks a constraint",
        [
            Edit(
                "functions/pagos/sql/transacciones.sql",
                "    ) AS nueva (order_id, id, status, amount_cents, currency, processed_at_ms, traceparent)\n"
                "ON CONFLICT (order_id) DO NOTHING\n",
                "    ) AS nueva (order_id, id, status, amount_cents, currency, processed_at_ms, traceparent)\n",
            ),
            Edit(
                STATEMENTS,
                '    return [(order_id,) for order_id in _insert_new(view, "transacciones", "order_id", rows)]\n',
                '    new = _insert_new(view, "transacciones", "order_id", rows)\n'
                "    if len(new) < len(rows):\n"
                "        view._transaction.failed = True\n"
                '        raise ValueError("duplicate key value violates unique constraint")\n'
                "    return [(order_id,) for order_id in new]\n",
            ),
        ],
    ),
    Bug(
        "two-transactions-for-an-order",
        "Pagos keys its transactions by their own id, and draws that anew",
        [
            Edit(
                "functions/pagos/domain.py",
                "    transaction_id = str(uuid.UUID(bytes=_digest(cobro.order_id)[:16], version=4))\n",
                "    transaction_id = str(uuid.UUID(bytes=_digest(f'{cobro.order_id} {now_ms}')[:16], version=4))\n",
            ),
            Edit(
                "functions/pagos/sql/transacciones.sql",
                "ON CONFLICT (order_id) DO NOTHING\nRETURNING order_id",
                "RETURNING order_id",
            ),
            Edit(
                STATEMENTS,
                '    return [(order_id,) for order_id in _insert_new(view, "transacciones", "order_id", rows)]\n',
                "    for row in rows:\n"
                "        view.insert(\"transacciones\", f\"{row['order_id']} {row['id']}\", row)\n"
                '    return [(row["order_id"],) for row in rows]\n',
            ),
        ],
    ),
    Bug(
        "decision-drawn-anew",
        "Pagos emits what it has just drawn, not the row that stands",
        [
            Edit(
                "functions/pagos/domain.py",
                '    draw = int.from_bytes(_digest(order_id)[16:], "big") / 2**64\n',
                "    draw = __import__('random').random()\n",
            ),
            Edit(
                "functions/pagos/store.py",
                "    if len(rows) < len(first):\n        first.update(stored(transaction, first.keys() - {row[0] for row in rows}))\n",
                "    assert rows is not None\n",
            ),
        ],
    ),
    Bug(
        "read-back-in-one-statement",
        "Pagos reads the rows that stood before its insert: what another instance inserts meanwhile is missed",
        [
            Edit(
                "functions/pagos/store.py",
                '    rows = transaction.execute(\n        _SQL["insert_new"],\n',
                '    before = stored(transaction, first)\n    rows = transaction.execute(\n        _SQL["insert_new"],\n',
            ),
            Edit(
                "functions/pagos/store.py",
                "        first.update(stored(transaction, first.keys() - {row[0] for row in rows}))\n",
                "        first.update(before)\n",
            ),
        ],
    ),
    Bug(
        "orders-read-back-in-one-statement",
        "Ordenes reads the orders that stood before its insert",
        [
            Edit(
                "functions/ordenes/store.py",
                '    rows = transaction.execute(\n        _SQL["insert_new"],\n',
                '    already = stored(transaction, sorted(first))\n    rows = transaction.execute(\n        _SQL["insert_new"],\n',
            ),
            Edit(
                "functions/ordenes/store.py",
                "        before = stored(transaction, sorted(first.keys() - set(new)))\n"
                "        first.update((order_id, guardada.orden) for order_id, guardada in before.items())\n",
                "        first.update((order_id, guardada.orden) for order_id, guardada in already.items())\n",
            ),
        ],
    ),
    Bug(
        "duplicates-within-a-batch",
        "of two orders with one id in a batch the first is stored, and the last is told",
        [
            Edit(
                "functions/ordenes/store.py",
                "    for orden in batch:\n        first.setdefault(orden.id, orden)\n    ordered = [first[order_id] for order_id in sorted(first)]\n",
                "    for orden in batch:\n        first[orden.id] = orden\n    ordered = sorted(batch, key=lambda orden: orden.id)\n",
            )
        ],
    ),
    Bug(
        "stored-order-overwritten",
        "an order that comes again with other content replaces what was accepted",
        [
            Edit(
                "functions/ordenes/sql/ordenes.sql",
                "ON CONFLICT (id) DO NOTHING\n",
                "ON CONFLICT (id) DO UPDATE SET total_cents = excluded.total_cents\n",
            ),
            Edit(
                STATEMENTS,
                '    new = _insert_new(view, "ordenes", "id", [{**row, **more, "transaction_id": ""} for row in rows])\n',
                '    new = _insert_new(view, "ordenes", "id", [{**row, **more, "transaction_id": ""} for row in rows])\n'
                "    for row in rows:\n"
                '        if row["id"] not in new:\n'
                '            there = view.lock("ordenes", row["id"])\n'
                '            view.put("ordenes", row["id"], {**there, "total_cents": row["total_cents"]})\n'
                '            new.append(row["id"])\n',
            ),
        ],
    ),
    Bug(
        "conflict-passes",
        "an order with the id of another one counts as the same order",
        [
            Edit(
                "functions/ordenes/handlers.py",
                "        if sent is not accepted and (why := difference(sent, accepted)):\n",
                "        if sent is None and (why := difference(sent, accepted)):\n",
            )
        ],
    ),
    Bug(
        "final-order-not-told-again",
        "a transaction of an order that is final already causes no event",
        [
            Edit(
                "functions/ordenes/handlers.py",
                "            case Reaction.TELL:\n                return Done((messages.orden_actualizada(self.topics.orden_actualizada, guardada),))\n",
                "            case Reaction.TELL:\n                return Done()\n",
            )
        ],
    ),
    Bug(
        "charged-order-not-told-again",
        "an order that was charged before causes no event",
        [
            Edit(
                "functions/pagos/handlers.py",
                "            self._charged(cobro, stored[cobro.order_id]) if isinstance(answer, str) else answer\n",
                "            (self._charged(cobro, stored[cobro.order_id]) if stored[cobro.order_id] in decided else Done())\n"
                "            if isinstance(answer, str)\n"
                "            else answer\n",
            )
        ],
    ),
    Bug(
        "version-not-raised",
        "a payment leaves the order's version as it was",
        [
            Edit(
                "functions/ordenes/sql/ordenes.sql",
                "        status = pago.status,\n        version = orden.version + 1,\n",
                "        status = pago.status,\n        version = orden.version,\n",
            ),
            Edit(
                STATEMENTS,
                '            "status": pago["status"],\n            "version": latest["version"] + 1,\n',
                '            "status": pago["status"],\n            "version": latest["version"],\n',
            ),
        ],
    ),
    Bug(
        "older-version-wins",
        "Reporting takes what comes last for the newest",
        [
            Edit("functions/reporting/sql/ordenes.sql", "\nWHERE ordenes.version < excluded.version\n", "\n"),
            Edit(
                STATEMENTS,
                '        if latest is None or latest["version"] < row["version"]:\n',
                '        if latest is None or row["version"]:\n',
            ),
        ],
    ),
    # -- retries and dead letters
    Bug(
        "attempt-number-lost",
        "a message that is looked at again counts as new",
        [
            Edit(
                f"{RUNTIME}/dead_letter.py",
                "    properties[ATTEMPT] = str(received.attempt + 1)\n",
                '    properties[ATTEMPT] = "1"\n',
            )
        ],
    ),
    Bug(
        "early-message-dropped",
        "a transaction of an order that isn't there counts as done",
        [
            Edit(
                "functions/ordenes/handlers.py",
                '            return Retry("early", f"there is no order {order_id} (yet)")\n',
                "            return Done()\n",
            )
        ],
    ),
    Bug(
        "invalid-message-dropped",
        "what is refused is acknowledged and goes nowhere",
        [
            Edit(
                f"{RUNTIME}/committer.py",
                "                case Rejected(error_type=error_type, reason=reason):\n"
                "                    events.append(self._dead_letter(received, error_type, reason))\n",
                "                case Rejected(error_type=error_type, reason=reason):\n",
            )
        ],
    ),
    Bug(
        "no-size-check",
        "a dead letter that is too big for the broker has no smaller form, and is tried for ever",
        [
            Edit(
                f"{RUNTIME}/dead_letter.py",
                "    return letter if letter.fits() and not has_no_bytes else _by_reference(letter)\n",
                "    return letter\n",
            ),
            Edit(f"{RUNTIME}/dead_letter.py", "    if ERROR_FUNCTION not in properties:\n", "    if properties:\n"),
        ],
    ),
    Bug(
        "refused-event-forgotten",
        "a message whose event the broker doesn't take for its size is acknowledged all the same",
        [
            Edit(
                f"{RUNTIME}/pipeline.py",
                "            return self._withheld.add(group.messages, group.caused(), error.events)\n",
                "            self._log.warning(error)\n",
            )
        ],
        "tests/unit/runtime/test_pipeline.py",
    ),
    Bug(
        "refused-entry-not-cut",
        "an entry that the broker refuses for its size is sent again unchanged, for ever",
        [
            Edit(
                f"{RUNTIME}/publisher.py",
                "        self._bytes = min(self._bytes, size // 2)\n",
                "        self._bytes = MAX_ENTRY_BYTES\n",
            )
        ],
        "tests/unit/runtime/test_publisher.py",
    ),
    Bug(
        "unknown-charge-dead-lettered",
        "a charge whose outcome is not known is given up like any other message",
        [
            Edit(
                f"{RUNTIME}/committer.py",
                "                    again = self._retry(received, for_ever=until_known)\n",
                "                    again = self._retry(received, for_ever=until_known and received.attempt < 1)\n",
            )
        ],
    ),
    # -- publishing
    Bug(
        "flush-trusted",
        "what `flush()` says is enough: an entry that the broker refused counts as stored",
        [
            Edit(
                f"{RUNTIME}/publisher.py",
                "            if result != pulsar.Result.Ok:\n                self._failed = result\n",
                "            if result == pulsar.Result.UnknownError:\n                self._failed = result\n",
            )
        ],
    ),
    Bug(
        "partitioned-flush-trusted",
        "one producer for all partitions, whose flush says what whichever partition came last says",
        [
            Edit(
                f"{RUNTIME}/publisher.py",
                "                    names = self._client.get_topic_partitions(topic)\n",
                "                    names = [topic]\n",
            )
        ],
        "tests/unit/runtime/test_publisher.py -k partition",
    ),
    # -- the saga
    Bug(
        "timer-not-started-again",
        "the timer of a batch that died before it was published is never started",
        [
            Edit(
                "functions/ordenes/handlers.py",
                "        if repeated := accepted.ordenes.keys() - set(accepted.new):\n",
                "        if repeated := set():\n",
            )
        ],
    ),
    Bug(
        "window-known-before-its-commit",
        "a window counts as opened although its transaction may be rolled back",
        [
            Edit(
                "functions/ordenes/handlers.py",
                "                if store.open_window(transaction, window):\n                    windows.add(window)\n                    self._windows.opened_by(transaction)\n                else:\n                    self._windows.found_open(window, transaction)\n",
                "                if store.open_window(transaction, window):\n                    windows.add(window)\n                self._windows.found_open(window, transaction)\n",
            )
        ],
    ),
    Bug(
        "expires-before-its-time",
        "a timer lets orders expire that still have time",
        [Edit("functions/ordenes/handlers.py", "        if wait_ms > 0:\n", "        if wait_ms > 10**9:\n")],
    ),
    Bug(
        "open-transactions-forgotten",
        "a timer doesn't wait for transactions that may still accept an order within its window",
        [
            Edit(
                "functions/ordenes/handlers.py",
                "        if due.unfinished and not vencimiento.after_id:\n",
                "        if due.unfinished and vencimiento.after_id:\n",
            )
        ],
    ),
    Bug(
        "window-closed-with-its-last-page",
        "a timer forgets its window in the transaction whose events are still to be published",
        [
            Edit(
                "functions/ordenes/handlers.py",
                "        full = len(expired) == self.page\n",
                "        full = len(expired) == self.page\n        if not full:\n            store.close_window(transaction, window)\n",
            )
        ],
    ),
    Bug(
        "expired-order-not-told",
        "a timer that comes again tells only of the orders that it changes",
        [
            Edit(
                "functions/ordenes/store.py",
                "    return {order_id: changed.get(order_id) or before[order_id] for order_id in ids}\n",
                "    return {order_id: changed[order_id] for order_id in ids if order_id in changed}\n",
            )
        ],
    ),
    Bug(
        "late-payment-kept",
        "an order that is charged after it had expired is not paid back",
        [
            Edit(
                "functions/ordenes/handlers.py",
                "                return Done((messages.reembolsar_transaccion(topic, transaccion, guardada),))\n",
                "                return Done()\n",
            )
        ],
    ),
    Bug(
        "refund-drawn-anew",
        "a refund that is asked for again is told with the time of now",
        [
            Edit(
                "functions/pagos/store.py",
                "    return refunded(transaction, first)\n",
                "    return first\n",
            ),
            Edit(
                "functions/pagos/handlers.py",
                "            elif asked.order_id in refunded:\n",
                "            elif asked.order_id in refunded and now_ms < 0:\n",
            ),
        ],
    ),
    # -- views
    Bug(
        "state-not-looked-at-again",
        "a value is put, and not looked at again: an older one may lie over a newer",
        [
            Edit(
                f"{RUNTIME}/write_behind.py",
                "            self._put(stale)\n",
                "            self._put(stale)\n            return\n",
            )
        ],
    ),
    Bug(
        "state-mark-cleared-first",
        "a mark is removed before its values are written",
        [
            Edit(
                f"{RUNTIME}/write_behind.py",
                "            marks = self._marks.announce(transaction, most)\n",
                "            marks = self._marks.announce(transaction, most)\n"
                "            self._marks.clear(transaction, marks)\n",
            ),
            Edit(
                f"{RUNTIME}/write_behind.py",
                "            held = self._marks.hold(transaction, marks)\n",
                "            held = list(marks)\n",
            ),
        ],
    ),
    # -- intake
    Bug(
        "intake-dies-quietly",
        "an intake whose connection is broken goes on as if nothing came",
        [
            Edit(
                "runtime/alpes_wire/consumer.py",
                "            self._lose(str(error))\n            return None\n",
                "            return None\n",
            )
        ],
        "tests/unit/wire/test_consumer.py",
    ),
    Bug(
        "serde-trusted",
        "what Pulsar's SerDe hands over counts as a message's bytes: those that are UTF-8 come as a text",
        [
            Edit(
                f"{RUNTIME}/intake.py",
                "            bytes_of(given, context),\n",
                "            given,  # type: ignore[arg-type]\n",
            )
        ],
    ),
    # -- entries that can't be read
    Bug(
        "batch-length-unchecked",
        "a message of a batch may reach beyond the batch's end: it is processed, cut short",
        [Edit("runtime/alpes_wire/unpacking.py", "if not start <= end <= length:", "if not start <= end:")],
        "tests/unit/wire/test_unpacking.py",
    ),
    Bug(
        "decompression-without-bound",
        "what decompresses to more than its sender says is unpacked whole first",
        [Edit("runtime/alpes_wire/compression.py", ".decompress(payload, size + 1)", ".decompress(payload)")],
        "tests/unit/wire/test_unpacking.py",
    ),
    Bug(
        "unreadable-without-a-letter",
        "what can't be read is acknowledged as if it were done",
        [
            Edit(
                f"{RUNTIME}/committer.py",
                'Rejected("unreadable" if received.problem else "invalid", str(error))',
                'Done(()) if received.problem else Rejected("invalid", str(error))',
            )
        ],
        "tests/unit/runtime/test_committer.py",
    ),
    Bug(
        "piece-left-unacknowledged",
        "a piece that came twice is acknowledged once",
        [
            Edit(
                "runtime/alpes_wire/pieces.py",
                "for number in sorted(self.pieces)), *self.again)",
                "for number in sorted(self.pieces)),)",
            )
        ],
        "tests/unit/wire/test_fuzz.py",
    ),
    Bug(
        "permits-kept-for-the-unreadable",
        "the broker isn't told that there is room again after an entry that can't be read",
        [
            Edit(
                "runtime/alpes_wire/consumer.py",
                "        self._permits -= entry.permits\n",
                "        if self._ready and self._ready[-1].problem:\n"
                "            return\n"
                "        self._permits -= entry.permits\n",
            )
        ],
        "tests/unit/wire/test_consumer.py",
    ),
    # -- the gateway
    Bug(
        "no-idempotency-key",
        "every call to the gateway is a new charge",
        [
            Edit(
                "functions/pagos/gateways/http.py",
                '        headers = {**self._headers, "Idempotency-Key": key}\n',
                '        headers = {**self._headers, "Idempotency-Key": key + str(id(body))}\n',
            )
        ],
        "tests/unit/services/test_gateways.py",
    ),
    # -- the tests themselves
    Bug(
        "checker-blind-to-one-topic",
        "the checker of the faults doesn't miss an orden-actualizada",
        [
            Edit(
                "tests/faults/checker.py",
                'if orden in FINAL and orden + 8 * self._version[number] not in said["orden-actualizada"]:',
                "if orden in FINAL and not orden:",
            )
        ],
        "tests/unit/faults/test_checker.py -k planted_violation",
    ),
)
"""Every bug, by what it breaks."""
