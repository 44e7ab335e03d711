"""Create, History and Generation as their pages say them, through the public door."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from generations import credentials, queue
from generations.models import Credential, Generation, Image, Lease, Status
from klingweb.accounts.models import Team, User
from tests.accounts.conftest import Answer, words
from tests.cast import sign_in
from tests.road import Ask, finish
from tests.states import PROMPT, REFUSED, every_state, lose, pause_key, put

pytestmark = pytest.mark.django_db

CREATE, HISTORY = "/", "/history/"
HTMX = {"HX-Request": "true"}
HOSTILE = '"><script>alert(1)</script> {{ 7|add:7 }} \u202e'


def form(**changed: str) -> dict[str, str]:
    texts = {"provider": "kling", "operation": "text-to-image", "key": "one form", "model_name": "kling-v3"}
    return texts | {"prompt": "A vase", "aspect_ratio": "3:4", "n": "2", "resolution": "1k"} | changed


def html(response: Answer) -> str:
    return response.content.decode()


def card_of(generation: Generation, page: str) -> str:
    """The part of a page that shows this generation."""
    found = re.search(rf'<(article|li|div)[^>]*data-generation="{generation.pk}".*?</\1>', page, re.DOTALL)
    assert found, f"{generation} is not on the page"
    return found.group()


@pytest.fixture
def bobs(client: Client, bob: User, credential: Credential) -> Client:
    return sign_in(client, bob)


# Create: the form -----------------------------------------------------------------------------------------------------


def test_the_form_asks_what_is_declared_under_the_declared_names(bobs: Client) -> None:
    page = html(bobs.get(CREATE))
    assert re.search(r'<form[^>]* id="create"[^>]* method="post"[^>]* action="/"', page)
    names = set(re.findall(r'<(?:input|select|textarea)[^>]* name="([^"]+)"', page))
    assert names >= {"provider", "operation", "credential", "key", "csrfmiddlewaretoken"}
    assert names >= {"model_name", "prompt", "aspect_ratio", "n", "resolution", "negative_prompt", "watermark_info"}
    said = words(bobs.get(CREATE))
    assert "kling-v3 · $0.028 · about 30 s" in said
    assert "Generate 1 picture" in said
    assert "about $0.028" in said


def test_a_choice_brings_its_fields_and_keeps_what_was_typed(bobs: Client) -> None:
    typed = form(model_name="kling-v2-1", element_list="12", refresh="1")
    part, page = html(bobs.post(CREATE, typed, headers=HTMX)), html(bobs.post(CREATE, typed))
    for answer in (part, page):
        assert 'name="element_list"' not in answer
        assert '<input type="hidden" name="kept.element_list" value="12">' in answer
        assert "about $0.028" in answer
    assert "<html" not in part
    assert 'id="go" type="submit" title="Generate  Ctrl + Enter" hx-swap-oob="true"' in part
    assert ">\nA vase</textarea>" in page
    assert not Generation.objects.exists()


def test_a_kept_value_comes_back_with_its_field_and_is_not_sent_without_it(bobs: Client) -> None:
    typed = form(**{"kept.element_list": "12"})
    assert 'name="element_list" value="12"' in html(bobs.post(CREATE, typed | {"refresh": "1"}))
    bobs.post(CREATE, typed | {"model_name": "kling-v2-1"})
    assert "element_list" not in Generation.objects.get().values


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["a page", "a part"])
def test_a_bad_form_is_422_with_the_error_beside_its_field_and_nothing_lost(
    bobs: Client, headers: dict[str, str]
) -> None:
    response = bobs.post(CREATE, form(n="12", negative_prompt="people", watermark_info="true"), headers=headers)
    assert response.status_code == 422
    page = html(response)
    assert re.search(r'name="n"[^>]* value="12"[^>]* aria-invalid="true" autofocus aria-describedby="id-n-error"', page)
    assert re.search(r'id="id-n-error">.*Enter a whole number from 1 to 9\.</p>', page)
    assert page.count(" autofocus") == 1
    assert ">\npeople</textarea>" in page
    assert re.search(r'value="3:4" checked', page)
    assert re.search(r'name="watermark_info" value="true" checked', page)
    assert 'name="key" value="one form"' in page
    assert ("<html" in page) == (not headers)


def test_every_kind_of_control_says_its_error(bobs: Client) -> None:
    wrong = form(model_name="?", prompt=" ", aspect_ratio="?", n="x", resolution="?", negative_prompt="x" * 2501)
    page = html(bobs.post(CREATE, wrong | {"element_list": "a lamp"}))
    for name in ("model_name", "prompt", "aspect_ratio", "n", "resolution", "negative_prompt", "element_list"):
        assert f'id="id-{name}-error"' in page
    assert re.search(r'<textarea id="id-prompt"[^>]* autofocus', page)
    assert re.search(r'<details class="fold" id="advanced" open>', page)


def test_a_choice_that_is_not_offered_any_more_is_said(bobs: Client) -> None:
    response = bobs.post(CREATE, form(credential="999"))
    assert response.status_code == 422
    assert "This credential is not offered to your team any more." in words(response)


def test_a_plain_form_leads_to_its_generation_and_twice_to_the_same(bobs: Client) -> None:
    first, second = bobs.post(CREATE, form()), bobs.post(CREATE, form())
    generation = Generation.objects.get()
    assert first.status_code == second.status_code == 302
    assert first["Location"] == second["Location"] == f"/g/{generation.pk}/"


def test_an_accepted_form_brings_its_card_a_new_key_and_leaves_the_form_alone(bobs: Client) -> None:
    response = bobs.post(CREATE, form(), headers=HTMX)
    generation, page = Generation.objects.get(), html(response)
    assert response["HX-Reswap"] == "none"
    assert '<div hx-swap-oob="afterbegin:#gens">' in page
    assert 'data-status="queued"' in card_of(generation, page)
    assert page.count("shot-wait") == 2
    assert re.search(r'id="key" name="key" value="(?!one form)[^"]+"[^>]* hx-swap-oob="true"', page)
    assert "1 waiting" in words(response)
    again = html(bobs.post(CREATE, form(), headers=HTMX))
    assert "afterbegin" not in again
    assert f'id="g-{generation.pk}"' in again


def test_the_address_and_an_earlier_generation_fill_the_form(bobs: Client, ask: Ask) -> None:
    assert ">\nA lamp</textarea>" in html(bobs.get(CREATE, {"prompt": "A lamp", "n": "3"}))
    earlier = ask("A jug", n=4, aspect_ratio="9:16", watermark_info="true")
    page = html(bobs.get(CREATE, {"settings": str(earlier.pk)}))
    assert ">\nA jug</textarea>" in page
    assert 'value="9:16" checked' in page
    assert re.search(r'name="watermark_info" value="true" checked', page)
    assert "Generate 4 pictures" in page
    gone = bobs.get(CREATE, {"settings": "00000000-0000-0000-0000-000000000000"})
    assert "does not exist any more" in words(gone)


def test_which_key_is_asked_only_where_there_are_several_and_a_paused_one_says_so(
    bobs: Client, alice: User, credential: Credential, halden: Team
) -> None:
    assert f'<input type="hidden" name="credential" value="{credential.pk}">' in html(bobs.get(CREATE))
    Credential.objects.create(team=halden, provider="kling", name="Other", base_url="sandbox:", secrets={}, slots=1)
    credentials.pause(credential, "The account has run out of credit.")
    page = bobs.get(CREATE, {"credential": credential.pk})
    assert '<select id="id-credential" name="credential"' in html(page)
    assert "is paused. What you ask for waits until an admin resumes it." in words(page)
    page = sign_in(bobs, alice).get(CREATE, {"credential": credential.pk})
    assert "is paused: The account has run out of credit." in words(page)


def test_a_viewer_looks_and_is_told_why_there_is_no_more(client: Client, victor: User, ask: Ask) -> None:
    ask(n=4)
    sign_in(client, victor)
    page = client.get(CREATE)
    assert re.search(r'<button[^>]* id="go"[^>]* disabled aria-describedby="why-not"', html(page))
    assert "Only members and admins can make pictures." in words(page)
    refused = client.post(CREATE, form())
    assert refused.status_code == 403
    assert "only members and admins can make pictures" in words(refused)


def test_without_a_credential_an_admin_reads_what_to_do_and_a_member_whom_to_ask(
    client: Client, alice: User, bob: User
) -> None:
    page = sign_in(client, alice).get(CREATE)
    assert 'href="/credentials/add/?provider=kling"' in html(page)
    assert "API key" in words(page)
    assert "Ask an admin of Halden Studio" in words(sign_in(client, bob).get(CREATE))


# Cards ----------------------------------------------------------------------------------------------------------------

SAID = {
    "succeeded": ("Kling official", "kling-v3", "3:4", "1k", "$0.112", "Use settings", "Download 4"),
    "in part": ("1 of 2 pictures", "1 could not be brought home. The address answers HTTP 404.", "Download 1"),
    "collecting": ("1 of 2", "here, bringing the rest home"),
    "queued": ("Waiting", "for a free slot", "Cancel, costs nothing"),
    "submitting": ("1 s", "usually about 30 s", "Kling official cannot be stopped. The pictures will arrive here."),
    "running": ("14 s", "usually about 30 s"),
    "late": ("3 min 20 s", "Taking longer than usual, still running at Kling official."),
    "failed": (REFUSED, "1301 risk control", "Use settings"),
    "unconfirmed": ("with Sandbox", "No clear answer came.", "The line was dropped before an answer came."),
    "canceled": ("Canceled before it was sent.", "Nothing was charged.", "Use settings"),
}
PLACES = {"succeeded": (4, 0), "in part": (1, 0), "collecting": (1, 1), "queued": (0, 4), "running": (0, 3)}


@pytest.mark.parametrize("state", SAID)
def test_a_card_says_its_state(bobs: Client, ask: Ask, state: str) -> None:
    generation = every_state(ask)[state]
    card = card_of(generation, html(bobs.get(CREATE)))
    said = " ".join(re.sub(r"<[^>]+>", " ", card).split())
    for sentence in SAID[state]:
        assert sentence in said
    assert f'data-status="{generation.status}"' in card
    pictures, waiting = PLACES.get(state, (0, card.count("shot-wait")))
    assert (card.count("<a data-image "), card.count("shot-wait")) == (pictures, waiting)
    assert card.count("<img ") == pictures


def test_a_card_that_waits_for_a_paused_key_says_so_and_an_admin_reads_why(bobs: Client, alice: User, ask: Ask) -> None:
    generation = ask()
    pause_key(generation)
    page = words(bobs.get(CREATE))
    assert "is paused. It is sent by itself once" in page
    assert "Cancel, costs nothing" in page
    assert "The account has run out of credit." in words(sign_in(bobs, alice).get("/history/"))


def test_a_provider_that_made_fewer_is_said(bobs: Client, ask: Ask) -> None:
    generation = ask(n=3)
    finish(generation, 2)
    assert "2 of 3 pictures" in words(bobs.get(CREATE))
    assert "Kling official made no more than 2." in words(bobs.get(CREATE))


def test_a_picture_is_a_link_to_its_original_with_all_that_a_browser_needs(bobs: Client, ask: Ask) -> None:
    generation = ask("One two three four five six", n=2, aspect_ratio="3:4")
    _, second = finish(generation, 2)
    Generation.objects.update(created=timezone.now().replace(hour=14, minute=26))
    card = card_of(generation, html(bobs.get(CREATE)))
    assert f'<a data-image href="/images/{second.pk}/original" data-view="/g/{generation.pk}/?picture=2">' in card
    assert f'srcset="/images/{second.pk}/320 320w, /images/{second.pk}/1280 1280w"' in card
    assert 'width="120" height="160" alt="Picture 2 of 2: One two three four five, Bob, 14:26" loading="lazy"' in card
    assert 'class="shots cols-4 ar-3-4"' in card


@pytest.mark.parametrize(
    ("shape", "count", "classes"),
    [("16:9", 4, "cols-2 ar-16-9"), ("21:9", 5, "cols-3 ar-21-9"), ("1:1", 3, "cols-3 ar-1-1"), ("9:16", 1, "cols-2")],
)
def test_the_columns_follow_shape_and_count(bobs: Client, ask: Ask, shape: str, count: int, classes: str) -> None:
    ask(n=count, aspect_ratio=shape)
    assert f"shots {classes}" in html(bobs.get(CREATE))


def test_what_an_unknown_provider_made_can_still_be_looked_at(bobs: Client, ask: Ask) -> None:
    generation = ask()
    finish(generation)
    Generation.objects.update(provider="bygone", shape="odd")
    assert "bygone" in card_of(generation, html(bobs.get(CREATE)))


def test_nothing_that_people_or_providers_write_becomes_markup(bobs: Client, ask: Ask, bob: User) -> None:
    User.objects.update(name=HOSTILE)
    generation = ask(HOSTILE, n=2, negative_prompt=HOSTILE)
    finish(generation, 2)
    broken = put(ask(HOSTILE), Status.FAILED, problem=HOSTILE, problem_code=HOSTILE[:20], problem_details=HOSTILE)
    pause_key(ask(HOSTILE))
    Credential.objects.update(name=HOSTILE, paused_reason=HOSTILE)
    for path in (CREATE, HISTORY, f"/g/{generation.pk}/", f"/g/{broken.pk}/", f"/?settings={generation.pk}"):
        page = html(bobs.get(path))
        assert "<script>alert" not in page
        assert escape('"><script>alert(1)</script> {{ 7|add:7 }}') in page


def test_what_has_no_prompt_is_named_after_what_was_done(bobs: Client, ask: Ask) -> None:
    made = ask("A jug")
    finish(made)
    Generation.objects.update(prompt="", operation="expand", model_name="")
    for page in (html(bobs.get(CREATE)), html(bobs.get(HISTORY))):
        assert re.search(rf'href="/g/{made.pk}/">(<span>)?Expand<', page)
        assert 'alt="Picture: Expand, Bob' in page
    page = html(bobs.get(f"/g/{made.pk}/"))
    assert "<title>Expand · klingweb</title>" in page
    assert "<h1>Expand</h1>" in page
    assert 'aria-label="Copy prompt"' not in page


# History --------------------------------------------------------------------------------------------------------------


def test_history_is_what_the_team_made_newest_first_and_by_days(client: Client, alice: User, ask: Ask) -> None:
    sign_in(client, alice)
    now = timezone.now()
    for days, prompt in ((400, "Oldest"), (1, "Yesterday's"), (0, "Newest")):
        generation = ask(prompt)
        finish(generation)
        Generation.objects.filter(pk=generation.pk).update(created=now - timedelta(days=days))
    said = words(client.get(HISTORY))
    order = ["Today", "Newest", "Yesterday", "Yesterday's", f"{now - timedelta(days=400):%Y}", "Oldest"]
    places = [said.index(each) for each in order]
    assert places == sorted(places)


def test_history_goes_on_behind_the_last_one_within_its_day(bobs: Client, ask: Ask) -> None:
    made = [ask(f"Vase {number}") for number in range(35)]
    first = html(bobs.get(HISTORY))
    assert first.count("data-generation") == 30
    link = re.search(r'href="/history/(\?before=[^"]+)">Older', first)
    assert link
    part = html(bobs.get(HISTORY + link.group(1), headers=HTMX))
    assert part.count("data-generation") == 5
    assert 'hx-swap-oob="beforeend:#day-' in part
    assert "<h2" not in part
    assert "Older" not in part
    page = html(bobs.get(HISTORY + link.group(1)))
    assert page.count("data-generation") == 5
    assert page.count('<h2 id="h-') == 1
    assert "Back to the newest" in page
    assert "Nothing is older" in words(bobs.get(HISTORY, {"before": str(made[0].pk)}))
    assert html(bobs.get(HISTORY, {"before": "nothing"})).count("data-generation") == 30


def test_history_splits_what_is_wider_than_a_row(bobs: Client, ask: Ask) -> None:
    finish(ask(n=5, aspect_ratio="16:9"), 5, (160, 90))
    finish(ask(n=5), 5, (90, 160))
    found = re.findall(r'class="set (n-\d ar-[\d-]+)"', html(bobs.get(HISTORY)))
    assert found == ["n-4 ar-9-16", "n-1 ar-9-16", "n-2 ar-16-9", "n-2 ar-16-9", "n-1 ar-16-9"]


def test_history_says_what_came_to_nothing_and_what_is_on_its_way(bobs: Client, ask: Ask) -> None:
    made = every_state(ask)
    page = html(bobs.get(HISTORY))
    assert page.count("set-note") == 3
    assert page.count("<a data-image ") == 4 + 1 + 1
    assert all(f'data-generation="{each.pk}" data-status="{each.status}"' in page for each in made.values())
    assert len(re.findall(r'name="g" value="[^"]+" data-live', page)) == 6
    assert '<noscript><meta http-equiv="refresh"' in page


def test_history_before_the_first_picture(client: Client, bob: User, victor: User) -> None:
    assert "Make the first picture" in words(sign_in(client, bob).get(HISTORY))
    said = words(sign_in(client, victor).get(HISTORY))
    assert "Everything Halden Studio makes is kept here" in said
    assert "Make the first picture" not in said


# A generation ---------------------------------------------------------------------------------------------------------


def test_a_generation_shows_its_pictures_settings_cost_and_what_happened(bobs: Client, ask: Ask) -> None:
    generation = ask(PROMPT, n=3, aspect_ratio="3:4", negative_prompt="people")
    pictures = finish(generation, 3)
    put(generation, Status.SUCCEEDED, cost=24, cost_unit="unit", provider_task_id="8417", finished_at=timezone.now())
    response = bobs.get(f"/g/{generation.pk}/?picture=2")
    page, said = html(response), words(response)
    assert f'data-generation="{generation.pk}" data-status="succeeded"' in page
    assert re.findall(r'data-image href="/images/([^/]+)/original"', page) == [str(each.pk) for each in pictures]
    assert f'<a class="viewer-open" href="/images/{pictures[1].pk}/original"' in page
    assert "2 of 3" in said
    assert f'href="/g/{generation.pk}/?picture=1" hx-get' in page
    charged = "24 units, $0.084, as Kling official says"
    for sentence in (PROMPT, "Negative prompt people", "Model kling-v3", charged, "8417"):
        assert sentence in said
    assert "Asked by Bob" in said
    assert f'href="/?settings={generation.pk}"' in page
    assert f'href="/g/{generation.pk}/pictures.zip"' in page
    assert f'href="/images/{pictures[1].pk}/original?download"' in page


@pytest.mark.parametrize("number", ["0", "9", "x", "", "²"])
def test_a_picture_that_is_not_there_is_the_first(bobs: Client, ask: Ask, number: str) -> None:
    generation = ask(n=2)
    first, _ = finish(generation, 2)
    page = html(bobs.get(f"/g/{generation.pk}/", {"picture": number}))
    assert f'<a class="viewer-open" href="/images/{first.pk}/original"' in page


def test_the_only_picture_is_one_link_to_its_original(bobs: Client, ask: Ask) -> None:
    generation = ask()
    finish(generation)
    page = html(bobs.get(f"/g/{generation.pk}/"))
    assert page.count("data-image") == 1
    assert 'class="film' not in page


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("queued", "Charged not known yet"),
        ("running", "usually about 30 s"),
        ("failed", "Charged nothing that is known of"),
        ("canceled", "Charged nothing, it was never sent"),
        ("unconfirmed", "Charged not known yet"),
    ],
)
def test_a_generation_without_pictures_says_where_it_is(bobs: Client, ask: Ask, state: str, said: str) -> None:
    generation = every_state(ask)[state]
    response = bobs.get(f"/g/{generation.pk}/")
    assert said in words(response)
    unfinished = state in ("queued", "running")
    assert ('<noscript><meta http-equiv="refresh"' in html(response)) == unfinished
    may_still_change = unfinished or state == "unconfirmed"
    assert (f'name="g" value="{generation.pk}.' in html(response)) == may_still_change


def test_canceling_leads_back_and_says_where_it_came_too_late(bobs: Client, ask: Ask) -> None:
    generation = ask()
    page = words(bobs.post(f"/g/{generation.pk}/cancel/", follow=True))
    assert "Canceled by Bob before it was sent" in page
    gone = put(ask(), Status.RUNNING)
    assert "It has left already" in words(bobs.post(f"/g/{gone.pk}/cancel/", follow=True))


def test_other_teams_see_nothing_of_it(client: Client, charlie: User, ask: Ask) -> None:
    generation = ask()
    [image] = finish(generation)
    sign_in(client, charlie)
    for path in (f"/g/{generation.pk}/", reverse("original", args=[image.pk]), f"/images/{image.pk}/320"):
        assert client.get(path).status_code == 404
    assert str(generation.pk) not in html(client.get(HISTORY))


def test_a_viewer_is_offered_nothing_to_do(client: Client, victor: User, ask: Ask) -> None:
    page = html(sign_in(client, victor).get(f"/g/{ask().pk}/"))
    assert "?settings=" not in page
    assert "Cancel, costs nothing" not in page


# How much it costs to look --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [CREATE, HISTORY, "/queue/?queue=team"])
def test_the_number_of_queries_does_not_grow_with_the_rows(path: str, bobs: Client, ask: Ask) -> None:
    Lease.objects.create(name=queue.FOLLOWER, expires_at=timezone.now() + timedelta(seconds=settings.FOLLOWER_LEASE))
    numbers = []
    for _ in range(3):
        every_state(ask)
        with CaptureQueriesContext(connection) as queries:
            assert bobs.get(path).status_code == 200
        numbers.append(len(queries))
    assert numbers[1:] == numbers[:1] * 2
    assert numbers[0] <= 14


# Times ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "clock"),
    [
        ("Asia/Tokyo", "08:30"),
        ("", "23:30"),
        ("Nowhere/Here", "23:30"),
        ("../etc/passwd", "23:30"),
        ("Europe", "23:30"),
    ],
)
def test_times_are_said_in_the_readers_own_zone(bobs: Client, ask: Ask, zone: str, clock: str) -> None:
    generation = ask()
    finish(generation)
    Generation.objects.update(created="2026-11-20T23:30:00Z")
    bobs.cookies["zone"] = zone
    assert f"{clock}</time>" in html(bobs.get(CREATE))


def test_pages_are_sent_compressed(bobs: Client) -> None:
    response = bobs.get(CREATE, headers={"Accept-Encoding": "gzip"})
    assert response["Content-Encoding"] == "gzip"
    assert len(response.content) < 8000


def test_a_picture_without_a_person_is_still_described(bobs: Client, ask: Ask, bob: User, alice: User) -> None:
    generation = ask("A vase", person=alice)
    finish(generation)
    Generation.objects.update(person=None, created=timezone.now().replace(hour=14, minute=26))
    assert 'alt="Picture: A vase, 14:26"' in html(bobs.get(HISTORY))


def test_an_image_that_never_came_does_not_count(bobs: Client, ask: Ask) -> None:
    generation = ask(n=2)
    finish(generation, 2)
    lose(generation, 1)
    assert Image.objects.filter(state=Image.State.LOST).count() == 1
    assert html(bobs.get(f"/g/{generation.pk}/")).count("data-image") == 1
