"""The ladder file: read strictly, refused without a last resort, and the shipped one is sound."""

from __future__ import annotations

from datetime import timedelta

import pytest

from escalation.policy import Policy, policy_remarks, read_policy
from escalation.standing import FOR_EVER, Urgency
from helpline.content import ContentError, content_folder, load_yaml, read_yaml

DEADLINES = "{first_reply_minutes: 3, reply_minutes: 8, grace_minutes: 2, quiet_minutes: 120, handover_minutes: 5}"
LADDER = f"{{steps: [{{targets: [asha], wait_minutes: 3}}], repeat: 0, deadlines: {DEADLINES}}}"
WHOLE = f"""
last_resort: {{targets: ["role:coordinator"], retry_minutes: 10}}
ladders:
  urgent: {LADDER}
  routine: {LADDER}
personal:
  urgent: {{telegram: 0, sms: 1}}
  routine: {{telegram: 0}}
"""


def read(text: str) -> Policy:
    return read_policy(read_yaml(text, file="ladder.yaml"))


def test_a_whole_policy_is_read() -> None:
    policy = read(WHOLE)
    assert policy.ladders[Urgency.URGENT].steps[0].wait == timedelta(minutes=3)
    assert policy.ladders[Urgency.ROUTINE].last_resort == ("role:coordinator",)
    assert policy.personal[Urgency.URGENT] == {"telegram": timedelta(0), "sms": timedelta(minutes=1)}
    assert policy.targets() == {"asha", "role:coordinator"}
    assert not policy.starter


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('last_resort: {targets: ["role:coordinator"], retry_minutes: 10}', "", 'The key "last_resort" is missing'),
        ('targets: ["role:coordinator"]', "targets: []", "needs at least 1 item"),
        ("retry_minutes: 10", "retry_minutes: 0", "must be at least 1"),
        ("wait_minutes: 3", "wait_minutes: soon", "must be a number"),
        ("wait_minutes: 3", "wait: 3", 'The key "wait" is unknown'),
        ("targets: [asha]", "targets: []", "needs at least 1 item"),
        ("targets: [asha]", "targets: ['team:asha']", '"roster:NAME" or "role:NAME"'),
        ("targets: [asha]", "targets: [asha, asha]", "listed twice"),
        ("steps: [{targets: [asha], wait_minutes: 3}]", "steps: []", "needs at least 1 item"),
        ("routine: {telegram: 0}", "routine: {}", "At least one channel"),
        ("routine: {telegram: 0}", "routine: {pager: 0}", 'The key "pager" is unknown'),
        ("repeat: 0", "repeat: -2", "must be at least -1"),
        ("grace_minutes: 2, ", "", 'The key "grace_minutes" is missing'),
    ],
)
def test_wrong_policy_is_refused_with_file_and_line(old: str, new: str, sentence: str) -> None:
    assert old in WHOLE
    with pytest.raises(ContentError) as refusal:
        read(WHOLE.replace(old, new, 1))
    assert sentence in str(refusal.value)
    assert str(refusal.value).startswith("ladder.yaml:")


def test_shipped_ladder_is_sound_and_marked_as_a_starter() -> None:
    policy = read_policy(load_yaml(content_folder() / "ladder.yaml"))
    assert policy.starter
    assert list(policy_remarks(policy, rosters={"main"}, roles={"advisor", "coordinator"}, staff=())) == []
    for urgency, ladder in policy.ladders.items():
        promise = ladder.time_left(0, 0)
        assert promise <= timedelta(minutes=10 if urgency is Urgency.URGENT else 30)


def test_what_does_not_fit_the_house_is_said() -> None:
    policy = read(WHOLE.replace("repeat: 0", f"repeat: {FOR_EVER}", 1).replace("sms: 1", "sms: 9"))
    assert list(policy_remarks(policy, rosters=(), roles=(), staff=())) == [
        'The ladder calls "asha", who does not work here.',
        'The ladder calls the role "coordinator", which does not exist.',
        "The urgent ladder goes round for ever: the last resort is called only when nobody is on duty.",
        "On the urgent ladder nobody is called by sms before their step is over.",
    ]
