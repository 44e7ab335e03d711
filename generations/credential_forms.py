"""The forms about credentials. They know no provider's name, and what is secret is never sent back to the page."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.conf import settings

from generations import deliveries
from generations.credentials import MOST_SLOTS, SANDBOX, BadCredential, Key, check_base_url, check_secrets
from generations.providers.spec import CredentialWay, Provider, SecretField
from generations.services.keys import Limits

OTHER = "other"
CHOOSE = {"invalid_choice": "Choose one of these.", "required": "Choose one of these."}


class ProviderForm(forms.Form):
    """A form about one provider."""

    def __init__(self, provider: Provider, data: Any = None, **kwargs: Any) -> None:
        self.provider = provider
        super().__init__(data, **kwargs)


class KeyForm(ProviderForm):
    """The secret values of one of the provider's ways to sign in, and the address that they are for."""

    address = forms.CharField(
        label="Another address",
        help_text="It must be listed in KLINGWEB_TRUSTED_PROVIDER_HOSTS.",
        max_length=300,
        required=False,
    )

    def __init__(self, provider: Provider, data: Any = None, *, current: str = "", **kwargs: Any) -> None:
        super().__init__(provider, data, **kwargs)
        addresses = _addresses(provider)
        self.fields["way"] = _choice([(way.fields[0].name, way.label) for way in provider.credential_ways])
        self.fields["base_url"] = _choice(addresses, label="Address", help_text="A key need not work at another one.")
        secrets = [each for way in provider.credential_ways for each in way.fields]
        for each in secrets:
            self.fields[each.name] = forms.CharField(
                label=each.label,
                help_text=each.help,
                max_length=2000,
                required=False,
                widget=forms.TextInput() if each.plain else forms.PasswordInput(),
            )
        self.order_fields(["name", "way", *(each.name for each in secrets), "base_url"])
        if current:
            chosen = current if current in dict(addresses) else OTHER
            self.initial = {**self.initial, "base_url": chosen, "address": current if chosen == OTHER else ""}

    def clean(self) -> dict[str, Any]:
        """Say what is wrong, each at its own field."""
        cleaned = super().clean() or {}
        if "way" in cleaned:
            self._clean_secrets()
        if cleaned.get("base_url") == OTHER and "address" in cleaned:
            self._clean_address()
        return cleaned

    @property
    def ways(self) -> Iterator[tuple[CredentialWay, str, list[forms.BoundField]]]:
        """Each way to sign in, its value in the form, and the fields of the secrets that are its own."""
        for way in self.provider.credential_ways:
            yield way, way.fields[0].name, [self[each.name] for each in way.fields if not self._is_shared(each)]

    @property
    def shared(self) -> list[forms.BoundField]:
        """The fields of what goes with several ways to sign in. A page has room for each only once."""
        fields = [each for way in self.provider.credential_ways for each in way.fields if self._is_shared(each)]
        return [self[each.name] for each in dict.fromkeys(fields)]

    @property
    def key(self) -> Key:
        """What was entered."""
        chosen = self.cleaned_data["base_url"]
        return Key(self._secrets(), self.cleaned_data["address"] if chosen == OTHER else chosen)

    def _is_shared(self, secret: SecretField) -> bool:
        return sum(secret in way.fields for way in self.provider.credential_ways) > 1

    def _way(self) -> CredentialWay:
        chosen = self.cleaned_data["way"]
        return next(way for way, value, _ in self.ways if value == chosen)

    def _secrets(self) -> dict[str, str]:
        return {
            each.name: self.cleaned_data[each.name] for each in self._way().fields if each.name in self.cleaned_data
        }

    def _clean_secrets(self) -> None:
        secrets, needed = self._secrets(), [each for each in self._way().fields if not each.optional]
        missing = [each for each in needed if secrets.get(each.name) == ""]
        for each in missing:
            half = f"{each.label} is missing. The pair works only together."
            self.add_error(each.name, half if len(needed) > 1 else "Enter it.")
        if not missing and not self.errors.keys() & secrets.keys():
            try:
                check_secrets(self.provider, secrets)
            except BadCredential as error:
                self.add_error(error.field, str(error))

    def _clean_address(self) -> None:
        address = self.cleaned_data["address"]
        if address == SANDBOX or (address.startswith(SANDBOX) and settings.SANDBOX == "off"):
            self.add_error("address", "The sandbox stands in the list above where it is on.")
            return
        try:
            check_base_url(self.provider, address)
        except BadCredential as error:
            self.add_error("address", str(error))


class LimitsForm(ProviderForm):
    """What it is called, and how much may be sent with it."""

    name = forms.CharField(
        label="Name",
        help_text="What the team sees. The key itself is never shown again, only its last four characters.",
        max_length=80,
        error_messages={"required": "Enter a name."},
    )
    slots = forms.IntegerField(min_value=1, max_value=MOST_SLOTS, error_messages={"required": "Enter a number."})
    daily_pictures = forms.IntegerField(
        label="Pictures a day",
        help_text="What is more waits for the next day, which begins at midnight UTC. Empty: no limit.",
        min_value=1,
        max_value=1_000_000,
        required=False,
    )
    webhooks = forms.BooleanField(label="Webhooks", initial=True, required=False)

    def __init__(self, provider: Provider, data: Any = None, **kwargs: Any) -> None:
        super().__init__(provider, data, **kwargs)
        slots = self.fields["slots"]
        slots.label = f"{provider.slot_unit.capitalize()} at once"
        other = {"pictures": "requests", "requests": "pictures"}[provider.slot_unit]
        slots.help_text = f"{provider.label} counts {provider.slot_unit}, not {other}."
        slots.initial = provider.default_slots
        self.fields["webhooks"].help_text = (
            f"{provider.label} calls klingweb when a request moves on, so that pictures are here sooner. What it says "
            f"is never believed: klingweb asks. {_whether_reachable()}"
        )
        if not any(each.webhook for each in provider.operations):
            del self.fields["webhooks"]

    @property
    def limits(self) -> Limits:
        """What was entered."""
        cleaned = self.cleaned_data
        return Limits(cleaned["name"], cleaned["slots"], cleaned["daily_pictures"], cleaned.get("webhooks", True))


class AddForm(LimitsForm, KeyForm):
    """All of a new credential."""


class PauseForm(forms.Form):
    """Why somebody pauses a credential."""

    reason = forms.CharField(
        label="Why",
        help_text="It is shown for as long as the key is paused. Do not write a secret here.",
        max_length=200,
        error_messages={"required": "Say why, for those who find it paused."},
    )


def _whether_reachable() -> str:
    if deliveries.reachable():
        return f"It has to reach {settings.PUBLIC_URL}/hooks/."
    return "Only once KLINGWEB_PUBLIC_URL is an https address on the internet."


def _addresses(provider: Provider) -> list[tuple[str, str]]:
    own = [(url, url.removeprefix("https://")) for url in provider.base_urls]
    sandbox = [(SANDBOX, "Sandbox: draws test pictures, costs nothing")] if settings.SANDBOX != "off" else []
    return [*own, *sandbox, (OTHER, "Another address")]


def _choice(choices: list[tuple[str, str]], **kwargs: Any) -> forms.ChoiceField:
    return forms.ChoiceField(choices=choices, initial=choices[0][0], error_messages=CHOOSE, **kwargs)
