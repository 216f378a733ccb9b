"""What a strategy is: three answers, each pure in the question, and its traits."""

from typing import Protocol

from processor.identity.decision import Decision
from processor.identity.model import Traits
from processor.identity.question import Question


class Strategy(Protocol):
    """One way to decide who a request is about and what its profile learns.

    Those that choose one profile are a ``choosing.choice.Choice`` each; one that merges, such as
    flat matching, answers by itself. A profile is only made where the request ``may_create``. Each
    method writes to the question's view what follows from its
    decision, unless the request is ``read_only``, and raises Unread where more must be read.
    What was taken out of a request beforehand (``IdentityRequest.refused``) is no business of it.
    """

    @property
    def traits(self) -> Traits:
        """What the strategy changes of the processor besides."""
        ...

    def decide(self, question: Question) -> Decision:
        """Decide an identify, a login, a logout or a batch that carries an identifier or MPID."""
        ...

    def search(self, question: Question) -> Decision:
        """Return who matches, without a trace."""
        ...

    def modify(self, question: Question) -> Decision:
        """Change the identities of the profile that the request names."""
        ...
