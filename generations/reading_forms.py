"""The forms in which an admin says what has changed in a provider's answers."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms

from generations import interpretation
from generations.models import Reading
from generations.providers.spec import Provider

Kind = Reading.Kind
CHOOSE = {"required": "Choose one of these.", "invalid_choice": "Choose one of these."}
STATES = {
    "running": "it is still being made",
    "succeeded": "it is done",
    "failed": "it was not made, and nothing was charged",
}
REFUSALS = {
    "moderated": "the content rules refuse it: the request ends",
    "refused": "the settings are wrong: the request ends",
    "busy": "there is no room now: it waits and is sent again by itself",
    "no credit": "the account has no money left: the key is paused",
    "key": "the key is refused: the key is paused",
    "unavailable": "nobody knows what became of it: it waits for a decision",
}


class RuleForm(forms.Form):
    """One rule: what is found in an answer, and what it means."""

    kind: Kind
    title: str
    help: str
    meant: Mapping[str, str]
    found = forms.CharField(max_length=200)
    means = forms.ChoiceField(error_messages=CHOOSE)

    def __init__(self, provider: Provider, data: Any = None) -> None:
        super().__init__(data, prefix=self.kind)
        self.provider = provider
        self.fields["means"] = forms.ChoiceField(
            label=self.fields["means"].label,
            choices=[("", "Choose"), *self.meanings()],
            error_messages=CHOOSE,
        )

    def meanings(self) -> Iterable[tuple[str, str]]:
        """What may be chosen, with how people call it."""
        return self.meant.items()

    @property
    def rule(self) -> Reading:
        """What was entered."""
        return Reading(kind=self.kind, found=self.cleaned_data["found"], means=self.cleaned_data["means"])


class WordForm(RuleForm):
    """A status word that the declaration does not know."""

    kind = Kind.WORD
    title = "A new status word"
    help = "While klingweb does not know a word, it takes the request for running and goes on asking."
    found = forms.CharField(label="The word in the answer", max_length=60)
    means = forms.ChoiceField(label="It means that")
    meant = STATES

    def clean_found(self) -> str:
        """Refuse a word whose meaning is documented."""
        word = str(self.cleaned_data["found"])
        if state := self.provider.answers.words.get(word.lower()):
            raise forms.ValidationError(f"{word} is documented: {STATES[state]}.")
        return word


class PathForm(RuleForm):
    """Another place in the answer."""

    kind = Kind.PATH
    title = "Something stands at another place"
    help = (
        "Write places with dots, and [] for each entry of a list, such as data.outcome.pictures[].href; $ is the whole "
        "answer. It counts only where the documented place is empty, unless it lies within that."
    )
    found = forms.RegexField(
        rf"^(?:{interpretation.PATH.pattern})$",
        label="Where it stands now",
        max_length=200,
        error_messages={"invalid": "Write the names with dots between them, such as result.images[].link."},
    )
    means = forms.ChoiceField(label="Read it as if it stood at")

    def meanings(self) -> Iterable[tuple[str, str]]:
        """The documented places, and what they lie in."""
        found = {interpretation.WHOLE: "$, the whole answer"}
        for place in self.provider.answers.places:
            parts = place.split(".")
            for end in range(1, len(parts) + 1):
                outer = ".".join(parts[:end])
                found |= {each: each for each in (outer.removesuffix("[]"), outer)}
        return found.items()


class RefusalForm(RuleForm):
    """A refusal whose text or code means something else than what klingweb takes it for."""

    kind = Kind.ERROR
    title = "A refusal in other words"
    help = "Write as much of the text as belongs to this refusal alone, or its code. Capitals do not count."
    found = forms.CharField(label="The text or code in the answer", min_length=3, max_length=200)
    means = forms.ChoiceField(label="It means that")
    meant = REFUSALS


FORMS: tuple[type[RuleForm], ...] = (WordForm, PathForm, RefusalForm)


def in_words(rule: Reading) -> str:
    """What a rule says, as a sentence."""
    if rule.kind == Kind.WORD:
        return f"The status “{rule.found}” means: {STATES.get(rule.means, rule.means)}."
    if rule.kind == Kind.PATH:
        return f"What stands at {rule.found} is read as if it stood at {rule.means}."
    return f"A refusal that says “{rule.found}” means: {REFUSALS.get(rule.means, rule.means)}."
