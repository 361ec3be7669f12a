"""Names that targets accept: DNS labels, images, namespaces."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from simulator.errors import Problem, ScenarioError

LONGEST = 63
"""Characters of a DNS label (RFC 1123)."""
ROOM = 40
"""Characters of a service's name within the names of its objects; the rest is for layers and numbers."""
DNS_1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
DNS_1123 = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
QUALIFIED = re.compile(
    r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::[0-9]{1,5})?"
IMAGE = re.compile(
    rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
)


def slug(text: str, room: int = LONGEST) -> str:
    """A DNS-1035 label made of ``text``, at most ``room`` characters long.

    >>> slug("Chat_v2"), slug("3d"), slug("-_-"), slug("a" * 70, 12)
    ('chat-v2', 'x3d', 'x', 'aaaaa-6bd5e5')
    """
    found = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"
    found = found if found[0].isalpha() else "x" + found
    return found if len(found) <= room else f"{found[: room - 7].rstrip('-')}-{_mark(text)}"


def slugs(texts: Iterable[str], room: int = LONGEST) -> dict[str, str]:
    """A label for each text, no two alike: texts that would look the same carry a mark of six digits.

    >>> slugs(["a_b", "a-b", "c"])
    {'a_b': 'a-b-648fa9', 'a-b': 'a-b', 'c': 'c'}
    """
    every = list(dict.fromkeys(texts))
    plain = {text: slug(text, room) for text in every}
    found: dict[str, str] = {}
    for text, label in plain.items():
        alike = [other for other in every if plain[other] == label]
        marked = len(alike) > 1 and text != label
        found[text] = f"{label[: room - 7].rstrip('-')}-{_mark(text)}" if marked else label
    return found


def unlike(name: str, taken: Iterable[str]) -> str:
    """``name``, or with the first number that makes it unlike those that are taken.

    >>> unlike("a", ["b"]), unlike("a", ["a", "a-2"])
    ('a', 'a-3')
    """
    used, number, found = set(taken), 1, name
    while found in used:
        number += 1
        found = f"{name}-{number}"
    return found


def check_image(text: str) -> None:
    """Refuse what is no image reference."""
    if len(text) > 512 or IMAGE.fullmatch(text) is None:
        example = "registry.example.com/team/model-server:1.2"
        raise ScenarioError(Problem(f"--image {text!r}: is no image reference such as {example}"))


def check_namespace(text: str) -> None:
    """Refuse what is no namespace."""
    if DNS_1123.fullmatch(text) is None:
        rule = "lower-case letters, digits and -, at most 63, beginning and ending with a letter or digit"
        raise ScenarioError(Problem(f"--namespace {text!r}: must be {rule}"))


def check_resource(text: str) -> None:
    """Refuse what cannot be an extended resource of Kubernetes."""
    if "/" not in text or QUALIFIED.fullmatch(text) is None:
        raise ScenarioError(
            Problem(f"--device-resource {text!r}: must be a name with its domain such as nvidia.com/gpu")
        )


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]
