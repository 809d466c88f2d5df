"""Amounts of money: whole numbers of a currency's minor unit, as ISO 4217 defines it. Pure.

500 JPY is 500, 12.34 USD is 1234, and 1.255 KWD is 1255. An amount is stored, sent and added up as this number; it gets
its decimals only where people read it.
"""

from iso4217 import Currency, __published__

ISO_4217_OF = __published__.isoformat()
"""The edition of ISO 4217 that is known here."""
USUAL_DECIMALS = 2
"""Decimals of a currency that ISO 4217 doesn't have, or has without a minor unit."""

# A look-up in a dict per message; the package's own properties cost some microseconds.
_DECIMALS: dict[str, int | None] = {currency.code: currency.exponent for currency in Currency}


def is_current(currency: str) -> bool:
    """Return whether ISO 4217 has a currency. It drops those that are no longer in use."""
    return currency in _DECIMALS


def has_minor_unit(currency: str) -> bool:
    """Return whether amounts of a currency can be counted; those of gold (XAU) or of tests (XTS) can't."""
    return _DECIMALS.get(currency) is not None


def decimals(currency: str) -> int:
    """Return how many decimals an amount has, `USUAL_DECIMALS` where ISO 4217 doesn't say."""
    found = _DECIMALS.get(currency)
    return USUAL_DECIMALS if found is None else found


def currencies() -> dict[str, int]:
    """Return every currency whose amounts can be counted, with its decimals, sorted by its code."""
    return {code: places for code, places in sorted(_DECIMALS.items()) if places is not None}


def total(cents: int, currency: str) -> str:
    """Return an amount as a decimal number, for files.

    Parameters
    ----------
    cents
        The amount in the currency's minor unit.
    currency
        ISO 4217 code.

    Examples
    --------
    >>> total(500, "JPY"), total(1234, "USD"), total(1255, "KWD"), total(5, "KWD")
    ('500', '12.34', '1.255', '0.005')
    """
    return _decimal(cents, currency, "d")


def amount(cents: int, currency: str) -> str:
    """Return an amount with its currency, for people.

    Examples
    --------
    >>> amount(1_234_500, "USD")
    '12,345.00 USD'
    """
    return f"{_decimal(cents, currency, ',d')} {currency}"


def _decimal(cents: int, currency: str, form: str) -> str:
    places = decimals(currency)
    whole, rest = divmod(abs(cents), 10**places)
    sign = "-" if cents < 0 else ""
    return f"{sign}{whole:{form}}.{rest:0{places}d}" if places else f"{sign}{whole:{form}}"
