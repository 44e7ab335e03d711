"""The pages about people. Of django-allauth's only those named here exist, under the library's own names."""

from allauth.account import views as allauth_views
from django.urls import path, re_path

from klingweb.accounts import views

urlpatterns = [
    path("account/", views.account, name="account"),
    path("team/switch/", views.switch_team, name="switch_team"),
    path("invitation/<token>/", views.invitation, name="invitation"),
    path("accounts/login/", allauth_views.login, name="account_login"),
    path("accounts/logout/", allauth_views.logout, name="account_logout"),
    path("accounts/signup/", views.InvitedSignupView.as_view(), name="account_signup"),
    path("accounts/inactive/", allauth_views.account_inactive, name="account_inactive"),
    path("accounts/password/change/", allauth_views.password_change, name="account_change_password"),
    path("accounts/password/set/", allauth_views.password_set, name="account_set_password"),
    path("accounts/password/reset/", views.forgotten, name="account_reset_password"),
    path("accounts/password/reset/done/", allauth_views.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        allauth_views.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
]
