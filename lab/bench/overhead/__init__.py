"""`bench overhead`: the cost of each observer for the load, compared with the unobserved load."""
