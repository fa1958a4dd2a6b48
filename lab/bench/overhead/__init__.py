"""`bench overhead`: what each observer costs the load, beside the same load that nobody observes."""

from lab.bench.overhead.command import overhead

__all__ = ["overhead"]
