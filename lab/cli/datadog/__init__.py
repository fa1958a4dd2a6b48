"""`datadog`: work with a Datadog account."""

from lab.terminal.commands import CommandGroup, LazyCommand

group = CommandGroup(
    "datadog",
    "Work with a Datadog account.",
    LazyCommand(
        "push",
        "lab.cli.datadog.push:push",
        "Create or update the monitors and the dashboard; needs DD_API_KEY and DD_APP_KEY.",
    ),
    LazyCommand(
        "walkthrough",
        "lab.cli.datadog.walkthrough:walkthrough",
        "Show the way from a key to the plan of a slow request in Datadog's pages, with your links.",
    ),
)
