"""Life cycle of the lab, natively or in containers: `backend` is the protocol, `mode` selects one."""
