"""Best match: no login IDs; the best match is the user, and profiles share identifiers.

| # | scenario                   | request                        | result                        |
|---|----------------------------|--------------------------------|-------------------------------|
| 1 | first launch               | identify idfv 9876             | P1                            |
| 2 | adds email                 | identify email E, idfv 9876    | P1 gains E                    |
| 3 | updates email              | modify P1: email E to F        | P1 has F                      |
| 4 | second person, same device | identify email G, idfv 9876    | P1 has F and G                |
| 5 | second person, new device  | identify android 8765          | P2                            |
| 6 | gives email there          | identify android 8765, email G | P1 gains android, P2 keeps it |

Login and logout do not exist, unless ``best_match_login = "as_identify"``.
"""

from processor.identity.answer import rule_broken
from processor.identity.choosing.choice import Choice
from processor.identity.decision import Refused
from processor.identity.lookup import Found, anyone
from processor.identity.model import Traits
from processor.identity.question import Question


def find(question: Question) -> Found | Refused | None:
    """Return the user; None for a new one."""
    action = question.request.action
    if action in ("login", "logout") and question.policy.best_match_login == "refuse":
        return rule_broken(f"best_match has no {action} requests, only identify and modify")
    return anyone(question)


STRATEGY = Choice(find, traits=Traits(can_alias=False, has_logins=False))
