"""Likeness: which of several kinds of example a text is most like, and how sure that is.

What is compared: the letters and neighbouring words of a text (as the urgency rules spell them), the meaning of its
words (static vectors), and signs that somebody else read out of it (families of words, frames). The three make one
kernel; over it a ridge regression is solved for each kind that is asked for, in one step and without chance, so that
the same examples always give the same answer. Letters and signs fold into one row of weights, so that only the vectors
are held against every example when a text is judged.

Examples come in groups, one for each kind of situation. How a text would be judged if no example of its situation had
been known is worked out too (all situations but a sixth, six times); from those judgements the score becomes a
probability. It is therefore honest about situations that nobody wrote down.
"""

from __future__ import annotations

import itertools
import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from knowledge.confidence import Curve, fit_curve

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

FORMAT = 1
_WIDTH = 1 << 15  # rows that the grams are folded into
_SIGN_WIDTH = 1 << 11
_GRAMS = (3, 4, 5)
_MEANING_SHARPNESS = 3.0  # of the vectors' part: how much nearer counts for more
_SIGN_WEIGHT = 0.3
_RIDGE = 0.5
_FOLDS = 6
_MOST_STEPS = 120
_FEW = Curve((4.0, 0.0), 0.0)  # what a score means where there are too few examples to tell
_NEAR_ENOUGH = 1e-3  # what is left over, as a share of what was asked for
_LONGEST_WORD = 24  # letters
_MOST_WORDS = 160  # of one text
_MANY = 60  # texts that hold a gram; from there on a table is quicker than a list


@dataclass(frozen=True)
class Look:
    """A text as the index sees it: its words as the rules spell them, its vector, and its signs."""

    words: tuple[str, ...]
    vector: Floats
    signs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """An example: its text, and the group and kind that it belongs to."""

    id: str
    kind: str
    group: str
    text: str


@dataclass(frozen=True)
class Likeness:
    """Examples made ready to be compared with. Never changed."""

    samples: tuple[Sample, ...]
    targets: tuple[str, ...]  # what is asked for, in the order of the columns
    _gram_weights: Floats  # [_WIDTH, targets]
    _gram_rarity: Floats
    _sign_weights: Floats
    _sign_rarity: Floats
    _vectors: Floats  # [samples, size]
    _pull: Floats  # [samples, targets]: how much each example says
    _bias: Floats
    curves: tuple[Curve, ...]
    digest: str = ""

    @classmethod
    def fit(
        cls,
        samples: Sequence[Sample],
        looks: Sequence[Look],
        targets: Mapping[str, frozenset[str]],
        *,
        digest: str = "",
    ) -> Likeness:
        """Learn from examples; `targets` says which kinds are meant by each name."""
        return learn(samples, looks, targets, digest=digest)[0]

    def judge(self, look: Look) -> dict[str, float]:
        """How likely the text is what each target asks for."""
        scores = self.scores(look)
        measure = _measure(scores, len(look.words))
        pairs = zip(self.targets, self.curves, strict=True)
        return {name: curve.at(measure[place]) for place, (name, curve) in enumerate(pairs)}

    def scores(self, look: Look) -> Doubles:
        """The bare scores, one for each target; above nought is rather yes."""
        total = self._bias.astype(np.float64)
        places, weights = _weighed(gram_places(look.words), self._gram_rarity)
        total = total + weights @ self._gram_weights[places]
        places, weights = _weighed(_sign_places(look.signs), self._sign_rarity)
        total = total + np.float32(_SIGN_WEIGHT) * (weights @ self._sign_weights[places])
        near = np.exp(np.float32(_MEANING_SHARPNESS) * (self._cosines(look) - np.float32(1)))
        return np.asarray(total + near @ self._pull, dtype=np.float64)

    def _cosines(self, look: Look) -> Floats:
        # Not by @: that wakes every core for a product this small, and waits for them where others work too.
        return np.asarray(np.vecdot(self._vectors, look.vector), dtype=np.float32)

    def nearest(self, look: Look, kind: str) -> Sample | None:
        """The example of this kind that is most like the text."""
        cosines = self._cosines(look)
        order = np.argsort(-cosines, kind="stable")
        best, best_share = None, -1.0
        own = frozenset(look.words)
        considered = 0
        for place in order:
            sample = self.samples[int(place)]
            if sample.kind != kind:
                continue
            others = frozenset(sample.text.lower().split())
            share = len(own & others) / (len(own | others) or 1) + float(cosines[place])
            if share > best_share:
                best, best_share = sample, share
            considered += 1
            if considered == 12:
                break
        return best

    def save(self, path: Path) -> None:
        """Keep what was learnt; the file appears whole or not at all."""
        about = {
            "format": FORMAT,
            "digest": self.digest,
            "targets": self.targets,
            "curves": [{"weights": curve.weights, "bias": curve.bias} for curve in self.curves],
            "samples": [[sample.id, sample.kind, sample.group, sample.text] for sample in self.samples],
        }
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", delete=False) as file:
            fresh = Path(file.name)
            try:
                np.savez(
                    file,
                    allow_pickle=False,
                    about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
                    **{name: getattr(self, f"_{name}") for name in _ARRAYS},
                )
                file.close()
                fresh.replace(path)
            except OSError:
                fresh.unlink(missing_ok=True)
                raise

    @classmethod
    def is_kept(cls, path: Path, *, digest: str) -> bool:
        """Whether the file holds what was learnt from these examples."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                about = json.loads(file["about"].tobytes())
                return bool(about["format"] == FORMAT and about["digest"] == digest)
        except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
            return False

    @classmethod
    def load(cls, path: Path, *, digest: str) -> Likeness | None:
        """Read it back; None where there is none, it is damaged, or it was learnt from other examples."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                about = json.loads(file["about"].tobytes())
                if about["format"] != FORMAT or about["digest"] != digest:
                    return None
                return cls(
                    samples=tuple(Sample(*parts) for parts in about["samples"]),
                    targets=tuple(about["targets"]),
                    curves=tuple(Curve(tuple(each["weights"]), each["bias"]) for each in about["curves"]),
                    digest=digest,
                    **{f"_{name}": file[name] for name in _ARRAYS},
                )
        except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
            return None


_ARRAYS = ("gram_weights", "gram_rarity", "sign_weights", "sign_rarity", "vectors", "pull", "bias")


def learn(
    samples: Sequence[Sample],
    looks: Sequence[Look],
    targets: Mapping[str, frozenset[str]],
    *,
    digest: str = "",
) -> tuple[Likeness, Doubles]:
    """Learn, and also tell how each example was judged with its own group held out, one column for each target."""
    grams = [gram_places(look.words) for look in looks]
    signs = [_sign_places(look.signs) for look in looks]
    gram_rarity, sign_rarity = _rarity(grams, _WIDTH), _rarity(signs, _SIGN_WIDTH)
    gram_rows = [_weighed(places, gram_rarity) for places in grams]
    sign_rows = [_weighed(places, sign_rarity) for places in signs]
    vectors = np.stack([look.vector for look in looks]).astype(np.float32)
    kernel = _products(gram_rows, _WIDTH)
    kernel += np.float32(_SIGN_WEIGHT) * _products(sign_rows, _SIGN_WIDTH)
    kernel += np.exp(np.float32(_MEANING_SHARPNESS) * (vectors @ vectors.T - np.float32(1)))
    kernel += np.float32(1)
    truth = np.array([[1.0 if sample.kind in kinds else -1.0 for kinds in targets.values()] for sample in samples])
    folds = np.array([zlib.crc32(sample.group.encode()) % _FOLDS for sample in samples])
    # One column for each target with everything known, and one more for each fold that is held out.
    known = np.hstack(
        [np.ones_like(truth)]
        + [np.repeat((folds != fold)[:, None], truth.shape[1], axis=1).astype(float) for fold in range(_FOLDS)]
    )
    solved = _solved(kernel, np.tile(truth, _FOLDS + 1), known)
    pull = solved[:, : truth.shape[1]]
    expected = (kernel @ solved.astype(np.float32)).astype(np.float64)
    held_out = np.zeros_like(truth)
    for fold in range(_FOLDS):
        first = (fold + 1) * truth.shape[1]
        held_out[folds == fold] = expected[folds == fold, first : first + truth.shape[1]]
    lengths = np.array([len(look.words) for look in looks])
    curves = []
    for column in range(len(targets)):
        hits = (truth[:, column] > 0).astype(np.float64)
        measures = np.stack([_measure(held_out[row], int(lengths[row]))[column] for row in range(len(samples))])
        curve = fit_curve(measures, hits, np.ones(len(samples)))
        # A handful of examples says nothing of situations that are held out, or the contrary of the truth.
        curves.append(curve if curve.weights[0] > 0 else _FEW)
    likeness = Likeness(
        samples=tuple(samples),
        targets=tuple(targets),
        _gram_weights=_folded(gram_rows, pull, _WIDTH),
        _gram_rarity=gram_rarity,
        _sign_weights=_folded(sign_rows, pull, _SIGN_WIDTH),
        _sign_rarity=sign_rarity,
        _vectors=vectors,
        _pull=pull.astype(np.float32),
        _bias=pull.sum(axis=0).astype(np.float32),
        curves=tuple(curves),
        digest=digest,
    )
    return likeness, held_out


def _solved(kernel: Floats, truth: Doubles, known: Doubles) -> Doubles:
    """What each example says, column by column, where only the known ones may speak: conjugate gradients."""
    answer = np.zeros_like(truth)
    rest = truth * known
    step = rest.copy()
    size = np.sum(rest * rest, axis=0)
    wanted = size * _NEAR_ENOUGH**2
    for _ in range(_MOST_STEPS):
        moved = known * ((kernel @ step.astype(np.float32)) + _RIDGE * step)
        length = size / np.maximum(np.sum(step * moved, axis=0), 1e-30)
        answer += length * step
        rest -= length * moved
        before, size = size, np.sum(rest * rest, axis=0)
        if bool((size <= wanted).all()):
            break
        step = rest + (size / np.maximum(before, 1e-30)) * step
    return answer


def _measure(scores: Doubles, words: int) -> Doubles:
    """What the curves look at, one row for each target: the score, and how much was said."""
    length = float(np.log1p(min(words, 30)))
    return np.array([[score, length] for score in scores])


# --- letters and signs ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=30_000)
def _word_places(word: str) -> tuple[int, ...]:
    """Where the word and its grams are folded to."""
    padded = f"<{word}>"
    found = [zlib.crc32(f"={word}".encode()) % _WIDTH]
    found += [
        zlib.crc32(padded[start : start + length].encode()) % _WIDTH
        for length in _GRAMS
        for start in range(len(padded) - length + 1)
    ]
    return tuple(found)


def gram_places(words: Sequence[str]) -> Places:
    """The folded grams of a text, with its ends and its pairs of neighbours."""
    kept = [word[:_LONGEST_WORD] for word in words[:_MOST_WORDS]]
    found = [place for word in kept for place in _word_places(word)]
    ends = ["^", *kept, "$"]
    found += [zlib.crc32(f"{one} {two}".encode()) % _WIDTH for one, two in itertools.pairwise(ends) if kept]
    return np.array(found, dtype=np.int64)


def _sign_places(signs: Iterable[str]) -> Places:
    return np.array([zlib.crc32(sign.encode()) % _SIGN_WIDTH for sign in signs], dtype=np.int64)


def _rarity(rows: Sequence[Places], width: int) -> Floats:
    seen = np.zeros(width)
    for places in rows:
        seen[np.unique(places)] += 1
    return np.log((len(rows) + 1) / (seen + 1)).astype(np.float32)


def _weighed(places: Places, rarity: Floats) -> tuple[Places, Floats]:
    """The different places of a text with their weights, of length one together."""
    if not len(places):
        return places, np.zeros(0, dtype=np.float32)
    different, counts = np.unique(places, return_counts=True)
    weights = np.log1p(counts).astype(np.float32) * rarity[different]
    length = float(np.sqrt(weights @ weights))
    return different, weights / np.float32(length) if length > 0 else weights


def _products(rows: Sequence[tuple[Places, Floats]], width: int) -> Floats:
    """Every row against every row. What many rows hold is multiplied out; what few hold is added pair by pair."""
    size = len(rows)
    texts = np.repeat(np.arange(size), [len(places) for places, _ in rows])
    places = np.concatenate([places for places, _ in rows])
    weights = np.concatenate([weights for _, weights in rows])
    often = np.bincount(places, minlength=width)
    column = np.cumsum(often > _MANY) - 1
    dense = np.zeros((size, int(column[-1]) + 1), dtype=np.float32)
    common = often[places] > _MANY
    dense[texts[common], column[places[common]]] = weights[common]
    products = dense @ dense.T
    few = np.flatnonzero(~common)
    few = few[np.argsort(places[few], kind="stable")]
    starts = np.flatnonzero(np.diff(places[few], prepend=-1, append=-1))
    for begin, end in itertools.pairwise(starts):
        members, shares = texts[few[begin:end]], weights[few[begin:end]]
        products[members[:, None], members] += shares[:, None] * shares
    return np.asarray(products, dtype=np.float32)


def _folded(rows: Sequence[tuple[Places, Floats]], pull: Doubles, width: int) -> Floats:
    total = np.zeros((width, pull.shape[1]))
    for row, (places, weights) in enumerate(rows):
        total[places] += weights[:, None] * pull[row]
    return total.astype(np.float32)
