"""`junit.xml`: one test case per finding, and one for the run as a whole.

A violation that the scenario foretold passes; an unknown is an error, `n/a` is skipped. The test case
`run` fails whenever the run is not as expected, also where every single finding looks well (a failure
that was expected and did not come), so that the file is red exactly when the command's exit code is.
"""

from datetime import UTC
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from harness.records.verdict import Finding, Property, Verdict, Witness
from reports.run import Run
from reports.sentence import headline, is_expected_failure, plural
from reports.text import clipped, visible

_TEXT_SHOWN = 4_000
_STORIES_SHOWN = 10


def render(run: Run) -> str:
    """Return the XML document."""
    suites = Element("testsuites", name="WordAround")
    suite = SubElement(suites, "testsuite", name=_attribute(run.plan.scenario), timestamp=_began(run))
    _properties(suite, run)
    for finding in run.verdict.properties:
        _property_case(suite, run, finding)
    for kind, findings in (("coverage", run.verdict.coverage), ("lifecycle", run.verdict.lifecycle)):
        for evidence in findings:
            _finding_case(suite, run, kind, evidence)
    _run_case(suite, run)
    for element in (suite, suites):
        _count(element, run)
    indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _began(run: Run) -> str:
    return run.meta.began.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _properties(suite: Element, run: Run) -> None:
    facts = {"seed": str(run.verdict.seed), "backend": run.verdict.backend, "command": run.meta.command}
    properties = SubElement(suite, "properties")
    for name, value in facts.items():
        SubElement(properties, "property", name=name, value=_attribute(value))


def _property_case(suite: Element, run: Run, finding: Property) -> None:
    case = _case(suite, run, "property", finding.name)
    if is_expected_failure(run.plan, run.verdict, finding):
        SubElement(case, "system-out").text = _body(f"violated, as the scenario expects\n{_stories(finding)}")
    elif finding.verdict is Verdict.FAIL:
        message = f"{plural(finding.violations, 'violation')} of: {finding.sentence}"
        _outcome(case, "failure", finding.name, message, _stories(finding))
    else:
        _doubt(case, finding.verdict, finding.name, finding.reason)


def _finding_case(suite: Element, run: Run, kind: str, finding: Finding) -> None:
    case = _case(suite, run, kind, finding.name)
    if finding.verdict is Verdict.FAIL:
        _outcome(case, "failure", kind, finding.evidence, finding.evidence)
    else:
        _doubt(case, finding.verdict, kind, finding.evidence)


def _run_case(suite: Element, run: Run) -> None:
    case = _case(suite, run, "run", "as expected")
    said = headline(run).sentence
    if run.verdict.verdict is Verdict.UNKNOWN:
        _outcome(case, "error", "unknown", said, "\n".join(run.verdict.unexpected) or said)
    elif not run.verdict.as_expected:
        _outcome(case, "failure", "unexpected", said, "\n".join(run.verdict.unexpected) or said)
    else:
        SubElement(case, "system-out").text = _body(said)


def _case(suite: Element, run: Run, kind: str, name: str) -> Element:
    classname = _attribute(f"{run.plan.scenario}.{kind}")
    return SubElement(suite, "testcase", classname=classname, name=_attribute(name), time="0")


def _doubt(case: Element, verdict: Verdict, kind: str, reason: str) -> None:
    if verdict is Verdict.UNKNOWN:
        _outcome(case, "error", kind, reason or "unknown", reason)
    elif verdict is Verdict.NOT_APPLICABLE:
        SubElement(case, "skipped", message=_attribute(reason or "not applicable"))


def _outcome(case: Element, element: str, kind: str, message: str, text: str) -> None:
    outcome = SubElement(case, element, type=_attribute(kind), message=_attribute(message))
    outcome.text = _body(text)


def _stories(finding: Property) -> str:
    told = [_story(witness) for witness in finding.witnesses[:_STORIES_SHOWN]]
    more = finding.violations - len(told)
    return "\n".join(told + ([f"and {plural(more, 'more violation')}"] if told and more > 0 else []))


def _story(witness: Witness) -> str:
    return "\n".join([witness.story, *(f"    {operation}" for operation in witness.operations)])


def _count(element: Element, run: Run) -> None:
    for name, tag in (
        ("tests", "testcase"),
        ("failures", "failure"),
        ("errors", "error"),
        ("skipped", "skipped"),
    ):
        element.set(name, str(sum(1 for _ in element.iter(tag))))
    element.set("time", f"{run.duration_s or 0:.3f}")


def _body(text: str) -> str:
    return visible(clipped(text, _TEXT_SHOWN * 4))


def _attribute(text: str) -> str:
    return visible(clipped(text, _TEXT_SHOWN))
