"""Profile conversion: an anonymous profile becomes the known one, with the same MPID.

| # | scenario          | request                                | result                      |
|---|-------------------|----------------------------------------|-----------------------------|
| 1 | first app launch  | identify idfv 9876                     | P1, anonymous               |
| 2 | signs up, logs in | login customerid C, email E, idfv 9876 | P1 becomes known            |
| 3 | logs out          | logout idfv 9876                       | P2, new, though P1 has idfv |
| 4 | mails support     | batch, email F                         | P3                          |
| 5 | logs in again     | login customerid C, email E, idfv 9876 | P1 unchanged                |
| 6 | changes email     | modify P1: email E to F                | P1 has F, P3 is orphaned    |
| 7 | installs Roku app | identify roku 8765                     | P4                          |
| 8 | logs in there     | login customerid C, email F, roku 8765 | P1 gains roku, P4 stays     |

Where nothing matches, the caller's current user is converted if it is anonymous.
"""

from processor.identity.choosing.choice import Choice
from processor.identity.lookup import Found, anyone, current_anonymous, logged_in
from processor.identity.question import Question


def find(question: Question) -> Found | None:
    """Return the user; None for a new one."""
    if question.request.action == "logout":
        return logged_in(question) if question.has_login else None
    return anyone(question) or current_anonymous(question)


STRATEGY = Choice(find)
