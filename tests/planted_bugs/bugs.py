"""Bugs that somebody could write one day: each is a change of code, with the suite that must notice it.

To add one, add a `Bug` here: `python -m tests.planted_bugs NAME` plants it in a copy of the checkout and runs its suite
there. A bug in a query is planted twice, in the SQL and in its counterpart in the simulation; a contract test keeps
both alike.
"""

from collections.abc import Sequence

from tests.planted_bugs.planting import Change, Code, Query

SIMULATION = "simulation"
"""`python -m tests.simulation` must find a seed that fails."""
RUNTIME, WIRE = "runtime/alpes_runtime", "runtime/alpes_wire"
ORDENES, PAGOS, REPORTING = "functions/ordenes", "functions/pagos", "functions/reporting"
STATEMENTS = "tests/simulation/statements.py"


class Bug:
    """A bug.

    Parameters
    ----------
    name
        What it is called on the command line.
    what
        What goes wrong in the code, in a line.
    changes
        How it is planted.
    suite
        `SIMULATION`, or what pytest is given: a file of tests/faults, for instance.
    """

    def __init__(self, name: str, what: str, *changes: Change, suite: str = SIMULATION) -> None:
        self.name = name
        self.what = what
        self.changes = changes
        self.suite = suite


PUBLISH_THEN_ACK = """
try:
    if group.events:
        self.P.publish(group.events)
except Refused as E:
    return W
for message in group.messages:
    message.acknowledge()
"""

BUGS: Sequence[Bug] = (
    # -- the order of things
    Bug(
        "ack-before-commit",
        "a group is acknowledged as soon as it is taken",
        Code(
            RUNTIME,
            "CommitStage.poll",
            "group = T",
            """
            group = T
            for message in group:
                message.acknowledge()
            """,
        ),
    ),
    Bug(
        "ack-before-publish",
        "a group is acknowledged before its events are confirmed",
        Code(
            RUNTIME,
            "PublishStage._published",
            PUBLISH_THEN_ACK,
            """
            for message in group.messages:
                message.acknowledge()
            if group.events:
                self.P.publish(group.events)
            """,
        ),
    ),
    Bug(
        "ack-though-publish-failed",
        "a group whose events were not confirmed counts as published",
        Code(
            RUNTIME,
            "PublishStage._published",
            PUBLISH_THEN_ACK,
            """
            try:
                self.P.publish(group.events)
            finally:
                for message in group.messages:
                    message.acknowledge()
            """,
        ),
    ),
    Bug(
        "publish-before-commit",
        "events are published within the transaction",
        Code(
            RUNTIME,
            "Committer._attempt",
            "outcomes = apply(handler, transaction, batch)",
            """
            outcomes = apply(handler, transaction, batch)
            done = [outcome for outcome in outcomes if isinstance(outcome, Done)]
            self.publisher.publish([event for outcome in done for event in outcome.events])
            """,
        ),
        Code(
            RUNTIME,
            "bootstrap",
            "deaths = D",
            """
            committer.publisher = publisher
            deaths = D
            """,
        ),
    ),
    Bug(
        "cumulative-ack",
        "an acknowledgement covers everything that the consumer was given before",
        Code(
            RUNTIME,
            "DirectIntake._drain",
            "received = wrap(T, message, C)",
            """
            given = self.__dict__.setdefault("given", [])
            given.append(message)

            class Cumulative:
                @staticmethod
                def acknowledge(message):
                    while message in given:
                        C.acknowledge(given.pop(0))

            received = wrap(T, message, Cumulative)
            """,
        ),
    ),
    Bug(
        "ack-while-the-gateway-is-asked",
        "a message that waits for the gateway's answer is acknowledged with the rest of its group",
        Code(
            RUNTIME,
            "Committer._committed",
            "group = [received for received in group if id(received) not in waiting]",
            "group = group",
        ),
    ),
    Bug(
        "group-dropped-when-the-publisher-is-behind",
        "a committed group is forgotten where the next stage has no room",
        Code(
            RUNTIME,
            "CommitStage.poll",
            "self.P.put(self.H, timeout=W)",
            "held, self.H = self.H, None; self.P.put(held, timeout=W)",
        ),
    ),
    # -- failures of the database
    Bug(
        "outage-dead-letters",
        "a database that is away fails the messages instead of being waited for",
        Code(RUNTIME, "Committer._attempt", "Unavailable", "ZeroDivisionError"),
    ),
    Bug(
        "unanswered-commit-taken-for-one",
        "a transaction whose end is not known counts as committed, and causes nothing",
        Code(RUNTIME, "Committer._attempt", "self._outage.wait(error)", "return [Done()] * len(batch)"),
    ),
    Bug(
        "good-rows-dead-lettered-with-a-bad-one",
        "a group with one message that the database refuses is dead-lettered whole",
        Code(
            RUNTIME,
            "Committer._in_parts",
            "self._separated(handler, transaction, part, applied)",
            "[applied] * len(part)",
        ),
    ),
    Bug(
        "half-of-a-split-group-forgotten",
        "the second half of a group that is split counts as done",
        Code(
            RUNTIME,
            "Committer._separated",
            "self._tried(handler, transaction, half)",
            "[Done()] * len(half) if outcomes else self._tried(handler, transaction, half)",
        ),
    ),
    # -- idempotence
    Bug(
        "no-on-conflict",
        "Pagos inserts a transaction without ON CONFLICT: a repeated order breaks a constraint",
        Query(PAGOS, "insert_new", "ON CONFLICT (order_id) DO NOTHING", ""),
        Code(
            STATEMENTS,
            "insert_transactions",
            "return [(order_id,) for order_id in N]",
            """
            new = N
            if len(new) < len(rows):
                view._transaction.failed = True
                raise ValueError("duplicate key value violates unique constraint")
            return [(order_id,) for order_id in new]
            """,
        ),
    ),
    Bug(
        "two-transactions-for-an-order",
        "Pagos keys its transactions by their own id, and draws that anew",
        Code(PAGOS, "transaccion", "_digest(cobro.order_id)", "_digest(f'{cobro.order_id} {now_ms}')"),
        Query(PAGOS, "insert_new", "ON CONFLICT (order_id) DO NOTHING", ""),
        Code(
            STATEMENTS,
            "insert_transactions",
            "return R",
            """
            for row in rows:
                view.insert("transacciones", row["order_id"] + " " + row["id"], row)
            return [(row["order_id"],) for row in rows]
            """,
        ),
    ),
    Bug(
        "decision-drawn-anew",
        "Pagos emits what it has just drawn, not the row that stands",
        Code(PAGOS, "drawn", "draw = D", "draw = __import__('random').random()"),
        Code(PAGOS, "record", "len(rows) < len(first)", "False"),
    ),
    Bug(
        "read-back-in-one-statement",
        "Pagos reads the rows that stood before its insert: what another instance inserts meanwhile is missed",
        Code(PAGOS, "record", "rows = I", "before = stored(transaction, first)\nrows = I"),
        Code(PAGOS, "record", "first.update(stored(transaction, N))", "first.update(before)"),
    ),
    Bug(
        "orders-read-back-in-one-statement",
        "Ordenes reads the orders that stood before its insert",
        Code(ORDENES, "accept", "rows = I", "already = stored(transaction, sorted(first))\nrows = I"),
        Code(ORDENES, "accept", "before = S", "before = already"),
    ),
    Bug(
        "duplicates-within-a-batch",
        "of two orders with one id in a batch the first is stored, and the last is told",
        Code(ORDENES, "accept", "first = F", "first = {orden.id: orden for orden in batch}"),
        Code(ORDENES, "accept", "first.values()", "sorted(batch, key=lambda orden: orden.id)"),
    ),
    Bug(
        "stored-order-overwritten",
        "an order that comes again with other content replaces what was accepted",
        Query(
            ORDENES,
            "insert_new",
            "ON CONFLICT (id) DO NOTHING",
            "ON CONFLICT (id) DO UPDATE SET total_cents = excluded.total_cents",
        ),
        Code(
            STATEMENTS,
            "insert_new",
            "new = N",
            """
            new = N
            for row in rows:
                if row["id"] not in new:
                    there = view.lock("ordenes", row["id"])
                    view.put("ordenes", row["id"], {**there, "total_cents": row["total_cents"]})
                    new.append(row["id"])
            """,
        ),
    ),
    Bug(
        "conflict-passes",
        "an order with the id of another one counts as the same order",
        Code(ORDENES, "OrdenesHandlers._creada", "sent is not accepted", "sent is None"),
    ),
    Bug(
        "final-order-not-told-again",
        "a transaction of an order that is final already causes no event",
        Code(
            ORDENES,
            "OrdenesHandlers._liquidada",
            "Done((self._actualizada(guardada),))",
            "Done()",
        ),
    ),
    Bug(
        "charged-order-not-told-again",
        "an order that was charged before causes no event",
        Code(
            PAGOS,
            "PagosHandlers.cobrados",
            "self._charged(cobro, stored[cobro.order_id])",
            "self._charged(cobro, stored[cobro.order_id]) if stored[cobro.order_id] in decided else Done()",
        ),
    ),
    Bug(
        "version-not-raised",
        "a payment leaves the order's version as it was",
        Query(ORDENES, "settle", "version = orden.version + 1,", "version = orden.version,"),
        Code(STATEMENTS, "settle", 'latest["version"] + 1', 'latest["version"]'),
    ),
    Bug(
        "older-version-wins",
        "Reporting takes what comes last for the newest",
        Query(REPORTING, "upsert", "WHERE ordenes.version < excluded.version", ""),
        Code(STATEMENTS, "upsert", 'latest["version"] < row["version"]', "True"),
    ),
    # -- retries and dead letters
    Bug(
        "attempt-number-lost",
        "a message that is looked at again counts as new",
        Code(RUNTIME, "retry", "str(received.attempt + 1)", '"1"'),
    ),
    Bug(
        "early-message-dropped",
        "a transaction of an order that isn't there counts as done",
        Code(ORDENES, "OrdenesHandlers._liquidada", 'Retry("early", f"there is no order {order_id} (yet)")', "Done()"),
    ),
    Bug(
        "invalid-message-dropped",
        "what is refused is acknowledged and goes nowhere",
        Code(RUNTIME, "Committer._committed", "events.append(self._dead_letter(R, T, W))", "pass"),
    ),
    Bug(
        "no-size-check",
        "a dead letter that is too big for the broker has no smaller form, and is tried for ever",
        Code(RUNTIME, "dead_letter", "return letter if C else _by_reference(letter)", "return letter"),
        Code(RUNTIME, "smaller", "ERROR_FUNCTION not in properties", "properties"),
    ),
    Bug(
        "refused-event-forgotten",
        "a message whose event the broker doesn't take for its size is acknowledged all the same",
        Code(RUNTIME, "PublishStage._published", "return self.W.add(M, C, E)", "self._log.warning(error)"),
        suite="tests/unit/runtime/test_pipeline.py",
    ),
    Bug(
        "refused-entry-not-cut",
        "an entry that the broker refuses for its size is sent again unchanged, for ever",
        Code(RUNTIME, "_Bound.learn", "min(self.B, size // 2)", "MAX_ENTRY_BYTES"),
        suite="tests/unit/runtime/test_publisher.py",
    ),
    Bug(
        "unknown-charge-dead-lettered",
        "a charge whose outcome is not known is given up like any other message",
        Code(
            RUNTIME,
            "Committer._committed",
            "self._retry(received, for_ever=until_known)",
            "self._retry(received, for_ever=until_known and received.attempt < 1)",
        ),
    ),
    # -- publishing
    Bug(
        "flush-trusted",
        "what `flush()` says is enough: an entry that the broker refused counts as stored",
        Code(RUNTIME, "_Confirmation._called", "result != pulsar.Result.Ok", "result == pulsar.Result.UnknownError"),
    ),
    Bug(
        "partitioned-flush-trusted",
        "one producer for all partitions, whose flush says what whichever partition came last says",
        Code(RUNTIME, "PulsarPublisher._partitions_of", "self.C.get_topic_partitions(topic)", "[topic]"),
        suite="tests/unit/runtime/test_publisher.py -k partition",
    ),
    # -- the saga
    Bug(
        "timer-not-started-again",
        "the timer of a batch that died before it was published is never started",
        Code(ORDENES, "OrdenesHandlers._timers", "accepted.ordenes.keys() - set(accepted.new)", "set()"),
    ),
    Bug(
        "window-known-before-its-commit",
        "a window counts as opened although its transaction may be rolled back",
        Code(
            ORDENES,
            "OrdenesHandlers._timers",
            "self.W.opened_by(transaction)",
            "self.W.found_open(window, transaction)",
        ),
    ),
    Bug(
        "expires-before-its-time",
        "a timer lets orders expire that still have time",
        Code(ORDENES, "OrdenesHandlers._vencida", "wait_ms > 0", "wait_ms > 10**9"),
    ),
    Bug(
        "open-transactions-forgotten",
        "a timer doesn't wait for transactions that may still accept an order within its window",
        Code(
            ORDENES,
            "OrdenesHandlers._vencida",
            "due.unfinished and not vencimiento.after_id",
            "due.unfinished and vencimiento.after_id",
        ),
    ),
    Bug(
        "window-closed-with-its-last-page",
        "a timer forgets its window in the transaction whose events are still to be published",
        Code(
            ORDENES,
            "OrdenesHandlers._vencida",
            "full = F",
            """
            full = F
            if not full:
                store.close_window(transaction, window)
            """,
        ),
    ),
    Bug(
        "expired-order-not-told",
        "a timer that comes again tells only of the orders that it changes",
        Code(
            ORDENES,
            "expire",
            "{order_id: E for order_id in ids}",
            "{order_id: changed[order_id] for order_id in ids if order_id in changed}",
        ),
    ),
    Bug(
        "late-payment-kept",
        "an order that is charged after it had expired is not paid back",
        Code(
            ORDENES,
            "OrdenesHandlers._liquidada",
            "Done((messages.reembolsar_transaccion(topic, transaccion, guardada),))",
            "Done()",
        ),
    ),
    Bug(
        "refund-drawn-anew",
        "a refund that is asked for again is told with the time of now",
        Code(PAGOS, "record_refunds", "refunded(transaction, first)", "first"),
        Code(
            PAGOS, "PagosHandlers.reembolsar", "asked.order_id in refunded", "asked.order_id in refunded and now_ms < 0"
        ),
    ),
    # -- views
    Bug(
        "state-not-looked-at-again",
        "a value is put, and not looked at again: an older one may lie over a newer",
        Code(RUNTIME, "WriteBehind._write", "self._put(stale)", "self._put(stale)\nreturn"),
    ),
    Bug(
        "state-mark-cleared-first",
        "a mark is removed before its values are written",
        Code(
            RUNTIME,
            "WriteBehind.step",
            "marks = self.M.announce(transaction, most)",
            "marks = self.M.announce(transaction, most)\nself.M.clear(transaction, marks)",
        ),
        Code(RUNTIME, "WriteBehind.step", "self.M.hold(transaction, marks)", "list(marks)"),
    ),
    # -- intake
    Bug(
        "intake-dies-quietly",
        "an intake whose connection is broken goes on as if nothing came",
        Code(WIRE, "Consumer._on_link", "self._lose(str(error))", "pass"),
        suite="tests/unit/wire/test_consumer.py",
    ),
    Bug(
        "serde-trusted",
        "what Pulsar's SerDe hands over counts as a message's bytes: those that are UTF-8 come as a text",
        Code(RUNTIME, "handed_over", "_bytes_of(given, message)", "given"),
        suite="tests/unit/runtime/test_intake.py",
    ),
    # -- entries that can't be read
    Bug(
        "batch-length-unchecked",
        "a message of a batch may reach beyond the batch's end: it is processed, cut short",
        Code(WIRE, "_of_batch", "start <= end <= length", "start <= end"),
        suite="tests/unit/wire/test_unpacking.py",
    ),
    Bug(
        "decompression-without-bound",
        "what decompresses to more than its sender says is unpacked whole first",
        Code(WIRE, "_zlib", "D.decompress(payload, size + 1)", "D.decompress(payload)"),
        suite="tests/unit/wire/test_unpacking.py",
    ),
    Bug(
        "unreadable-without-a-letter",
        "what can't be read is acknowledged as if it were done",
        Code(
            RUNTIME,
            "Committer.commit",
            'Rejected("unreadable" if received.problem else "invalid", W)',
            'Done(()) if received.problem else Rejected("invalid", W)',
        ),
        suite="tests/unit/runtime/test_committer.py",
    ),
    Bug(
        "piece-left-unacknowledged",
        "a piece that came twice is acknowledged once",
        Code(WIRE, "_Incomplete.entries", "(*P, *self.again)", "(*P,)"),
        suite="tests/unit/wire/test_fuzz.py",
    ),
    Bug(
        "permits-kept-for-the-unreadable",
        "the broker isn't told that there is room again after an entry that can't be read",
        Code(
            WIRE,
            "Consumer._add",
            "self.P -= entry.permits",
            """
            if self._ready and self._ready[-1].problem:
                return
            self.P -= entry.permits
            """,
        ),
        suite="tests/unit/wire/test_consumer.py",
    ),
    # -- the gateway
    Bug(
        "no-idempotency-key",
        "every call to the gateway is a new charge",
        Code(
            PAGOS,
            "HttpGateway._call",
            '{**H, "Idempotency-Key": key}',
            '{**H, "Idempotency-Key": key + str(id(body))}',
        ),
        suite="tests/unit/services/test_gateways.py",
    ),
    # -- the tests themselves
    Bug(
        "checker-blind-to-one-topic",
        "the checker of the faults doesn't miss an orden-actualizada",
        Code(
            "tests/faults/checker.py",
            "_Check._judge_events",
            'orden in FINAL and N not in said["orden-actualizada"]',
            "orden in FINAL and not orden",
        ),
        suite="tests/unit/faults/test_checker.py -k planted_violation",
    ),
)
"""Every bug, by what it breaks."""
