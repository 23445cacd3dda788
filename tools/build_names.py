"""Make the name lists in `content/names/` anew from packages that were fetched by hand.

Run by an editor, never by the line itself: `python -m tools.build_names SOURCES`, where SOURCES is a folder that holds
the unpacked packages named in `content/names/README.md`, one folder each. What was decided by hand (`always.txt`,
`never.txt`, `kept.txt`) is read and left alone.
"""

from __future__ import annotations

import collections
import gzip
import importlib
import json
import pickle
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from helpline.masking_view import fold, words_of

NAMES = Path(__file__).resolve().parent.parent / "content" / "names"

# Biographies of these count only where the name is frequent: their rare surnames are mostly words and towns.
FAR = frozenset(
    words_of(
        "American English British German French Australian Canadian Italian Japanese Dutch Irish Austrian "
        "Argentine Mexican Belgian Welsh Israeli Portuguese Chilean Uruguayan Taiwanese Singaporean Bermudian "
        "Barbadian Korean"
    )
)
FAKER_LOCALES = words_of(
    "ar_DZ az_AZ bg_BG cs_CZ da_DK de_DE en_GB en_IN en_KE en_NG en_PK en_TH es_CO es_ES et_EE fi_FI fr_DZ "
    "fr_FR ha_NG hr_HR hu_HU id_ID ig_NG is_IS it_IT lt_LT lv_LV nl_NL no_NO pl_PL pt_BR pt_PT ro_RO ru_RU "
    "sk_SK sl_SI sv_SE sw tr_TR tw_GH uk_UA uz_UZ vi_VN yo_NG"
)
FAKER_JS_LOCALES = words_of(
    "nb_NO sv da fi vi pl ro ro_MD tr hr sr_RS_latin lv id_ID es pt_PT en_NG en_GH en_IN en_ZA zu_ZA af_ZA "
    "yo_NG fr_SN cs_CZ sk sl_SI hu ku_kmr_latin uz_UZ_latin uk"
)
PARTICLES = frozenset(
    words_of("al el ibn bin bint abu von van der den de da di del dos das la le du af av ter ten st san y e")
)


def parts(name: str) -> Iterable[str]:
    """The single names in a written name, folded; what is no name or too short to be told from a word is left out."""
    for part in re.split(r"[\s'’.\-]+", name):
        written = fold(part)
        if re.fullmatch(r"[a-z]{2,20}", written) and written not in PARTICLES:
            yield written


class _NoClasses(pickle.Unpickler):
    """Reads plain lists and words, and refuses a pickle that names code."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"{module_name}.{global_name} does not belong in a list of names")


def from_faker(sources: Path) -> tuple[set[str], set[str]]:
    sys.path.insert(0, str(sources / "faker"))
    given, family = set[str](), set[str]()
    for locale in FAKER_LOCALES:
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for attribute in dir(provider):
            values = getattr(provider, attribute)
            if isinstance(values, tuple | list | set | dict) and not attribute.startswith("_"):
                into = (
                    given
                    if attribute.startswith("first_name")
                    else family
                    if attribute.startswith("last_name")
                    else None
                )
                if into is not None:
                    into.update(part for value in values if isinstance(value, str) for part in parts(value))
    return given, family


def from_faker_js(lists: dict[str, dict[str, list[str]]]) -> tuple[set[str], set[str]]:
    """The names of a locale, from the JSON that Node wrote of the package's lists; see the README."""
    given, family = set[str](), set[str]()
    for locale in FAKER_JS_LOCALES:
        given.update(part for name in lists[locale]["first_name"] for part in parts(name))
        family.update(part for name in lists[locale]["last_name"] for part in parts(name))
    return given, family


def from_habesha(sources: Path) -> set[str]:
    entries = json.loads((sources / "habesha_names" / "habesha_names" / "data" / "given_names.json").read_text())[
        "entries"
    ]
    return {part for entry in entries for name in (entry["canonical"], *entry["variants"]) for part in parts(name)}


def from_morphex(sources: Path) -> set[str]:
    lines = (sources / "morphex" / "morphex" / "data" / "lexicon.tsv").read_text().splitlines()
    return {part for line in lines if not line.startswith("#") for part in parts(line.split("\t")[0])}


Counts = collections.Counter[str]


def from_biographies(sources: Path) -> tuple[Counts, Counts, Counts, Counts]:
    """How often a word opens or closes a biography's title: near given, near family, far given, far family."""
    with (sources / "name2nat" / "name2nat" / "name2nats.pkl").open("rb") as file:
        people = _NoClasses(file).load()
    counts: tuple[Counts, Counts, Counts, Counts] = (Counts(), Counts(), Counts(), Counts())
    for title, peoples in people.items():
        words = re.sub(r"\(.*?\)|,.*", "", title).split()
        if len(words) < 2:
            continue
        far = 2 if all(people_of in FAR for people_of in peoples) else 0
        counts[far].update(set(parts(words[0])))
        counts[far + 1].update(set(parts(words[-1])))
    return counts


def ordinary(sources: Path) -> dict[str, int]:
    """Words that a dictionary writes in lower case and that people use; the smaller the number, the more usual."""
    sys.path.insert(0, str(sources / "msgpack"))
    msgpack = importlib.import_module("msgpack")
    found: dict[str, int] = {}
    for language, files in {
        "nb": ("bokmaal", "nynorsk"),
        "sv": ("swedish",),
        "en": ("american-english", "british-english"),
    }.items():
        known = set[str]()
        for name in files:
            encoding = "utf-8" if language == "en" else "latin-1"
            known.update((sources / "dict" / name).read_text(encoding=encoding).split())
        with gzip.open(sources / "wordfreq" / "wordfreq" / "data" / f"large_{language}.msgpack.gz") as packed:
            listed = msgpack.load(packed, raw=False)[1:]
        for centibels, words in enumerate(listed):
            for word in words:
                if word in known and len(word) > 1 and word.isalpha():
                    found[word] = min(found.get(word, 999), centibels)
    return found


def from_articles() -> set[str]:
    """The words of the shipped articles that are written in lower case: nobody is named there, nynorsk is served."""
    texts = (path.read_text() for path in (NAMES.parent / "articles").rglob("*.yaml"))
    return {
        word
        for text in texts
        for word in re.findall(r"[^\W\d_]{3,30}", text)
        if word == word.lower() and word.isalpha()
    }


def by_hand(name: str) -> set[str]:
    """A list that people keep: words, and lines that begin with # to say why."""
    lines = (NAMES / name).read_text().splitlines()
    return {fold(word) for line in lines if not line.startswith("#") for word in line.split()}


def write(name: str, head: str, words: Iterable[str]) -> None:
    body = "\n".join(sorted(set(words)))
    (NAMES / name).write_text("".join(f"# {line}\n" for line in head.splitlines()) + body + "\n")


def main(sources: Path) -> None:
    faker_given, faker_family = from_faker(sources)
    lists = json.loads((sources / "faker-js.json").read_text())
    js_given, js_family = from_faker_js(lists)
    near_given, near_family, far_given, far_family = from_biographies(sources)
    always, never = by_hand("always.txt"), by_hand("never.txt")
    given = faker_given | js_given | from_habesha(sources) | from_morphex(sources)
    given |= {name for name, times in near_given.items() if times >= 2 and len(name) > 2}
    given |= {name for name, times in far_given.items() if times >= 6 and len(name) > 2}
    family = faker_family | js_family
    family |= {name for name, times in near_family.items() if times >= 3 and len(name) > 2}
    family |= {name for name, times in far_family.items() if times >= 12 and len(name) > 3}
    rare = {name for name in near_given if len(name) > 3} | {
        n for n, times in near_family.items() if times == 2 and len(n) > 3
    }
    given, family, rare = ((names | always if names is given else names) - never for names in (given, family, rare))

    usual = ordinary(sources)
    # A name of two letters, or one that is also a word in use, needs a person beside it before it is taken for one.
    ambiguous = {
        name for name in given | family if (usual.get(name, 999) <= 640 or len(name) == 2) and name not in always
    }
    rare -= given | family
    rare -= {name for name in rare if usual.get(name, 999) <= 700}
    words = {word for word, centibels in usual.items() if centibels <= 610} | from_articles()

    home = {part for locale in ("nb_NO", "sv") for name in lists[locale]["first_name"] for part in parts(name)}
    frequent = {
        name
        for name in given - ambiguous
        if near_given[name] >= 25 or far_given[name] >= 80 or name in home or name in always
    }

    write(
        "frequent.txt",
        "The given names that are taken for one in lower case too. Made by tools/build_names.py; sources in README.md.",
        frequent,
    )
    write(
        "given.txt",
        "Given names, folded to plain letters. Made by tools/build_names.py; sources in README.md.",
        given - ambiguous,
    )
    write(
        "family.txt",
        "Family names, folded to plain letters. Made by tools/build_names.py; sources in README.md.",
        family - ambiguous - given,
    )
    placed = {name: ("g" if name in given else "") + ("f" if name in family else "") for name in ambiguous}
    write(
        "ambiguous.txt",
        "Names that are also everyday words; g: a given name, f: a family name. Made by "
        "tools/build_names.py; sources in README.md.",
        (f"{name} {place}" for name, place in placed.items()),
    )
    write(
        "rare.txt",
        "Names seen once or twice: taken for a name only beside another. Made by tools/build_names.py; "
        "sources in README.md.",
        rare,
    )
    write(
        "words.txt",
        "Everyday words in bokmål, nynorsk, Swedish and English. From wordfreq 3.1.1 by Robyn Speer, CC "
        "BY-SA 4.0: this file keeps that licence.\n"
        "Made by tools/build_names.py; how it was cut down is in README.md.",
        words,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
