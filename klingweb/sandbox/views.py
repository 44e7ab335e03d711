"""The sandbox's own pages, which no provider has: what it is, and what it was asked."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from klingweb.sandbox import keys, kkiai, store
from klingweb.sandbox.scenarios import SCENARIOS
from klingweb.sandbox.useapi_door import ACCOUNTS

BASES = {
    "kling": "kling",
    "useapi": "useapi/v1/kling",
    **{dialect: dialect for dialect in kkiai.RELAYS},
    "apimodels": "apimodels/api/v1",
}
"""Where each dialect is spoken, below the sandbox's own address."""
LOOPBACK = ("127.0.0.1", "::1")


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What this is, where each dialect is spoken, which keys open it, and the scenarios."""
    return JsonResponse(
        {
            "about": "A stand-in for the providers' servers. It costs nothing and draws landscapes.",
            "base_urls": {dialect: request.build_absolute_uri(base) for dialect, base in BASES.items()},
            "keys": {
                "api_key": keys.API_KEY,
                "access_key": keys.ACCESS_KEY,
                "secret_key": keys.SECRET_KEY,
                "webhook_secret": keys.WEBHOOK_SECRET,
                "useapi_token": keys.USEAPI_TOKEN,
                "useapi_emails": list(ACCOUNTS),
                "apimodels_key": keys.APIMODELS_KEY,
            },
            "scenarios": SCENARIOS,
        }
    )


@require_GET
def requests(request: HttpRequest) -> HttpResponse:
    """Every request so far, oldest first; `posts` counts the POSTs among them, `accepted` those that made a task.

    `?external_task_id=` and `?dialect=` choose. Only for clients on this machine.
    """
    if request.META["REMOTE_ADDR"] not in LOOPBACK:
        return nowhere(request)
    asked = store.visits(
        external_task_id=request.GET.get("external_task_id", ""), dialect=request.GET.get("dialect", "")
    )
    posts = [visit for visit in asked if visit["method"] == "POST"]
    accepted = [visit for visit in posts if visit["accepted"]]
    return JsonResponse({"requests": asked, "posts": len(posts), "accepted": len(accepted)})


def nowhere(_request: HttpRequest, **_parts: str) -> HttpResponse:
    """Any other address: a plain 404, because the site's own page for it is not a stranger's."""
    return HttpResponse("Not found.", status=404, content_type="text/plain")
