"""One of the five services is stopped: the database has less to do, and nothing is wrong with it."""

from lab.drills.drill import Drill
from lab.drills.processes import ACTS_AS, Stoppage
from lab.judge.signals import Metric, Quiet

GONE = Stoppage(component="customers", column="application_name", value="credit-customers")

DRILL = Drill(
    name="service-stopped",
    title="credit-customers is gone; the database has less to do",
    hypothesis=(
        "Its scrape fails, and its spans end; both name it. The database's own metrics become better, if"
        " anything."
    ),
    acts_as=ACTS_AS,
    inject=GONE.inject,
    prove=GONE.prove,
    heal=GONE.heal,
    lasts_s=60.0,
    services=frozenset({"credit-customers"}),
    signals=(
        Metric(
            says="scrapes that fail, by service",
            expr='max by (service) (1 - up{job="credit"})',
            above=0.5,
        ),
        Quiet(says="seconds without a span, by service", above=20),
    ),
    alerts=("ServiceDown",),
    runbook="ServiceDown",
)
