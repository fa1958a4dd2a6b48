"""`bench tracing`: the cost of spans, of comment injection and of sampling, beside the untraced load."""
