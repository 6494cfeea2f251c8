"""Converting the words of a command line, with any version of Typer and without pydantic."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
import typer.main

from auroractl.cli.main import main
from auroractl.cli.parameters import converting
from auroractl.config.paths import Home
from tests.unit.cli.conftest import answering


class Colour(StrEnum):
    """A choice."""

    RED = "red"
    GREEN = "GREEN"


def _given(*words: str) -> dict[str, Any]:
    given: dict[str, Any] = {}

    def paint(
        what: Annotated[str, typer.Argument()],
        more: Annotated[list[str] | None, typer.Argument()] = None,
        colour: Annotated[Colour | None, typer.Option(case_sensitive=False)] = None,
        exact: Annotated[Colour, typer.Option()] = Colour.RED,
        coats: Annotated[int, typer.Option(min=1, max=3)] = 2,
        litres: Annotated[float | None, typer.Option(min=0)] = None,
        bucket: Annotated[Path | None, typer.Option()] = None,
        tags: Annotated[list[int] | None, typer.Option("--tag")] = None,
        gloss: Annotated[bool | None, typer.Option()] = None,
    ) -> None:
        given.update(
            what=what, more=more, colour=colour, exact=exact, coats=coats,
            litres=litres, bucket=bucket, tags=tags, gloss=gloss,
        )  # fmt: skip

    app = typer.Typer(add_completion=False)
    app.command()(paint)
    command = typer.main.get_command(app)
    command.params = converting(command.params, paint)
    command(list(words), standalone_mode=False)
    return given


def test_values_have_their_declared_types() -> None:
    words = "wall --colour Green --exact GREEN --coats 3 --litres 1.5 --bucket a/b --tag 1 --tag 2 --no-gloss door gate"
    assert _given(*words.split()) == {
        "what": "wall",
        "more": ["door", "gate"],
        "colour": Colour.GREEN,
        "exact": Colour.GREEN,
        "coats": 3,
        "litres": 1.5,
        "bucket": Path("a/b"),
        "tags": [1, 2],
        "gloss": False,
    }


def test_what_is_not_given_has_its_default() -> None:
    absent = dict.fromkeys(("more", "colour", "litres", "bucket", "tags", "gloss"))
    assert _given("wall") == {**absent, "what": "wall", "exact": Colour.RED, "coats": 2}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "Missing argument 'WHAT'"),
        ("wall --coats many", "'--coats': 'many' is not a valid int."),
        ("wall --coats 4", "'--coats': 4 is not in the range 1<=x<=3."),
        ("wall --litres=-1", "'--litres': -1.0 is not in the range x>=0."),
        ("wall --colour blue", "'--colour': 'blue' is not one of 'red', 'green'."),
        ("wall --exact green", "'--exact': 'green' is not one of 'red', 'GREEN'."),
        ("wall --tag 1 --tag x", "'--tag': 'x' is not a valid int."),
    ],
)
def test_an_unsuitable_word_is_told_in_the_same_sentence_with_any_typer(words: str, sentence: str) -> None:
    with pytest.raises(typer.TyperException) as refused:
        _given(*words.split())
    told = getattr(refused.value, "format_message", lambda: "")()
    assert sentence in told


def test_every_parameter_converts_itself_whatever_it_is(home: Home) -> None:
    server = answering(home, {"Events": []})
    code = "import sys; from auroractl.cli.main import main; main(sys.argv[1:]); sys.exit('pydantic' in sys.modules)"
    words = ("--home", str(home.root), "describe-events", "--max-records", "3", "--source-type", "db-cluster", "-q")
    done = subprocess.run([sys.executable, "-P", "-c", code, *words], capture_output=True, text=True, check=False)
    server.close()
    assert done.returncode == 0, done.stderr
    assert [body["MaxRecords"] for _, body in server.requests] == [3]


def test_a_command_fails_before_anything_is_asked(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    server = answering(home, {})
    assert main(["drill", "planned", "demo", "--clients", "65"]) == 2
    server.close()
    assert "65 is not in the range 1<=x<=64." in capsys.readouterr().err
    assert server.requests == []
