"""Amounts of money: whole numbers of a currency's minor unit, as ISO 4217 defines it. Pure.

500 JPY is 500, 12.34 USD is 1234, and 1.255 KWD is 1255. An amount is stored, sent and added up as this number; it gets
its decimals only where people read it.
"""

from functools import cache

USUAL_DECIMALS = 2
"""Decimals of a currency that ISO 4217 doesn't have, or has without a minor unit."""


@cache
def _decimals() -> dict[str, int | None]:
    """Return the decimals of each currency: a look-up in a dict costs less than the package's own properties."""
    # The package takes some 0.1 s to import, and most commands show no amount.
    from iso4217 import Currency  # noqa: PLC0415

    return {currency.code: currency.exponent for currency in Currency}


def edition() -> str:
    """Return the date of the edition of ISO 4217 that is known here."""
    from iso4217 import __published__  # noqa: PLC0415

    return str(__published__.isoformat())


def is_current(currency: str) -> bool:
    """Return whether ISO 4217 has a currency. It drops those that are no longer in use."""
    return currency in _decimals()


def has_minor_unit(currency: str) -> bool:
    """Return whether amounts of a currency can be counted; those of gold (XAU) or of tests (XTS) can't."""
    return _decimals().get(currency) is not None


def decimals(currency: str) -> int:
    """Return how many decimals an amount has, `USUAL_DECIMALS` where ISO 4217 doesn't say."""
    found = _decimals().get(currency)
    return USUAL_DECIMALS if found is None else found


def currencies() -> dict[str, int]:
    """Return every currency whose amounts can be counted, with its decimals, sorted by its code."""
    return {code: places for code, places in sorted(_decimals().items()) if places is not None}


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
