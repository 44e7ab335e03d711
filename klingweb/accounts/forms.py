"""The forms about people."""

from typing import Any

from allauth.account.forms import SignupForm
from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from klingweb.accounts import services
from klingweb.accounts.models import Invitation, User


class InvitedSignupForm(SignupForm):  # type: ignore[misc]  # untyped
    """The library's form, bound to the address that was invited."""

    name = forms.CharField(max_length=80, required=False)

    def __init__(self, *args: Any, invitation: Invitation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invitation = invitation
        self.fields["email"].initial = invitation.email

    def clean_email(self) -> str:
        """Refuse any other address."""
        email: str = self.cleaned_data["email"]
        if email != self.invitation.email:
            raise forms.ValidationError(
                f"This invitation is for {self.invitation.email}. Ask an admin of {self.invitation.team} "
                "to invite another address."
            )
        if services.find_person(email):
            raise forms.ValidationError("This address has an account already. Sign in, then open the invitation again.")
        return email

    def try_save(self, _request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Account and membership in one step. If someone was first, the page is asked for again and says so."""
        try:
            return services.sign_up(self.invitation, self.cleaned_data["password1"], self.cleaned_data["name"]), None
        except services.InvitationGoneError:
            return None, redirect("account_signup")


class ProfileForm(forms.ModelForm[User]):
    """What a person can change about themselves."""

    class Meta:
        model = User
        fields = ["name"]
