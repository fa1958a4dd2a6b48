"""`exam`: a sealed fault, evidence of selected observers, an answer form and a score."""

from lab.terminal.commands import CommandGroup, LazyCommand

group = CommandGroup(
    "exam",
    "Take an exam: find an unknown fault with the evidence of selected observers.",
    LazyCommand("start", "lab.cli.exam.taking:start", "Start an exam; returns when its clock runs."),
    LazyCommand("status", "lab.cli.exam.taking:status", "Show the running exam, its doors and its clock."),
    LazyCommand("kinds", "lab.cli.exam.taking:kinds", "Show the kinds of faults that an answer may name."),
    LazyCommand("hint", "lab.cli.exam.taking:hint", "Show a hint; each costs a tenth of the score."),
    LazyCommand("answer", "lab.cli.exam.taking:answer", "Submit the answer; shows the score and the truth."),
    LazyCommand("stop", "lab.cli.exam.taking:stop", "End the exam without an answer, or heal a killed one."),
    LazyCommand("list", "lab.cli.exam.results:list_all", "Show the exams with their scores, newest first."),
    LazyCommand("report", "lab.cli.exam.results:report", "Show an exam: truth, answer, score, requests."),
    LazyCommand(
        "check",
        "lab.cli.exam.experiments:check",
        "Run items without a player: each must be proven, healed and verified. All: about an hour.",
    ),
    LazyCommand(
        "ablation",
        "lab.cli.exam.experiments:ablation",
        "Run items, and show which observer alone, or together, leads to the cause.",
    ),
)  # fmt: skip
