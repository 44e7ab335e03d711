"""Why a provider did not do what it was asked. The class of an error is its policy; its text is for people.

`sentence` says what happened and what to do. `details` holds the provider's own words. `code` is its own code.
"""


class ProviderError(Exception):
    """Anything that a provider answered instead of what it was asked for.

    Policy, by class: `pauses_credential` stops sending with this key until an admin resumes it; `waits` puts the
    request back into the queue without spending an attempt; `fate_known` tells that nothing was made and paid.
    """

    pauses_credential = False
    waits = False
    fate_known = True
    default_sentence = "The provider refused the request."

    def __init__(
        self,
        sentence: str = "",
        *,
        code: str = "",
        details: str = "",
        retry_after: float | None = None,
        field: str = "",
    ) -> None:
        super().__init__(sentence or self.default_sentence)
        self.code = code
        self.details = details
        self.retry_after = retry_after
        self.field = field

    @property
    def sentence(self) -> str:
        """What happened and what to do, for people."""
        return str(self)


class Refused(ProviderError):
    """The request itself is wrong. Sending it again gives the same answer."""

    default_sentence = "The provider refused these settings. Change them and try again. Nothing was charged."


class Moderated(Refused):
    """The provider's content rules refuse the prompt or a picture."""

    default_sentence = (
        "The content rules of the provider refused this. Change the prompt and try again. Nothing was charged."
    )


class ModelUnavailable(Refused):
    """This account may not use the model, or the provider no longer has it."""

    default_sentence = "This key cannot use that model. Choose another model. Nothing was charged."


class ReferenceUnknown(Refused):
    """The provider does not have a reference image that was uploaded before. It may be uploaded anew, once."""

    default_sentence = "The provider could not find a reference picture. Choose it again. Nothing was charged."


class NotFound(ProviderError):
    """The provider does not know the request that was asked about."""

    default_sentence = "The provider does not know this request."


class Busy(ProviderError):
    """No capacity just now. `retry_after` is the provider's advice in seconds, where it gives one."""

    waits = True
    default_sentence = "The provider is busy. The request waits for a free slot and is sent by itself."


class AccountTrouble(ProviderError):
    """The account cannot send anything until an admin has mended it."""

    waits = True
    pauses_credential = True
    default_sentence = "The provider refused the key. An admin has to look at the credential."


class AccountOut(AccountTrouble):
    """One of the accounts behind the credential cannot send; the others can."""

    default_sentence = "One of the provider's accounts cannot be used. An admin has to look at it."


class OutOfCredit(AccountTrouble):
    """The account has no money left."""

    default_sentence = "The account has run out of credit. An admin has to top it up and resume the credential."


class Unavailable(ProviderError):
    """The provider is out of order. On a look-up this means "not yet"; on a paid request nobody knows what happened."""

    fate_known = False
    default_sentence = "The provider is out of order at the moment."


class Unreadable(Unavailable):
    """The answer is in no form that this provider is known to use."""

    default_sentence = "The provider answered in a form that klingweb does not understand. The answer is kept."
