"""The default configuration: profile conversion with the customer ID as only login and unique ID.

| moment             | behaviour (semantics §3.1)                                            |
|--------------------|-----------------------------------------------------------------------|
| anonymous browsing | device id or cookie matches: reuse that user; else create             |
| new known user     | the anonymous profile becomes known and keeps its history             |
| login              | resolve the known user; copying anonymous history is the app's choice |
| logout             | create a new user, unless the request names a known one               |

The settings hold login and unique IDs to ``customerid``; presets give the rest.
"""

from processor.identity.lookup import Found, Question, anyone, current_anonymous, logged_in
from processor.identity.strategy import Strategy


def find(question: Question) -> Found | None:
    """Return the user; None for a new one."""
    if question.request.action == "logout":
        return logged_in(question) if question.has_login else None
    return anyone(question) or current_anonymous(question)


STRATEGY = Strategy(find)
