"""Batches of rows in COPY's text format, by table, and the columns of each table.

A batch limits memory: generators yield lists of batches with some thousand rows in all, at any scale.
"""

from dataclasses import dataclass, field

NULL = "\\N"
# In the order of their foreign keys. The first column is the id; columns not named keep their default.
COLUMNS = {
    "credit_products": "product_id, code, name, min_amount, max_amount, min_installments,"
    " max_installments, monthly_rate, min_score",
    "customers": "customer_id, cpf, full_name, email, phone, birth_date, city, state,"
    " monthly_income, created_at, updated_at",
    "credit_proposals": "proposal_id, customer_id, product_id, amount, installments, channel,"
    " status, submitted_at, decided_at",
    "credit_analysis": "analysis_id, proposal_id, score, income_ratio, decision, reason,"
    " analysed_at",
    "credit_contracts": "contract_id, proposal_id, customer_id, product_id, principal,"
    " monthly_rate, installments, open_amount, status, signed_at, settled_at",
    "installments": "installment_id, contract_id, number, due_date, principal, interest, fee,"
    " status, paid_at",
    "credit_transactions": "transaction_id, contract_id, installment_id, kind, amount,"
    " idempotency_key, created_at",
    "audit_log": "audit_id, operation_id, instance, service, operation, entity, entity_id,"
    " detail, at",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Rows of one table in COPY's text format: UTF-8, tabs between columns, each line ended."""

    table: str
    rows: int
    text: bytes


@dataclass(kw_only=True, slots=True)
class Page:
    """The pending lines of one table, and its next id."""

    table: str
    next_id: int = 1
    lines: list[str] = field(default_factory=list)

    def add(self, columns: str) -> int:
        """Add a row of all columns but the first, which is its new id; return the id."""
        row_id = self.next_id
        self.lines.append(f"{row_id}\t{columns}\n")
        self.next_id = row_id + 1
        return row_id

    def take(self) -> Batch:
        """Return the pending lines as a batch, and remove them from the page."""
        batch = Batch(table=self.table, rows=len(self.lines), text="".join(self.lines).encode())
        self.lines.clear()
        return batch
