"""Profile isolation: anonymous and known profiles never meet; a device has one anonymous profile.

| # | scenario          | request                                | result                   |
|---|-------------------|----------------------------------------|--------------------------|
| 1 | first app launch  | identify idfv 9876                     | P1, anonymous            |
| 2 | signs up, logs in | login customerid C, email E, idfv 9876 | P2, new; P1 keeps idfv   |
| 3 | logs out          | logout idfv 9876                       | P1 again                 |
| 4 | mails support     | batch, email F                         | P3, known                |
| 5 | returns           | login customerid C, email E, idfv 9876 | P2                       |
| 6 | changes email     | modify P2: email E to F                | P2 has F, P3 is orphaned |
| 7 | new device        | identify roku 8765                     | P4, anonymous            |
| 8 | logs in there     | login customerid C, email F, roku 8765 | P2 gains roku            |

A request with a login ID only ever finds profiles that have a login ID of it.
"""

from processor.identity.choosing.choice import Choice, login_missing
from processor.identity.decision import Refused
from processor.identity.lookup import Found, anonymous, anyone, logged_in
from processor.identity.model import Traits
from processor.identity.question import Question


def find(question: Question) -> Found | Refused | None:
    """Return the user; None for a new one."""
    action = question.request.action
    if question.has_login:
        return logged_in(question)
    if action == "login":
        return login_missing(question)
    return anonymous(question) if action == "logout" else anyone(question)


STRATEGY = Choice(find, keeps_anonymous=True, traits=Traits(can_alias=False))
