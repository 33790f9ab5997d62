"""Film reviews made up by a seeded grammar: labelled texts that belong to nobody.

No line here was written by a viewer of a film; a text says nothing about any film there is.
The grammar plants what a list of words alone cannot decide: negation ("far from dull"),
faint praise ("not bad at all"), disappointed or surprised expectation, and reviews in which
both opinions stand and the last one counts.

Every sentence belongs to one part for good, by its digest, so the training part and the
held-out part share no sentence, and so no text.
"""

# ruff: noqa: SIM905 - lists of words read better as text

import hashlib
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from string import Formatter
from typing import Literal

Part = Literal["train", "held-out"]

TRAIN_TEXTS, HELD_OUT_TEXTS = 4_800, 1_200
SEED = 1_729

# How often an opinion is put in a way that its words alone mislead.
_HARD_SHARE = 0.35
_ARTICLE = re.compile(r"\b([Aa])(?= [aeiou])")
_SENTENCE_PARTS = 5  # one in so many sentences belongs to the held-out part

_PRAISE = """beautiful brilliant captivating charming clever convincing delightful elegant
exciting fresh funny good gripping inspired intelligent likeable lively moving original
powerful refreshing sharp subtle superb touching warm witty wonderful""".split()
_BLAME = """annoying awful bad boring cheap clumsy confused dreadful dull empty flat forgettable
hollow laboured lazy lifeless messy painful pointless predictable shallow silly sloppy stale
tedious tiresome tired weak wooden""".split()
_SLOTS = {
    "aspect": """acting camera casting comedy dialogue direction drama editing ending humour
        lighting music mystery opening pace photography plot romance score script set
        soundtrack staging story tension voice""".split(),
    "thing": """adventure comedy documentary drama fable fantasy film musical mystery picture
        production romance satire sequel thriller western""".split(),
    "person": """aunt brother colleague cousin daughter dentist father flatmate grandmother
        mother neighbour nephew sister son teacher uncle""".split(),
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "place": """barn café cellar circus garden harbour hotel island kitchen library lighthouse
        museum orchard palace station tavern theatre village""".split(),
    "first": "Alba Bruno Clara Dario Edda Fausto Greta Hugo Ines Jonas Karla Lino Mara".split(),
    "last": "Abelt Borrow Candell Dorsey Ermin Falke Gorran Hallin Ister Jarno Kesten".split(),
    "very": ["", "", "quite ", "really ", "so ", "thoroughly ", "truly ", "very "],
    "minutes": [str(minutes) for minutes in range(71, 190)],
}

# {good} is a word of the review's own opinion, {bad} one of the other; so each line below
# serves praise and blame alike, and only the order and the small words tell them apart.
_PLAIN = """The {aspect} is {very}{good}.
I found the {aspect} {very}{good} and the {aspect} {good}.
What a {good} {thing}, with a {very}{good} {aspect}!
{first} {last} gives us a {very}{good} {thing}.
A {good}, {good} {thing} from start to finish.""".splitlines()
_HARD = """The {aspect} is not {bad} at all.
The {aspect} is far from {bad}, and so is the {aspect}.
The {aspect} is anything but {bad}.
Nobody could call this {thing} {bad}.
There is nothing {bad} about the {aspect} of {first} {last}.
I was told it is {bad}, and it is not {bad}: it is {good}.
I had expected a {bad} {thing} and got a {very}{good} one.
The trailer looks {bad}; the {thing} itself is {good}.
The {aspect} may be {very}{bad}, but the {thing} as a whole is {good}.
For all its {bad} {aspect}, this is a {good} {thing}.
My {person} calls the {aspect} {bad}, yet I say it is {good}.
It could have been {bad}, with that {bad} {aspect}, but it is not.
It starts {bad} and {bad} and it ends {very}{good}.""".splitlines()
_NEUTRAL = """I saw it on a {day} with my {person}.
It is set in a {place} near a {place}, and lasts {minutes} minutes.
{first} {last} plays the {person} of {first}.
Most of this {thing} takes place in a {place}.
My {person} works in a {place}, like {first} {last} here.
The {place} and the {place} were built for this {thing}.""".splitlines()


@dataclass(frozen=True)
class LabelledText:
    """One made-up review.

    Attributes:
        text: Two to seven sentences of English.
        label: 1 where its opinion is good, 0 where it is bad.
    """

    text: str
    label: int


def texts(part: Part, *, count: int, seed: int = SEED) -> list[LabelledText]:
    """Make the reviews of one part, as many good as bad ones, no text twice.

    Args:
        part: The part whose sentences are used.
        count: How many reviews to make.
        seed: Fixes every choice; equal arguments give equal texts.
    """
    choice = random.Random(f"{seed} {part}")  # noqa: S311 - made-up text, no secret
    made: dict[str, int] = {}
    while len(made) < count:
        label = len(made) % 2
        made.setdefault(" ".join(_sentences(part, label, choice)), label)
    return [LabelledText(text, label) for text, label in made.items()]


def word_index(made: Iterable[LabelledText]) -> dict[str, int]:
    """Number the words of texts by how often they occur, most frequent word = 1."""
    counts = Counter(word for one in made for word in re.findall(r"\w+", one.text.lower()))
    order = sorted(counts, key=lambda word: (-counts[word], word))
    return {word: rank for rank, word in enumerate(order, start=1)}


def sentences(text: str) -> list[str]:
    """Cut a text of this grammar into its sentences, marks included."""
    return text.replace(". ", ".\n").replace("! ", "!\n").splitlines()


def _sentences(part: Part, label: int, choice: random.Random) -> Iterator[str]:
    """Yield the sentences of one review: opinions, and between them what holds none."""
    for _ in range(choice.randint(1, 4)):
        if choice.random() < 0.4:
            yield _sentence(part, _NEUTRAL, label, choice)
        forms = _HARD if choice.random() < _HARD_SHARE else _PLAIN
        yield _sentence(part, forms, label, choice)


def _sentence(part: Part, forms: list[str], label: int, choice: random.Random) -> str:
    """Fill forms until a sentence comes up that belongs to `part`."""
    good, bad = (_PRAISE, _BLAME) if label else (_BLAME, _PRAISE)
    words = _SLOTS | {"good": good, "bad": bad}
    while True:
        form, used = choice.choice(forms), {""}
        sentence = ""
        for literal, slot, _, _ in Formatter().parse(form):
            word = ""
            while slot and word in used and not (slot == "very" and sentence):
                word = choice.choice(words[slot])
            used.add(word)
            sentence += literal + word
        sentence = _ARTICLE.sub(r"\1n", sentence)
        if _part(sentence) == part:
            return sentence


def _part(sentence: str) -> Part:
    digest = hashlib.sha256(sentence.encode("utf-8")).digest()
    return "held-out" if digest[0] % _SENTENCE_PARTS == 0 else "train"
