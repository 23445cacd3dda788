"""Finding addresses on the net: e-mail, links to somebody's own page, user names.

Pages of authorities, of the Nordic press and of organisations are about nobody in particular, and stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from helpline.masking_view import Find, Kind, words_of

_AT = re.compile(
    r"@|[(\[]\s?(?:at|a|alfakrøll|krøllalfa|snabel-?a|snabela)\s?[)\]]|(?<=\w) (?:krøllalfa|alfakrøll|"
    r"snabel-?a) (?=\w)",
    re.IGNORECASE,
)
_LOCAL = re.compile(r"[\w.+%\-]{1,64}(?: ?)\Z")
_DOMAIN = re.compile(r" {0,2}[\w\-]{1,63}(?:(?: ?\. ?| (?:punktum|punkt|dot) )[\w\-]{2,63}){1,6}", re.IGNORECASE)
_ENDINGS = frozenset(
    words_of(
        "com no se net org info biz eu dk fi is de uk fr es it nl be at ch pl ro bg lt lv ee ua ru by md al mk rs "
        "ba hr hu cz sk gr tr vn th ph ng gh et er so ke ma tn eg ly sy iq ir af pk in cn me io co gov edu int "
        "mil online app live pro xyz site email mail"
    )
)

# Whoever reads these is on duty, not a person; they stand where the house is public.
_OFFICES = frozenset(
    words_of(
        "post postmottak kontakt contact info menneskehandel kom.pod kom registrator support hjelp help tips "
        "redaksjonen sikkerpost advisor"
    )
)

_URL = re.compile(
    r"(?:https?://|www\.)[^\s<>\"»”\ue000]{2,2000}|"
    r"(?<![\w@.])(?:[\w\-]{1,63}\.){1,5}[a-z]{2,10}/[^\s<>\"»”\ue000]{1,2000}",
    re.IGNORECASE,
)
_PROFILE_HOSTS = frozenset(
    words_of(
        "facebook.com fb.com fb.me m.me messenger.com instagram.com instagr.am snapchat.com tiktok.com vk.com "
        "vk.ru ok.ru onlyfans.com fansly.com t.me telegram.me wa.me whatsapp.com x.com twitter.com linkedin.com "
        "youtube.com youtu.be reddit.com discord.gg discord.com tinder.com badoo.com threads.net pinterest.com "
        "tumblr.com kik.me viber.com line.me zalo.me weibo.com linktr.ee"
    )
)
# Whose pages are about law and help, never about one person: these may stand.
_PUBLIC_HOSTS = re.compile(
    r"(?:\A|\.)(?:lovdata\.no|helsedirektoratet\.no|helsenorge\.no|helsetilsynet\.no|udi\.no|une\.no|"
    r"politiet\.no|nav\.no|bufdir\.no|bufetat\.no|"
    r"regjeringen\.no|fhi\.no|legemiddelhandboka\.no|felleskatalogen\.no|rosa-help\.no|"
    r"menneskertilsalgs\.no|dinutvei\.no|krisesenter\.com|rvts\w*\.no|"
    r"statsforvalteren\.no|domstol\.no|siv\.no|stortinget\.no|nkvts\.no|1177\.se|socialstyrelsen\.se|"
    r"migrationsverket\.se|polisen\.se|aklagare\.se|"
    r"jamstalldhetsmyndigheten\.se|nmtsverige\.se|manniskohandel\.se|riksdagen\.se|lagen\.nu|"
    r"regeringen\.se|folkhalsomyndigheten\.se|forsakringskassan\.se|skatteverket\.se|"
    r"kvinnofridslinjen\.se|rfsl\.se|nsp\w*\.se|who\.int|iom\.int|coe\.int|unodc\.org|ohchr\.org|"
    r"europa\.eu|ecpat\.\w+|[\w\-]+\.kommune\.no|"
    r"[\w\-]+\.gov(?:\.\w+)?)\Z",
    re.IGNORECASE,
)
# Pages of the press, of municipalities and organisations stand, unless the address says that it is somebody's own.
_COMMON_ENDINGS = re.compile(r"\.(?:no|se|nu|dk|fi|org|eu|int|edu|gov|mil)\Z", re.IGNORECASE)
_OWN_PAGE = re.compile(
    r"profil|user|member|medlem|esc?k?ort|annonse|annons|/ads?/|massa[gs]|sugar|dating|/@|[?&]id=|/~|"
    r"erotic|erotik|sex(?:dating|kontakt|annons)",
    re.IGNORECASE,
)
_HANDLE = re.compile(r"(?<![\w@.])@[A-Za-z_][\w.]{1,28}\w")
_USER_NAME = re.compile(
    r"\b(?:snapchat|snap|instagram|insta|ig|tiktok|telegram|facebook|face|fb|kik|wickr|viber|zalo|"
    r"onlyfans|brukernavn(?:et)?|brukarnamn(?:et)?|användarnamn(?:et)?|"
    r"username|user name|profil(?:en|navn|navnet|namn|namnet)?)"
    r"(?P<cue>\s?[:=]\s?|\s(?:er|är|is|heter|heiter|named|called|name)\s|\s)[\"«“]?(?P<name>\w(?:[\w.\-]{1,28})\w)",
    re.IGNORECASE,
)


def find_emails(text: str) -> Iterator[Find]:
    """E-mail addresses, also with spaces around their signs and with the @ in words."""
    reached = 0
    for at in _AT.finditer(text):
        before = _LOCAL.search(text, max(reached, at.start() - 65), at.start())
        after = _DOMAIN.match(text, at.end())
        if before is None or after is None:
            continue
        end = _end_of_domain(text, after.start(), after.end())
        if end is None:
            continue
        start = before.start()
        while start < at.start() and text[start] in ".-+%":
            start += 1
        if start >= at.start() or (text[at.start() - 1] == " " and text[at.end()] != " "):
            continue  # nothing before the sign, or a user name that begins with it
        reached = end
        office = text[start : at.start()].strip().lower() in _OFFICES
        if not (office and _PUBLIC_HOSTS.search(text[at.end() : end].strip().lower())):
            yield Find(start, end, Kind.EMAIL)


def _end_of_domain(text: str, start: int, end: int) -> int | None:
    """Where the domain ends: after the last part that was not set off by a space, or that is an ending in use."""
    best: int | None = None
    for part in re.finditer(
        r"(?P<gap> ?\. ?| (?:punktum|punkt|dot) )(?P<word>[\w\-]+)", text[start:end], re.IGNORECASE
    ):
        spaced = " " in part["gap"]
        if spaced and part["word"] not in _ENDINGS:
            break
        if not spaced or part["word"] in _ENDINGS:
            best = start + part.end()
    while best is not None and text[best - 1] in "-_":
        best -= 1
    return best


def find_links(text: str) -> Iterator[Find]:
    """Links to profiles and advertisements, and user names."""
    for start, end, keep in _links(text):
        if not keep:
            yield Find(start, end, Kind.LINK)
    for handle in _HANDLE.finditer(text):
        yield Find(handle.start(), handle.end(), Kind.LINK)
    for user in _USER_NAME.finditer(text):
        name = user["name"]
        marked = any(sign.isdigit() or sign in "_." for sign in name)
        if marked and not name.replace(".", "").replace(",", "").isdigit() and any(sign.isalpha() for sign in name):
            yield Find(user.start("name"), user.end("name"), Kind.LINK)


def public_links(text: str) -> Iterator[tuple[int, int]]:
    """Where links stand that may stay, digits and all."""
    return ((start, end) for start, end, keep in _links(text) if keep)


def _links(text: str) -> Iterator[tuple[int, int, bool]]:
    """Every link with its place, and whether it may stay."""
    for link in _URL.finditer(text):
        end = link.end()
        while end > link.start() and text[end - 1] in ".,;:!?)]}'":
            end -= 1
        address = re.sub(r"\Ahttps?://", "", text[link.start() : end], flags=re.IGNORECASE)
        host, _, path = address.partition("/")
        host = re.sub(r"\A[^@]*@|:\d+\Z", "", host).lower()
        if "." not in host:
            continue
        profile = any(host == known or host.endswith("." + known) for known in _PROFILE_HOSTS)
        public = (
            _PUBLIC_HOSTS.search(host)
            or (_COMMON_ENDINGS.search(host) and not _OWN_PAGE.search(address))
            or not path.strip("/")
        )
        yield link.start(), end, not profile and bool(public)
