"""The five services, one module each; `SERVICES` is the list of them."""

from workload.operation import Service
from workload.services import customers, proposals, risk, servicing, underwriting

SERVICES: dict[str, Service] = {
    service.name: service
    for service in (
        proposals.SERVICE,
        underwriting.SERVICE,
        customers.SERVICE,
        servicing.SERVICE,
        risk.SERVICE,
    )
}
