"""What django-allauth asks this site about."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.urls import reverse

from klingweb.accounts import services


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # untyped
    """Nobody signs up without an invitation; sentences in this site's words; links on its public address."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "That e-mail and password do not belong together.",
        "enter_current_password": "This is not your current password.",
        "too_many_login_attempts": "Too many wrong passwords. Wait five minutes, then try again.",
    }

    def is_open_for_signup(self, _request: HttpRequest) -> bool:
        """Never: `InvitedSignupView` is the only door, and asks the invitation itself."""
        return False

    def get_reset_password_from_key_url(self, key: str) -> str:
        """The address that goes into the mail."""
        return services.password_link(key)

    def get_password_change_redirect_url(self, _request: HttpRequest) -> str:
        """Where one goes after a change."""
        return reverse("account")
