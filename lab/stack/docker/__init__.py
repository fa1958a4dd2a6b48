"""The Docker backend: the lab in containers, through Compose."""
