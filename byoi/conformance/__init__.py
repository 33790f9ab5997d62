"""A check of any image, URL or project against SageMaker's container contract.

* `check`: test rules, one after the other
* `Case`, `Given`, `Payload`: the subject of the check, and the user's options for it
* `ImageSubject`, `ProjectSubject`, `UrlSubject`: the kinds of subjects
* `Report`, `Result`, `Rule`, `Verdict`: the results
* `all_rules`, `selected`: the rules

It tests an image, a URL or processes only from outside, without knowing what is inside.
"""

from typing import TYPE_CHECKING

from byoi import _face

if TYPE_CHECKING:
    from byoi.conformance.case import Case, Given, Payload
    from byoi.conformance.checking import Report, Result, all_rules, check
    from byoi.conformance.rule import Rule, selected
    from byoi.conformance.subjects import ImageSubject, ProjectSubject, UrlSubject
    from byoi.conformance.verdict import Verdict
else:
    __getattr__, __dir__ = _face.make(
        __name__,
        {
            "Case": "case",
            "Given": "case",
            "ImageSubject": "subjects",
            "Payload": "case",
            "ProjectSubject": "subjects",
            "Report": "checking",
            "Result": "checking",
            "Rule": "rule",
            "UrlSubject": "subjects",
            "Verdict": "verdict",
            "all_rules": "checking",
            "check": "checking",
            "selected": "rule",
        },
    )

__all__ = [
    "Case",
    "Given",
    "ImageSubject",
    "Payload",
    "ProjectSubject",
    "Report",
    "Result",
    "Rule",
    "UrlSubject",
    "Verdict",
    "all_rules",
    "check",
    "selected",
]
