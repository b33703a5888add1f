"""What can go wrong with the catalogue."""

from namaskah.core.errors import UnprocessableContent


class UnknownService(UnprocessableContent):
    """There is no such service."""

    code = "unknown_service"


class UnknownCountry(UnprocessableContent):
    """There is no such country; countries are named by their ISO 3166 code, such as us."""

    code = "unknown_country"


class UnknownPlan(UnprocessableContent):
    """There is no such plan."""

    code = "unknown_plan"


class PriceOutOfRange(UnprocessableContent):
    """A price lies between 0.01 and 1,000 USD."""

    code = "price_out_of_range"
