"""The sealed exam: an unknown fault, evidence of selected observers only, and a score without a judge's opinion.

docs/exam.md describes it; docs/adr/0010 has the reasons.
"""
