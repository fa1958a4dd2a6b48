"""The sealed exam: an unknown fault, evidence of selected observers only, a score without an opinion.

docs/exam.md describes it; docs/adr/0010 has the reasons.
"""
