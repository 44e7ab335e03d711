"""The table of fields, as the command prints it and as the README shows it."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from generations.providers.apimodels import PROVIDER as APIMODELS
from generations.providers.fields import ALWAYS, NEVER, Choice, Field, Ours, Picture, Source, Switch, equals
from generations.providers.kling import PROVIDER as KLING
from generations.providers.matrix import Row, as_json, as_markdown, rows
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Operation
from tests.site.processes import ROOT

BEGIN, END = "<!-- manage.py providers: begin -->", "<!-- manage.py providers: end -->"

KLINGS_OWN = "watermark_info callback_url external_task_id"
SIDES = "up_expansion_ratio down_expansion_ratio left_expansion_ratio right_expansion_ratio"
REFERENCE = "image_reference image_fidelity human_fidelity"
SUBJECTS = "subject_image_list scene_image style_image prompt n aspect_ratio"
TO_USEAPI = "email prompt aspect_ratio imageCount maxJobs replyUrl replyRef"

# By hand, from the five documents and the table of their operations: provider, operation, fields.
DOCUMENTED = {
    (
        "kling",
        "text-to-image",
    ): f"model_name prompt negative_prompt element_list resolution n aspect_ratio {KLINGS_OWN}",
    ("kling", "image-to-image"): (
        f"model_name prompt negative_prompt image {REFERENCE} element_list resolution n aspect_ratio {KLINGS_OWN}"
    ),
    ("kling", "multi-image"): f"model_name {SUBJECTS} {KLINGS_OWN}",
    ("kling", "omni"): (
        "model_name prompt image_list element_list resolution result_type series_amount n aspect_ratio " + KLINGS_OWN
    ),
    ("kling", "expand"): f"image {SIDES} prompt n {KLINGS_OWN}",
    ("useapi", "kolors"): (
        f"{TO_USEAPI} reference imageReference faceStrength subjectStrength faceNo version resolution "
        + " ".join(f"image_{number}" for number in range(1, 11))
    ),
    ("useapi", "kolors-elements"): (
        f"{TO_USEAPI} subjectImage1 subjectImage2 subjectImage3 subjectImage4 sceneImage styleImage"
    ),
    ("kkiai", "text-to-image"): "model_name prompt negative_prompt resolution n aspect_ratio callback_url",
    ("kkiai", "image-to-image"): (
        f"model_name prompt negative_prompt image {REFERENCE} resolution n aspect_ratio callback_url"
    ),
    ("kkiai", "expand"): f"image {SIDES} prompt n callback_url",
    ("apimodels", "text-to-image"): "model prompt negative_prompt resolution n aspect_ratio callback_url",
    ("apimodels", "image-to-image"): (
        f"model prompt image_url negative_prompt {REFERENCE} resolution n aspect_ratio callback_url"
    ),
    ("apimodels", "style-transfer"): f"model prompt image_url negative_prompt {REFERENCE} n callback_url",
    ("apimodels", "multi-image"): f"model multi_model_name {SUBJECTS} callback_url",
    ("apimodels", "expand"): f"model image_url {SIDES} prompt n callback_url",
    ("apimodels", "omni"): "model prompt image_url image_urls resolution n aspect_ratio callback_url",
}
OURS = {"external_task_id", "callback_url", "replyUrl", "replyRef", "maxJobs"}


def printed(form: str) -> str:
    out = StringIO()
    call_command("providers", format=form, stdout=out)
    return out.getvalue()


def declared(provider: str, operation: str) -> dict[str, Row]:
    table = rows([PROVIDERS[provider]])
    return {each.field: each for each in table if each.operation == operation}


@pytest.mark.parametrize(("operation", "fields"), DOCUMENTED.items(), ids=" ".join)
def test_every_field_that_a_document_names_is_there(operation: tuple[str, str], fields: str) -> None:
    found = declared(*operation)
    assert set(fields.split()) - set(found) == set()
    ours = OURS & set(fields.split())
    assert {found[name].asked for name in ours} <= {"set by klingweb"}


def test_no_operation_is_there_that_the_list_forgets() -> None:
    assert {(each.provider, each.operation) for each in rows(PROVIDERS.values())} == set(DOCUMENTED)


def test_json_names_each_field_with_its_bounds_its_default_and_its_source() -> None:
    table = {(each["provider"], each["operation"], each["field"]): each for each in json.loads(printed("json"))}
    assert table["kling", "text-to-image", "n"] == {
        "provider": "kling",
        "operation": "text-to-image",
        "field": "n",
        "label": "Pictures",
        "kind": "integer",
        "bounds": "1–9",
        "limits": {"at_least": 1, "at_most": 9},
        "default": 1,
        "asked": "always",
        "required": "always",
        "mark": "",
        "source": {"page": "Kling API: Image Generation", "checked": "2026-11-20"},
    }
    assert all(each["bounds"] and each["source"]["page"] and each["source"]["checked"] for each in table.values())


def test_a_list_of_slots_is_one_row_with_its_key_and_its_count() -> None:
    subjects = declared("apimodels", "multi-image")["subject_image_list"]
    assert (subjects.kind, subjects.required, subjects.mark) == ("list", "always", "precaution")
    assert subjects.bounds.startswith("1–4 × {subject_image: a picture, ≤ 10 MB")
    assert subjects.limits == {
        "key": "subject_image",
        "at_least": 1,
        "at_most": 4,
        "max_bytes": 10 * 2**20,
        "min_side": 300,
        "ratio": 2.5,
    }
    plain = declared("apimodels", "omni")["image_urls"]
    assert plain.bounds.startswith("0–10 × a picture")
    assert (plain.limits["key"], plain.required, plain.mark) == ("", "never", "unverified")


def test_conditions_are_said_in_words_and_name_a_list_once() -> None:
    omni = declared("apimodels", "omni")
    assert omni["image_url"].use == "when image_urls is empty: optional"
    assert omni["aspect_ratio"].use == "required when image_urls is empty and image_url is empty, else optional"
    reference = declared("kling", "image-to-image")["image_reference"]
    assert reference.use == "when image is given: required when model_name is kling-v1-5, else optional"


def test_retired_models_constants_and_rules_are_said() -> None:
    assert declared("apimodels", "style-transfer")["model"].bounds == "kling-v2-new (retired)"
    expand = declared("apimodels", "expand")
    assert (expand["model"].bounds, expand["model"].use) == ("kling-expand", "constant")
    assert expand["left_expansion_ratio"].bounds == "0–2; 1 < (1 + up + down) · (1 + left + right) ≤ 3"
    assert expand["image_url"].bounds == "a picture, ≤ 10 MB, ≥ 300 px, 1:2.5 to 2.5:1"


def test_what_a_model_narrows_is_said() -> None:
    from_text = declared("kling", "text-to-image")
    assert from_text["resolution"].bounds == "1k 2k; with kling-v1-5, kling-v1: 1k"
    assert from_text["aspect_ratio"].bounds.endswith("; with kling-v1: without 21:9")
    assert "; not with kling-v2-1, kling-v2" in from_text["element_list"].bounds


PAGE = Source("a page", "2026-11-20")


def operation(*fields: Field) -> Operation:
    return Operation(slug="draw", label="Draw", path="/draw", source=PAGE, fields=fields, capabilities=())


def invented(*fields: Field) -> list[list[str]]:
    """The cells of the table for these fields."""
    provider = replace(KLING, slug="nobody", operations=(operation(*fields),))
    return [line.strip("| ").split(" | ") for line in as_markdown(rows([provider])).splitlines()[2:]]


def test_other_choices_narrow_a_choice_and_may_leave_it_alone() -> None:
    only = ((equals("size", "s", None), ("a", "b")), (equals("size", "m"), ("a",)), (ALWAYS, ("a", "b", "c")))
    size = Choice(name="size", label="Size", options=("s", "m"), source=PAGE)
    kind = Choice(name="kind", label="Kind", options=("a", "b", "c"), only=only, when=NEVER, source=PAGE)
    assert invented(size, kind)[1][3:6] == [
        "a b c; when size is s or empty: without c; when size is m: a; always: all",
        "",
        "never: optional",
    ]


def test_a_table_keeps_its_columns_whatever_stands_in_a_cell() -> None:
    strange = Source("<<<a|b>>>", "2026-11-20")
    [switch, ours] = invented(
        Switch(name="mark", label="Mark", default=True, source=strange), Ours(name="id", label="Our id", source=PAGE)
    )
    assert (switch[4], switch[6]) == ("yes", "&lt;&lt;&lt;a\\|b>>>, 2026-11-20")
    assert ours[3:6] == ["set by klingweb", "", "set by klingweb"]


def test_a_row_of_slots_that_is_no_list_stays_one_row_for_each() -> None:
    slots = [Picture(name=f"image_{n}", label=f"Picture {n}", series="image_{}", source=PAGE) for n in (1, 2)]
    assert [cells[2] for cells in invented(*slots)] == ["`image_1`", "`image_2`"]


def test_the_readme_shows_what_the_command_prints() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    between = readme.partition(BEGIN)[2].partition(END)[0]
    assert between.strip() == printed("markdown").strip(), "Put what `manage.py providers` prints into README.md."


def test_both_forms_have_the_same_rows() -> None:
    table = rows([APIMODELS])
    assert len(json.loads(as_json(table))) == len(as_markdown(table).splitlines()) - 2


@pytest.mark.processes
@pytest.mark.parametrize("form", ["json", "markdown"])
def test_it_needs_no_variable_and_no_database_and_leaves_nothing_behind(tmp_path: Path, form: str) -> None:
    for name in ("klingweb", "generations"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", tmp_path)
    before = sorted(tmp_path.rglob("*"))
    command = [sys.executable, "-B", "manage.py", "providers", "--format", form]
    ended = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.decode() == printed(form)
    assert sorted(tmp_path.rglob("*")) == before
