"""The command line as people script against it: run as a process, in a folder where nothing has been set up."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("bot", "knowledge", "routing", "escalation", "helpline")


def varde(folder: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run `python -m bot …` in an empty folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VARDE_")}
    environment |= {"PYTHONPATH": str(ROOT), "VARDE_DATA_DIR": str(folder / "var"), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        cwd=folder,
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def lines(ran: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_no_installed_distribution_owns_one_of_our_package_names() -> None:
    owners = importlib.metadata.packages_distributions()
    for package in PACKAGES:
        assert set(owners.get(package, [])) <= {"varde"}, f"{package} belongs to {owners[package]}"


def test_masking_a_text_says_where_what_was_taken_out(tmp_path: Path) -> None:
    text = "ring henne på 912 34 567 i morgen"
    [answer] = lines(varde(tmp_path, "mask", text, "--json"))
    [span] = answer["spans"]
    assert text[span["start"] : span["end"]] == "912 34 567"
    assert "912" not in answer["masked"]


def test_a_batch_answers_each_line_under_its_id(tmp_path: Path) -> None:
    batch = tmp_path / "questions.jsonl"
    batch.write_text('{"id": "a", "text": "ring 22 33 11 60"}\n\n{"id": "b", "text": "Hb 10,2"}\n', encoding="utf-8")
    answers = lines(varde(tmp_path, "mask", "--batch", str(batch), "--json"))
    assert [(answer["id"], answer["spans"]) for answer in answers] == [("a", []), ("b", [])]


def test_a_batch_is_read_from_standard_input_too(tmp_path: Path) -> None:
    [answer] = lines(varde(tmp_path, "mask", "--batch", "-", "--json", given='{"id": 1, "text": "hei"}\n'))
    assert answer["id"] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["mask"], "Give either one text or --batch FILE."),
        (["mask", "hei", "--batch", "x.jsonl"], "Give either one text or --batch FILE."),
        (["mask", "--batch", "nowhere.jsonl"], "cannot be read"),
        (["refer", "--need", "nonsense"], "Allowed:"),
        (["refer", "--at", "2026-11-22T10:00"], "zone"),
        (["refer", "--age", "old"], "age"),
        (["refer", "--at", "9999-12-31T23:59:59+00:00"], "2199"),
        (["oncall", "--at", "2026-11-22"], "has no zone"),
        (["staff", "invite", "a@example.org", "--role", "king"], "There is no role king"),
        (["staff", "invite", "no address", "--role", "editor"], "no e-mail address"),
        (["staff", "invite", "a@example.org", "--role", "editor", "--zone", "Mars"], "Europe/Oslo"),
        (["frobnicate"], "No such command"),
        (["serve", "--port", "0"], "port"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence_and_ends_with_2(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    ran = varde(tmp_path, *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert sentence in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_broken_line_of_a_batch_is_named(tmp_path: Path) -> None:
    batch = tmp_path / "b.jsonl"
    batch.write_text('{"id": 1, "text": "hei"}\n{"id": 2,\n', encoding="utf-8")
    ran = varde(tmp_path, "mask", "--batch", str(batch), "--json")
    assert ran.returncode == 2
    assert "b.jsonl:2" in ran.stderr
    assert len(lines(ran)) == 1


def test_referring_finds_the_place_and_ends_with_who_always_answers(tmp_path: Path) -> None:
    [answer] = lines(
        varde(
            tmp_path,
            *("refer", "--place", "på UNN", "--need", "housing-tonight", "--sex", "female", "--json"),
            *("--families", "--catalogue", "protection.housing.places", "--languages", "so", "--languages", "ar"),
        )
    )
    assert answer["place"]["outcome"] == "found"
    assert (answer["place"]["level"], answer["place"]["code"]) == ("kommune", "5501")
    offered = [offer["id"] for offer in answer["offered"]]
    assert offered[0] == "krisesenter-2"
    assert "rosa" in offered[-4:]
    first = answer["offered"][0]["reasons"]
    assert {each.partition(":")[0] for each in first} >= {"offers", "ask-language", "not-confirmed"}
    assert all(offer["reasons"] for offer in answer["offered"])
    assert all(drop["reasons"] for drop in answer["dropped"])


def test_asking_lists_candidates_whatever_the_outcome(tmp_path: Path) -> None:
    batch = tmp_path / "q.jsonl"
    questions = [
        {"id": 1, "text": "hun har ikke noe sted å sove i natt"},
        {"id": 2, "text": "får papperslösa gravida vård", "language": "sv"},
        {"id": 3, "text": "mannen står i døra med kniv nå og vil ta henne med"},
        {"id": 4, "text": "takk"},
    ]
    batch.write_text("\n".join(json.dumps(question) for question in questions), encoding="utf-8")
    answers = lines(varde(tmp_path, "ask", "--batch", str(batch), "--json"))
    assert [answer["id"] for answer in answers] == [1, 2, 3, 4]
    assert answers[0]["articles"][0]["id"] == "trygt-sted-i-natt"
    assert answers[1]["articles"][0]["id"].startswith("se-")
    assert (answers[2]["outcome"], answers[2]["danger"]) == ("danger", "yes")
    assert answers[3]["outcome"] == "chat"
    for answer in answers:
        assert set(answer) == {"id", "outcome", "articles", "language", "reasons", "ms", "danger"}
        assert len(answer["articles"]) <= 10
        assert all(set(candidate) == {"id", "revision", "score"} for candidate in answer["articles"])


def test_asking_over_foreign_articles(tmp_path: Path) -> None:
    articles = tmp_path / "faq.jsonl"
    rows = [
        {"id": "card", "language": "en", "title": "Lost card", "questions": ["my card is gone"], "answer": "Block it."},
        {"id": "pin", "language": "en", "title": "Change PIN", "questions": ["new pin code"], "answer": "Use the app."},
    ]
    articles.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    [answer] = lines(varde(tmp_path, "ask", "I lost my card", "--articles", str(articles), "--json"))
    assert answer["articles"][0]["id"] == "card"


def test_questions_whose_answers_are_known_are_asked_of_any_shelves(tmp_path: Path) -> None:
    articles, questions = tmp_path / "faq.jsonl", tmp_path / "questions.jsonl"
    rows = [
        {"id": "card", "language": "en", "title": "Lost card", "questions": ["my card is gone"], "answer": "Block it."},
        {"id": "pin", "language": "en", "title": "Change PIN", "questions": ["new pin code"], "answer": "Use the app."},
    ]
    articles.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    asked = [
        {"id": "1", "text": "I lost my card", "expected": ["card"], "language": "en"},
        {"id": "2", "text": "where do I change my pin", "expected": ["pin"], "language": "en"},
        {"id": "3", "text": "who won the cup", "expected": "out_of_scope", "language": "en"},
    ]
    questions.write_text("\n".join(json.dumps(row) for row in asked), encoding="utf-8")
    ran = varde(tmp_path, "evaluate", str(questions), "--articles", str(articles), "--json")
    [report] = lines(ran)
    told = report["manners"]["as written"]["all"]
    assert (told["asked"], told["answerable"], told["rank_1"]) == (3, 2, 1.0)
    shown = varde(tmp_path, "evaluate", str(questions), "--articles", str(articles))
    assert "rank 1" in shown.stdout
    assert "10 % wrong letters" in shown.stdout
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        ('{"text": "a", "expected": "perhaps"}', "question 2"),
        ('{"text": ', ":2: this line is not JSON"),
    ],
)
def test_a_bad_question_is_named_by_its_line(tmp_path: Path, second: str, sentence: str) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"text": "hei", "expected": "handover"}\n' + second, encoding="utf-8")
    ran = varde(tmp_path, "evaluate", str(questions))
    assert ran.returncode == 2
    assert sentence in ran.stderr
    assert "Traceback" not in ran.stderr


def test_nothing_is_created_by_asking(tmp_path: Path) -> None:
    for arguments in (["mask", "hei"], ["refer", "--place", "Oslo"], ["oncall"], ["check"]):
        varde(tmp_path, *arguments)
    assert not (tmp_path / "var").exists()


def test_the_operator_brings_in_takes_out_and_invites(tmp_path: Path) -> None:
    roster = tmp_path / "roster.yaml"
    assert varde(tmp_path, "migrate").returncode == 0
    invited = varde(
        tmp_path, "staff", "invite", "kari@example.org", "--role", "advisor", "--name", "Kari", "--language", "nb"
    )
    assert "/desk/invitation/" in invited.stdout
    roster.write_text(
        "rosters:\n  main:\n    zone: Europe/Oslo\n    schedule:\n      rules:\n"
        '        - {target: kari, from: "00:00", to: "00:00"}\n',
        encoding="utf-8",
    )
    assert varde(tmp_path, "import", "roster", str(roster)).returncode == 0
    [now] = lines(varde(tmp_path, "oncall", "--json"))
    assert now["on_call"][0]["people"] == ["kari"]
    out = tmp_path / "out.yaml"
    assert varde(tmp_path, "export", "roster", str(out)).returncode == 0
    assert "kari" in out.read_text(encoding="utf-8")
    again = varde(tmp_path, "staff", "invite", "kari@example.org", "--role", "advisor")
    assert again.returncode == 2
    assert "belongs to somebody" in again.stderr


def test_the_operator_takes_people_on_and_lets_them_go(tmp_path: Path) -> None:
    assert varde(tmp_path, "migrate").returncode == 0
    [made] = lines(varde(tmp_path, "staff", "invite", "eva@example.org", "--role", "editor", "--zone", "UTC", "--json"))
    assert (made["id"], made["roles"], made["codes"]) == ("eva", ["editor"], {})
    [eva] = lines(varde(tmp_path, "staff", "list", "--json"))
    assert (eva["id"], eva["ways"], eva["active"]) == ("eva", [], True)
    assert eva["invited_until"] == made["until"]
    [changed] = lines(
        varde(tmp_path, "staff", "roles", "eva@example.org", "--role", "reviewer", "--role", "editor", "--json")
    )
    assert changed["roles"] == ["editor", "reviewer"]
    [again] = lines(varde(tmp_path, "staff", "link", "eva", "--json"))
    assert "/desk/invitation/" in again["link"]
    assert again["link"] != made["link"]
    [withdrawn] = lines(varde(tmp_path, "staff", "link", "eva", "--withdraw", "--json"))
    assert withdrawn["withdrawn"] is True
    assert "works here no more" in varde(tmp_path, "staff", "deactivate", "eva").stdout
    assert lines(varde(tmp_path, "staff", "list", "--json")) == []
    [gone] = lines(varde(tmp_path, "staff", "list", "--all", "--json"))
    assert gone["active"] is False
    link = varde(tmp_path, "staff", "link", "eva")
    assert (link.returncode, link.stdout) == (2, "")
    assert "do not work here" in link.stderr
    [back] = lines(varde(tmp_path, "staff", "reactivate", "eva", "--json"))
    assert "/desk/invitation/" in back["link"]
    nobody = varde(tmp_path, "staff", "roles", "nobody", "--role", "editor")
    assert (nobody.returncode, nobody.stdout) == (2, "")
    assert "Nobody of that id or e-mail" in nobody.stderr


def test_a_content_file_with_a_fault_is_named_and_changes_nothing(tmp_path: Path) -> None:
    roster = tmp_path / "roster.yaml"
    roster.write_text("rosters:\n  main:\n    zone: Europe/Olso\n    schedule: {}\n", encoding="utf-8")
    ran = varde(tmp_path, "import", "roster", str(roster))
    assert ran.returncode == 1
    assert "roster.yaml:3" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_malformed_setting_is_named_without_its_value(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("VARDE_PORT=eighty\nVARDE_TELEGRAM_TOKEN=hunter2\n", encoding="utf-8")
    ran = varde(tmp_path, "serve")
    assert ran.returncode == 1
    assert "VARDE_PORT" in ran.stderr
    assert "hunter2" not in ran.stderr + ran.stdout
