"""The lab's credit products: eight plausible loans of a Brazilian lender.

The catalogue is the same at every scale and for every random seed. Rates and limits are plausible, and not
those of a real lender.
"""

from dataclasses import dataclass
from decimal import Decimal

from workload.reference import Product

_CENT = Decimal("0.01")
# code, name, minimum and maximum in reais, monthly rate, minimum score, weight of demand, usual terms
_PRODUCTS = (
    ("consignado", "Crédito consignado", 500, 60_000, "0.018000", 710, 20, (6, 12, 18, 24, 36, 48)),
    ("pessoal", "Crédito pessoal", 500, 30_000, "0.059000", 790, 26, (6, 10, 12, 18, 24)),
    ("crediario", "Crediário de loja", 200, 8_000, "0.049000", 760, 20, (3, 4, 6, 10, 12)),
    ("fatura", "Parcelamento de fatura", 300, 15_000, "0.089000", 740, 12, (4, 6, 9, 12, 18)),
    ("microcredito", "Microcrédito produtivo", 300, 21_000, "0.035000", 720, 9, (4, 8, 12, 18, 24)),
    ("veiculo", "Financiamento de veículo", 8_000, 120_000, "0.018900", 780, 7, (12, 24, 36, 48)),
    ("solar", "Energia solar", 5_000, 80_000, "0.016500", 780, 4, (24, 36, 48)),
    ("imovel", "Crédito com garantia de imóvel", 30_000, 300_000, "0.013500", 820, 2, (24, 36, 48)),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A product, its display name, and its demand in the seed data.

    `demand` is a relative weight; `terms` are the usual numbers of installments.
    """

    product: Product
    name: str
    demand: int
    terms: tuple[int, ...]


OFFERS = tuple(
    Offer(
        product=Product(
            product_id=number,
            code=code,
            min_amount=Decimal(least).quantize(_CENT),
            max_amount=Decimal(most).quantize(_CENT),
            min_installments=terms[0],
            max_installments=terms[-1],
            monthly_rate=Decimal(rate),
            min_score=min_score,
        ),
        name=name,
        demand=demand,
        terms=terms,
    )
    for number, (code, name, least, most, rate, min_score, demand, terms) in enumerate(
        _PRODUCTS, start=1
    )
)
