"""Every broken scenario is refused with a message that names the place and what to do."""

import re
from pathlib import Path

import pytest

from simulator.errors import MAX_PROBLEMS, ScenarioError
from simulator.scenario import load

CORPUS = Path(__file__).parents[1] / "corpus" / "scenario"
FILES = sorted(CORPUS.glob("*.yaml"))
WHOLE_FILE = {"empty", "only-comments", "empty-document", "utf-16", "nul-bytes", "nul-in-text", "picture"}


def refused(path: Path) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(path)
    return str(caught.value)


def test_corpus_is_large():
    assert len(FILES) >= 60


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_is_refused_with_its_place(path):
    message = refused(path)
    lines = message.splitlines()
    heads = [line for line in lines if not re.match(r" {0,4}\d* \| ", line + " ")]
    assert heads
    assert len(heads) <= MAX_PROBLEMS + 1
    assert len(lines) <= 3 * len(heads)
    for head in heads:
        assert head.startswith((str(path), "... and "))
        if path.stem not in WHOLE_FILE:
            assert re.match(re.escape(str(path)) + r":\d+:\d+: ", head), head


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_says_what_the_file_expects(path):
    first = path.read_bytes().split(b"\n")[0].decode(errors="replace")
    expected = re.fullmatch(r"# expect: (.*)", first)
    if expected:
        assert expected[1] in refused(path)
    else:
        assert path.stem in WHOLE_FILE


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_one_mistake_gives_few_problems(path):
    with pytest.raises(ScenarioError) as caught:
        load(path)
    allowed = {"empty-mapping": 4, "name-with-space": 3, "long-line": 3, "misspelt-section": 2}
    assert len(caught.value.problems) <= allowed.get(path.stem, 2)
