"""The life cycle of the lab: natively or in containers; `mode` decides which."""
