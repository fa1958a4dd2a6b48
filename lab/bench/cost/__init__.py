"""`bench cost`: what an operation, a span and a series cost the lab that runs, in CPU seconds and bytes."""
