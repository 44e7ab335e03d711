from datetime import timedelta
import pytest
from django.utils import timezone
from generations import credentials
from generations.models import Credential, Generation, Status, Lease
from tests.browser.conftest import Open
from tests.states import put
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

def test_shots(visit, alice, bob, halden, ask, credential, sandbox):
    now = timezone.now()
    def mk(name, **kw):
        c, _ = credentials.ensure(team=halden, provider="kling", name=name, secrets={"api_key": "sk-abcdefgh-7Q2A"}, base_url=kw.pop("base_url", "https://api-singapore.klingai.com"))
        Credential.objects.filter(pk=c.pk).update(created_by=alice, **kw)
        return c
    mk("Marketing account", paused_at=now, paused_reason="Kling's resource pack is used up or has expired. An admin has to buy another.", tested_at=now, tested_ok=False, test_problem="x", test_details="1102 Account balance not enough")
    mk("Relay key")
    mk("Campaign key", tested_at=now, tested_ok=True, balance="2,310 units left in 1 packs, as of 12 hours ago", slots=5)
    mk("Client key", tested_at=now, tested_ok=False, test_problem="Kling official refused the test.", test_details="1200 strange")
    mk("Silent", tested_at=now, tested_ok=None, test_problem="Kling official does not answer. No answer within 10 seconds.")
    Credential.objects.filter(pk=credential.pk).update(tested_at=now, tested_ok=True, balance="16,110 units left in 2 packs, as of 12 hours ago", daily_pictures=20, changed_by=alice, changed_at=now)
    a = ask("x", n=4, credential=credential.pk); put(a, Status.RUNNING)
    for i in range(2): put(ask("x", n=7, credential=credential.pk), Status.SUCCEEDED)
    ask("A vase", n=4, credential=credential.pk, person=bob)
    pages = {"list": ("/credentials/", alice), "add": ("/credentials/add/", alice), "replace": (f"/credentials/{credential.pk}/replace/", alice), "change": (f"/credentials/{credential.pk}/", alice), "pause": (f"/credentials/{credential.pk}/pause/", alice), "remove": (f"/credentials/{credential.pk}/remove/", alice), "create": ("/", bob)}
    for width in (1440, 390):
        for scheme in ("light", "dark"):
            for name, (path, who) in pages.items():
                if scheme == "dark" and name not in ("list", "add", "create"): continue
                page = visit(path, who, width=width, color_scheme=scheme)
                if name == "add":
                    page.get_by_label("Access key and secret key").check()
                    page.get_by_label("Access key", exact=True).fill("abcdefgh")
                    page.get_by_label("Address", exact=True).select_option("other")
                    page.get_by_label("Another address").fill("https://example.com")
                    page.get_by_role("button", name="Add and test").click()
                page.screenshot(path=f"/tmp/shots/{name}-{width}-{scheme}.png", full_page=True)
                page.context.close()
    credentials.pause_team(halden, alice)
    Lease.objects.update_or_create(name="follower", defaults=dict(expires_at=now-timedelta(minutes=3)))
    for name, (path, who) in {"list2": ("/credentials/", alice), "create2": ("/", bob)}.items():
        page = visit(path, who); page.screenshot(path=f"/tmp/shots/{name}.png"); page.context.close()
