"""Starting, status and stopping of the lab, natively or in containers; `mode` selects the backend."""
