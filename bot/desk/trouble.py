"""What is to be put right in a draft, said in the editor's language, with the field it is about.

The reader of articles and the checker write their sentences in English, for logs and the command line. Here they are
said anew by what they are; a sentence that nobody has translated yet comes as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.desk.telling import Telling
from helpline.content import ContentError
from helpline.messages import Country
from knowledge import checking
from knowledge.articles import article_of_body, wording_key
from knowledge.checking import Fault, Finding
from knowledge.problems import Problem, problems_of
from knowledge.shelves import Shelves

# What the strict reader says, and the phrase that says it to an editor.
_SAID: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), key)
    for pattern, key in (
        (r'".*" is missing\.', "missing"),
        (r"The keys? .* (?:is|are) missing.*", "missing"),
        (r'".*" is empty.*', "empty"),
        (r'".*" takes (?P<units>\d+) characters of an SMS; at most (?P<most>\d+) fit\.', "sms_long"),
        (r'".*" has signs that SMS cannot carry at full length: (?P<signs>.*)\.', "sms_signs"),
        (r'".*" has (?P<units>\d+) characters; at most (?P<most>\d+) fit\.', "long"),
        (r'"review_by" must be later than "reviewed_on"\.', "review_order"),
        (r'".*" must be a date such as .*', "date"),
        (r'".*" is no day of the calendar\.', "date"),
        (r'".*" needs at least 1 item\.', "missing"),
        (r'"questions" needs at least one wording\.', "wordings"),
        (r'"when" must name a status or an age\.', "when"),
        (r'"(?P<what>.*)" is listed twice\.', "twice"),
        (r'".*" cannot be .*', "choose"),
        (r'"kind" must be rights, safety or practical\.', "choose"),
        (r"The article is itself in .*", "own_language"),
        (r'The key "(?P<what>.*)" is unknown\..*', "unknown"),
    )
)
_FAULTS: Final = {
    Fault.FIGURE: ("figure", ("what",)),
    Fault.TRANSLATION: ("translation", ("what",)),
    Fault.LENGTH: ("segments", ("count",)),
    Fault.READING: ("reading", ("level",)),
    Fault.WORDING: ("wording", ("what", "other")),
    Fault.TWIN: ("twin", ("other", "percent")),
}


@dataclass(frozen=True)
class Trouble:
    """One thing to put right."""

    key: str  # the part of the form it belongs to; empty for the whole
    where: str  # the field, as the editor knows it
    said: str
    blocks: bool  # keeps the draft from being handed in
    missing: bool = False  # it is merely not written yet


class Inspector:
    """Looks through drafts; knows which wordings lead elsewhere already."""

    def __init__(self) -> None:
        self._shelves: Shelves | None = None
        self._wordings: dict[tuple[Country, str], str] = {}

    def look(self, body: Mapping[str, Any], shelves: Shelves, tell: Telling) -> list[Trouble]:
        """Everything to put right in what is being written: first what keeps it from being handed in."""
        problems = problems_of(body)
        found = [_from_problem(problem, tell) for problem in problems]
        if any(problem.blocks for problem in problems):
            return found
        try:
            article = article_of_body(body)
        except ContentError as error:
            return [*found, Trouble("", "", error.sentence, blocks=True)]
        findings = [*checking.check_article(article), *self._elsewhere(article, shelves)]
        return [*found, *(_from_finding(finding, tell) for finding in findings)]

    def _elsewhere(self, article: Any, shelves: Shelves) -> Iterator[Finding]:
        """Wordings that lead to another article already."""
        if self._shelves is not shelves:
            self._wordings = {
                (one.country, wording_key(wording.text)): one.id
                for one in shelves.articles
                for wording in one.questions
            }
            self._shelves = shelves
        for wording in article.questions:
            other = self._wordings.get((article.country, wording_key(wording.text)))
            if other is not None and other != article.id:
                yield Finding(article.id, "questions", Fault.WORDING, "", (wording.text, other))


def _from_problem(problem: Problem, tell: Telling) -> Trouble:
    key = problem.field.split(".")[0]
    said, missing = problem.message, False
    for pattern, phrase in _SAID:
        found = pattern.fullmatch(problem.message)
        if found:
            said, missing = tell.say(f"desk.trouble.{phrase}", **found.groupdict()), phrase in {"missing", "wordings"}
            break
    return Trouble(key, tell.field(problem.field), said, problem.blocks, missing)


def _from_finding(finding: Finding, tell: Telling) -> Trouble:
    phrase, names = _FAULTS[finding.fault]
    if phrase == "translation" and finding.sentence.startswith("This"):
        phrase = "translation_more"
    said = tell.say(f"desk.trouble.{phrase}", **dict(zip(names, finding.about, strict=False)))
    return Trouble(re.split(r"[.\[]", finding.field)[0], tell.field(finding.field), said, blocks=False)
