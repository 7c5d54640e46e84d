"""Every symptom is answered by its own examples, and every sign can be looked for."""

from __future__ import annotations

import re

import pytest

from dreamboot.doctor.areas import AREAS
from dreamboot.doctor.symptoms import Level, examine, symptoms
from dreamboot.doctor.symptoms.sign import compile_sign

CAUSES = [symptom for symptom in symptoms() if symptom.level is not Level.NOISE]
IDS = {symptom.id for symptom in symptoms()}


@pytest.mark.parametrize("symptom", CAUSES, ids=lambda symptom: symptom.id)
def test_its_examples_get_its_answer_first(symptom):
    assert symptom.examples, "a symptom without an example proves nothing"
    for example in symptom.examples:
        assert [cause.id for cause in examine(example).causes][:1] == [symptom.id], example


@pytest.mark.parametrize("symptom", CAUSES, ids=lambda symptom: symptom.id)
def test_it_says_what_why_and_the_way_out(symptom):
    assert symptom.area in AREAS
    assert symptom.what.endswith(".")
    assert symptom.cause.endswith(".")
    assert symptom.fix
    for command, changes in symptom.fix:
        assert command.strip()
        assert changes.strip()


# Settings of other programs, on whose logs they are the way out.
FOREIGN = {"dynamo_backend", "max_data_loader_n_workers", "no_half_vae", "torch_compile", "vae"}


def test_settings_that_it_advises_are_the_trainers():
    from dreamboot_trainer.config_read import read

    commands = {command for symptom in symptoms() for command, _ in symptom.fix}
    settings = {command for command in commands if re.match(r"[a-z_0-9]+ = \S", command)}
    foreign = {command for command in settings if command.split(" ")[0] in FOREIGN}
    assert {command.split(" ")[0] for command in foreign} == FOREIGN
    for command in settings - foreign:
        read(None, [part.replace(" = ", "=").replace('"', "") for part in command.split(", ")])


@pytest.mark.parametrize("symptom", [one for one in symptoms() if one.others], ids=lambda symptom: symptom.id)
def test_it_stays_silent_on_others(symptom):
    for other in symptom.others:
        assert symptom.id not in [cause.id for cause in examine(other).causes]


def test_consequences_are_symptoms():
    for symptom in symptoms():
        assert set(symptom.leads_to) <= IDS, symptom.id


def test_every_sign_compiles():
    for symptom in symptoms():
        for sign in (*symptom.signs, *symptom.needs, *symptom.unless):
            compile_sign(sign)


@pytest.mark.parametrize("bad", ["", "...", "{x}", "<a|b>", "ab"])
def test_a_sign_that_would_be_found_everywhere_is_refused(bad):
    with pytest.raises(ValueError, match="no literal"):
        compile_sign(bad)


def test_no_placeholder_is_left_in_an_answer():
    for symptom in CAUSES:
        for example in symptom.examples:
            problem = examine(example).causes[0].problem
            assert "{" not in problem.what + problem.cause + problem.hint, symptom.id
