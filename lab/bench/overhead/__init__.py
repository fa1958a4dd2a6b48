"""`bench overhead`: what each observer costs the load, beside the same load that nobody observes."""
