"""The forms about elements. A picture is kept only once all the rest is right."""

from typing import Any

from django import forms

from generations.providers.spec import Provider

CHOOSE = {"invalid_choice": "Choose one of these.", "required": "Choose one of these."}
LONGEST_ID = 18  # digits, as the form on Create takes them


class ElementForm(forms.Form):
    """What an element is called, and a picture of it."""

    name = forms.CharField(
        label="Name", help_text="What the team sees.", max_length=80, error_messages={"required": "Enter a name."}
    )
    picture = forms.FileField(
        label="Picture",
        help_text="Optional, so that it is found at a glance. It is not sent to the provider.",
        required=False,
        error_messages={"empty": "This file is empty. Choose another."},
    )


class AddForm(ElementForm):
    """All of a new element."""

    element_id = forms.RegexField(
        rf"^[0-9]{{1,{LONGEST_ID}}}\Z",
        label="Element id",
        help_text="Its number in the provider's element library.",
        error_messages={
            "required": "Enter the number of the element.",
            "invalid": f"Enter a number of at most {LONGEST_ID} digits, without anything else.",
        },
    )

    def __init__(self, libraries: tuple[Provider, ...], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["provider"] = forms.ChoiceField(
            label="Provider", choices=[(each.slug, each.label) for each in libraries], error_messages=CHOOSE
        )
