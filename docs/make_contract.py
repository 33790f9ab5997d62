"""Print docs/contract.md, generated from the rules of `byoi check` and its last report.

    python docs/make_contract.py > docs/contract.md

The report is benchmarks/results/check.json, which `make check-all` writes: what `byoi check` found
of this project's own image. A test fails while the page differs from the output.
"""

import json
import sys
from pathlib import Path

from byoi.conformance import Rule, all_rules
from byoi.conformance.rule import Kind

REPORT = Path(__file__).parents[1] / "benchmarks" / "results" / "check.json"
_HEAD = """# SageMaker's container contract

What SageMaker requires of a container, and the results for this project's image.
`byoi check` tests these rules for any image, from outside:

```sh
byoi check IMAGE --model-data model.tar.gz --payload sample_request.json --html report.html
```

The column *needs* says what a test of the rule needs:
*any image* nothing more, *needs a payload* a request that the model answers.
*Ours only* are rules that cannot be tested from outside; each says what this
project's tests cover of it for its own image.
*The platform's* are rules that SageMaker itself enforces, so that no image can break them.
The sources are pages of the SageMaker Developer Guide (DG), of its API reference (API), and
botocore's service model (BC).

"""


def page(rules: list[Rule], report: dict[str, str], summary: str) -> str:
    """Return the page.

    Args:
        rules: In the order of the contract.
        report: What was found of our image, by the id of the rule.
        summary: The last line of that check.
    """
    parts = [_HEAD, f"Our image: {summary}.\n"]
    for group in dict.fromkeys(rule.group for rule in rules):
        parts.append(f"\n## {group}\n\n| rule | | needs | our image |\n|---|---|---|---|\n")
        for rule in rules:
            if rule.group == group:
                # Of what nobody outside can see, the page says what proves it.
                remark = f" {rule.remark}" if rule.kind is Kind.OURS else ""
                statement = f"{rule.statement}{remark} ({rule.source})".replace("|", "\\|")
                found = report.get(rule.id, "not asked for").replace("|", "\\|")
                parts.append(f"| {rule.id} | {statement} | {rule.kind.value} | {found} |\n")
    return "".join(parts)


def main() -> None:
    """Print the page."""
    content = json.loads(REPORT.read_text(encoding="utf-8"))
    report = {rule["id"]: rule["verdict"] for rule in content["rules"]}
    sys.stdout.write(page(all_rules(), report, content["summary"]))


if __name__ == "__main__":
    main()
