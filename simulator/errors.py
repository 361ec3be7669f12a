"""The two families of errors: what the user can mend, and what is ours."""

from __future__ import annotations

from dataclasses import dataclass

MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one place of one file (all parts but ``message`` optional).

    ``line`` and ``column`` count from 1. ``path`` is the dotted key path (``services.chat.slo``) or a column name.
    ``source`` is the text of the line, shown with a caret under ``column``.
    """

    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    path: str | None = None
    source: str | None = None

    def render(self) -> str:
        """One to three lines: place and message, then the source line and a caret."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        head = ": ".join(part for part in (place, self.path, self.message) if part)
        if self.source is None or self.line is None:
            return head
        text, column = _window(self.source.rstrip(), self.column)
        caret = "" if column is None else "\n" + " " * 4 + " | " + " " * (column - 1) + "^"
        return f"{head}\n{self.line:>4} | {text}{caret}"


def _window(text: str, column: int | None, width: int = 110) -> tuple[str, int | None]:
    """The part of a long line around a column, and the column within it."""
    cut = 0 if column is None or column <= width else column - width // 2
    shown = ("..." + text[cut + 3 :] if cut else text)[:width]
    return shown, None if column is None else column - cut


class ScenarioError(Exception):
    """The user's input cannot be used: one or more problems, each with its place and remedy (exit code 2)."""

    def __init__(self, problems: list[Problem] | tuple[Problem, ...] | Problem | str) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        if isinstance(problems, Problem):
            problems = [problems]
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(str(self))

    def __str__(self) -> str:
        shown = [problem.render() for problem in self.problems[:MAX_PROBLEMS]]
        hidden = len(self.problems) - len(shown)
        if hidden:
            shown.append(f"... and {hidden} more problem{'s' if hidden > 1 else ''}")
        return "\n".join(shown)


class InternalError(Exception):
    """Our fault: an invariant of the simulator does not hold (exit code 1)."""
