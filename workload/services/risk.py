"""credit-risk: the reports that scan a lot and return little.

Their rates are low; each report also runs once at the start of the service,
so that there is a slow statement with its plan within the first seconds.
"""

from collections.abc import Callable

from workload.operation import Call, Operation, Result, Service


def _report(name: str) -> Callable[[Call], Result]:
    def run(call: Call) -> Result:
        with call.autocommit() as session:
            return Result(tags={"credit.report_rows": len(session.rows(name))})

    return run


SERVICE = Service(
    name="risk",
    port=lambda settings: settings.risk_port,
    threads=lambda settings: settings.risk_threads,
    operations=(
        Operation(
            name="risk_distribution",
            run=_report("risk_distribution"),
            rate=lambda s: s.rate_risk_distribution,
            writes=False,
            at_start=True,
        ),
        Operation(
            name="product_performance",
            run=_report("product_performance"),
            rate=lambda s: s.rate_product_performance,
            writes=False,
            at_start=True,
        ),
        Operation(
            name="delinquency_ageing",
            run=_report("delinquency_ageing"),
            rate=lambda s: s.rate_delinquency_ageing,
            writes=False,
            at_start=True,
        ),
    ),
)
