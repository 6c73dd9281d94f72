"""Proof that nothing was lost and nothing counted twice: the ledger against Kafka, the cells against a recount."""

from deploy.audit.report import AuditReport
from deploy.audit.run import run_audit

__all__ = ["AuditReport", "run_audit"]
