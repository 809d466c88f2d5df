"""Amounts are in the currency's minor unit by ISO 4217, and a new order's currency has one."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from alpes_runtime import InvalidMessage
from alpes_runtime.config import parse_config
from alpes_runtime.errors import Misconfigured
from functions.ordenes import messages
from functions.ordenes.function import OrdenesConfig
from functions.pagos.messages import decode_orden_creada
from schemas.tienda import money
from schemas.tienda.cambios import cambio
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada
from tests.fields import text, whole
from tests.unit.services.wire import arrived, seed_order

COUNTABLE = sorted(currency.code for currency in Currency if currency.exponent is not None)


@pytest.mark.parametrize(
    ("cents", "currency", "total", "amount"),
    [
        (500, "JPY", "500", "500 JPY"),
        (1234, "USD", "12.34", "12.34 USD"),
        (1255, "KWD", "1.255", "1.255 KWD"),
        (5, "KWD", "0.005", "0.005 KWD"),
        (0, "USD", "0.00", "0.00 USD"),
        (123_456_789, "COP", "1234567.89", "1,234,567.89 COP"),
        (1_234_567, "CLF", "123.4567", "123.4567 CLF"),
        (1_234_567, "KRW", "1234567", "1,234,567 KRW"),
        (-1255, "KWD", "-1.255", "-1.255 KWD"),
        (1250, "BGN", "12.50", "12.50 BGN"),  # the lev was replaced by the euro; old orders stay readable
        (1250, "XAU", "12.50", "12.50 XAU"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(cents: int, currency: str, total: str, amount: str) -> None:
    assert (money.total(cents, currency), money.amount(cents, currency)) == (total, amount)


@given(cents=st.integers(-(10**30), 10**30), currency=st.sampled_from(COUNTABLE))
def test_the_decimal_number_is_the_minor_units_shifted_and_no_digit_is_lost(cents: int, currency: str) -> None:
    places = Currency(currency).exponent
    whole_number, _, fraction = money.total(cents, currency).partition(".")
    assert int(whole_number + fraction) == cents
    assert len(fraction) == places
    assert Decimal(money.amount(cents, currency).split()[0].replace(",", "")) == Decimal(money.total(cents, currency))


@pytest.mark.parametrize("currency", COUNTABLE)
def test_an_order_may_be_in_every_currency_that_iso_4217_counts(currency: str) -> None:
    orden = messages.decode_crear_orden(arrived(seed_order() + whole(8, 1255) + text(9, currency)))
    assert (orden.total_cents, orden.currency) == (1255, currency)


@pytest.mark.parametrize("currency", ["ABC", "ZZZ", "BGN", "XAU", "XTS", "XXX"])
def test_a_new_order_in_any_other_is_refused_with_the_code_and_what_to_do(currency: str) -> None:
    payload = seed_order() + text(9, currency)
    with pytest.raises(InvalidMessage, match=rf"currency is '{currency}', which ISO 4217 .* extra_currencies"):
        messages.decode_crear_orden(arrived(payload))
    allowed = messages.decode_crear_orden(arrived(payload), extra_currencies=frozenset({currency}))
    assert allowed.currency == currency


@pytest.mark.parametrize("currency", ["ABC", "BGN", "XAU"])
def test_an_event_in_any_other_is_still_read_so_that_retained_topics_replay(currency: str) -> None:
    event = seed_order() + whole(8, 1255) + text(9, currency)
    assert decode_orden_creada(arrived(event)).currency == currency
    changed = OrdenActualizada(id="a", status="aprobada", total_cents=1255, currency=currency)
    assert cambio(changed.SerializeToString(), lambda: 1)[3:5] == (1255, currency)


def config(**changes: Any) -> OrdenesConfig:
    needed = {"dsn_env": "A", "orden_actualizada_topic": "t", "reembolsar_transaccion_topic": "t"}
    return parse_config(OrdenesConfig, {**needed, **changes})


def test_the_configuration_lists_further_codes_and_refuses_what_is_none() -> None:
    assert config().currencies() == frozenset()
    assert config(extra_currencies=" ABC,DEF ,").currencies() == {"ABC", "DEF"}
    for wrong in ("abc", "ABC DEF", "ABCD"):
        with pytest.raises(Misconfigured, match="extra_currencies"):
            config(extra_currencies=wrong)
