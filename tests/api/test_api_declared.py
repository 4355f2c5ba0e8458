"""One declaration a setting: signature, help, options, stored keys and the page of the docs agree with it."""

import dataclasses
import inspect
from pathlib import Path

import click
import pytest

import automl
from automl.api import ResumeSettings, SearchSettings
from automl.cli import automl as command
from automl.cli import reference
from automl.cli.options import Option, flags_of
from automl.engine.config import STORED, UNKNOWN_BEFORE, StudyConfig
from automl.errors import InvalidInput
from automl.settings import NOTHING, declared

KNOWN = declared(SearchSettings)


def test_the_signature_is_the_declaration():
    parameters = inspect.signature(automl.search).parameters
    assert set(parameters) == set(KNOWN) == {field.name for field in dataclasses.fields(SearchSettings)}
    for name, parameter in parameters.items():
        assert parameter.annotation == KNOWN[name].hint
        assert (parameter.default is inspect.Parameter.empty) == (name == "space")
        assert parameter.default is KNOWN[name].default or parameter.default == KNOWN[name].default
        assert (parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD) == (name == "space")
    assert inspect.signature(automl.search).return_annotation in ("Study", automl.Study)
    assert next(iter(inspect.signature(automl.resume).parameters)) == "study"
    assert set(inspect.signature(automl.resume).parameters) == set(declared(ResumeSettings))


@pytest.mark.parametrize("function", [automl.search, automl.resume])
def test_help_says_what_every_parameter_means(function):
    text = " ".join(function.__doc__.split())
    for name in inspect.signature(function).parameters:
        meaning = {**declared(ResumeSettings), **KNOWN}[name].setting.meaning if name != "study" else "Name of the "
        assert f"{name}: {meaning}" in text, name
    assert function.__name__ == function.__qualname__
    assert function.__module__ == "automl.api"


@pytest.mark.parametrize("name", ["search", "resume", "baseline"])
def test_the_options_are_the_declaration(name):
    settings = declared(ResumeSettings if name == "resume" else SearchSettings)
    params = [one for one in command.commands[name].params if isinstance(one, Option)]
    options = {one.name: one for one in params if one.help != "The same as 0."}  # the second option of a share
    wanted = {one.name for one in settings.values() if name in one.setting.commands and one.setting.flags is not None}
    assert wanted <= set(options)
    assert set(options) - wanted <= {"html", "as_json", "number", "dry_run"}
    for one in (settings[name] for name in wanted):
        option = options[one.name]
        assert "/".join([*option.opts, *option.secondary_opts]) == flags_of(one)
        assert option.help.startswith(one.setting.meaning)
        assert one.setting.bounds in option.help
        assert option.heading == one.setting.group
        assert option.default is None or option.multiple or not option.default  # nothing that was not given has a value


def test_what_is_stored_has_the_keys_that_it_always_had():
    """A study of any version is gone on with: a key that is renamed or added without `before` breaks that."""
    assert set(StudyConfig().settings()) == {
        *("trials", "evaluations", "hours", "until", "seed", "window", "replicates", "forget_probability"),
        *(
            "audit_probability",
            "on_duplicate",
            "namespace",
            "asynchronous",
            "enqueue",
            "baseline",
            "finalists",
            "front",
        ),
        *("confirm", "winner_by", "test_seeds", "sample", "repeat", "prune", "trained", "begin_from"),
    }
    assert UNKNOWN_BEFORE == {
        "confirm": 1,
        "front": 0,
        "winner_by": "replicates",
        "prune": None,
        "trained": 12,
        "begin_from": (),
    }
    oldest = {name: value for name, value in StudyConfig().settings().items() if name not in UNKNOWN_BEFORE}
    assert (StudyConfig.read(oldest).confirm, StudyConfig.read(oldest).front) == (1, 0)


@pytest.mark.parametrize("hours", [1, 0.1, 0.7, 1 / 3, 1e-9, 12345.678])
def test_hours_are_stored_as_they_were_given(hours):
    stored = StudyConfig.read({"hours": hours, "until": 3, "replicates": 2})
    assert stored.settings()["hours"] == hours
    assert stored.budget.seconds == hours * 3600
    assert (stored.policy.replicates, stored.budget.until) == (2, 3)
    assert StudyConfig.read(stored.settings()) == stored


def test_every_setting_has_a_meaning_a_type_and_a_place():
    for name, one in KNOWN.items():
        assert one.setting.meaning[0].isupper(), name
        assert one.setting.meaning.endswith("."), name
        assert one.default is NOTHING or one.fit(one.default) == one.default, name
        numeric = bool(set(one.members) & {int, float})
        own = ("until", "memory_per_worker", "timeout", "workers")  # any number; with a unit; a number or "auto"
        assert name in own or not numeric or one.setting.bounds, f"{name} has no lowest value"
    for name in STORED:
        assert getattr(StudyConfig.read({}), name, None) is not None or name in StudyConfig().settings()


def test_the_page_of_the_docs_is_the_declaration():
    path = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
    assert path.read_text(encoding="utf-8") == reference.page(), (
        "run: python -m automl.cli.reference > docs/settings.md"
    )
    for name in KNOWN:
        assert f"| `{name}` |" in reference.page()


def test_one_more_field_is_one_more_option_and_parameter():
    """Adding a setting touches one place."""
    from automl.cli.options import options_of, said
    from automl.settings import check, setting
    from automl.setup.signature import takes

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class More(SearchSettings):
        patience: int = setting(7, "Days until it ends.", group="Budget", lowest=2)

        def __post_init__(self):
            check(self)

    @takes(More)
    def look(asked, given):
        """Looks.

        Args:
            every setting of `More`.
        """
        return asked.patience, "patience" in given

    assert look("digits-cells") == (7, False)
    assert look("digits-cells", patience=9) == (9, True)
    assert inspect.signature(look).parameters["patience"].default == 7
    assert "patience: Days until it ends. [default: 7; 2 or more]" in look.__doc__
    with pytest.raises(InvalidInput, match="patience=1: it must be 2 or more"):
        look("digits-cells", patience=1)

    found = {}
    options = options_of(declared(More).values(), "search")
    tried = click.command()(options(lambda **given: found.update(said(given, declared(More).values()))))
    tried.main(["--patience", "3", "--no-baseline"], standalone_mode=False)
    assert found == {"patience": 3, "baseline": False}
