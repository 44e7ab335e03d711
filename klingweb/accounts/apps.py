"""The people of the site."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """User, Team, Membership and Invitation."""

    name = "klingweb.accounts"
