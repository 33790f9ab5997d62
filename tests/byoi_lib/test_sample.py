"""The made-up reviews: many, balanced, and not to be solved by counting words."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from byoi_lib import datasets, sample


@pytest.fixture(scope="module")
def dataset():
    return datasets.load("sample")


def all_sentences(texts):
    return {sentence for text in texts for sentence in sample.sentences(text)}


def test_there_are_thousands_of_texts_and_none_comes_twice(dataset):
    texts = [*dataset.train.texts, *dataset.held_out.texts]
    assert len(dataset.train) >= 4_000
    assert len(dataset.held_out) >= 1_000
    assert len(set(texts)) == len(texts)


def test_both_labels_are_equally_frequent(dataset):
    for part in (dataset.train, dataset.held_out):
        assert part.labels.mean() == 0.5


def test_the_parts_share_no_complete_sentence(dataset):
    train = all_sentences(dataset.train.texts)
    held_out = all_sentences(dataset.held_out.texts)
    assert len(held_out) > 1_000
    assert not train & held_out


def test_sentences_are_cut_at_every_mark():
    assert sample.sentences("One. Two! Three.") == ["One.", "Two!", "Three."]


def test_counting_words_does_not_solve_it(dataset):
    words = CountVectorizer(token_pattern=r"\w+")
    train = words.fit_transform(dataset.train.texts)
    held_out = words.transform(dataset.held_out.texts)
    scores = [
        LogisticRegression(C=strength, max_iter=2_000)
        .fit(train, dataset.train.labels)
        .score(held_out, dataset.held_out.labels)
        for strength in (0.1, 1.0)
    ]
    assert 0.7 < max(scores) <= 0.92


def test_hard_cases_are_there_under_both_labels(dataset):
    texts = dataset.train.texts
    for phrase in ("far from", "is not", "anything but", "had expected", "may be", "For all"):
        labels = [
            label for text, label in zip(texts, dataset.train.labels, strict=True) if phrase in text
        ]
        assert 50 < sum(labels) < len(labels) - 50, phrase


def test_the_article_fits_the_word_after_it(dataset):
    words = " ".join(dataset.train.texts).lower().replace(".", " .").split()
    for article, word in pairwise(words):
        if article in ("a", "an"):
            assert (article == "an") == (word[0] in "aeiou"), (article, word)


def test_equal_seeds_give_equal_texts_and_others_give_others():
    first = sample.texts("train", count=20, seed=1)
    assert first == sample.texts("train", count=20, seed=1)
    assert first != sample.texts("train", count=20, seed=2)


def test_words_are_numbered_by_how_often_they_occur():
    made = [sample.LabelledText("The plot is flat.", 0), sample.LabelledText("The set is dull.", 0)]
    assert sample.word_index(made) == {
        "is": 1,
        "the": 2,
        "dull": 3,
        "flat": 4,
        "plot": 5,
        "set": 6,
    }


def test_the_labels_are_whole_numbers(dataset):
    assert dataset.train.labels.dtype == np.int32
    assert set(dataset.train.labels) == {0, 1}
