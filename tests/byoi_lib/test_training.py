"""Training: a complete model directory, the same again, and an accuracy worth having."""

import json
import platform

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from byoi import errors
from byoi_lib import datasets, manifest, preprocessing, runtime, training
from byoi_lib.model import ModelConfig
from byoi_lib.training import Batches
from byoi_lib.vocabulary import INDEX_FROM, Vocabulary

# Keras reads TensorFlow's variables in a way that NumPy 2 has announced to end.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
TINY = ModelConfig(
    vocabulary_size=300, max_length=24, embedding_dim=4, num_heads=1, feed_forward_dim=4
)
BRIEF = training.Recipe(epochs=2, batch_size=32)


@pytest.fixture(scope="module")
def small():
    """Enough of the sample to go through everything quickly."""
    sample = datasets.load("sample")

    def first(reviews, count):
        return datasets.Reviews(reviews.labels[:count], texts=reviews.texts[:count])

    return datasets.Dataset(
        "small", "0" * 64, first(sample.train, 200), first(sample.held_out, 60), sample.word_index
    )


@pytest.fixture(scope="module")
def trained(small, tmp_path_factory):
    model_dir = tmp_path_factory.mktemp("trained") / "model"
    return training.train(small, model_dir, config=TINY, recipe=BRIEF, seed=4, progress=False)


def test_the_model_directory_is_complete(trained):
    assert sorted(path.name for path in trained.model_dir.iterdir()) == [
        "manifest.json",
        "model.keras",
        "model.onnx",
        "vocabulary.json",
    ]
    manifest.Manifest.read(trained.model_dir).verify(trained.model_dir)


def test_the_manifest_says_what_made_it_and_how_good_it_is(trained, small):
    content = json.loads((trained.model_dir / "manifest.json").read_text())
    assert content["held_out_accuracy"] == trained.held_out_accuracy
    assert content["created_with"]["python"] == platform.python_version()
    assert {"byoi", "keras", "tensorflow", "onnx", "onnxruntime", "numpy"} <= set(
        content["created_with"]
    )
    assert content["config"]["max_length"] == 24
    assert content["config"]["vocabulary_size"] == 300
    assert content["training_data"]["name"] == "small"
    assert content["training_data"]["sha256"] == small.sha256
    assert content["training_data"]["seed"] == 4
    assert content["labels"] == ["negative", "positive"]


def test_the_vocabulary_holds_the_whole_index_and_the_cut(trained, small):
    vocabulary = Vocabulary.load(trained.model_dir / "vocabulary.json")
    assert vocabulary.size == 300
    assert len(vocabulary.ids) == len(small.word_index) > 300


def test_the_embedding_table_is_no_larger_than_the_index(small, tmp_path):
    config = ModelConfig(max_length=8, embedding_dim=4, num_heads=1, feed_forward_dim=4)
    training.train(
        small,
        tmp_path,
        config=config,
        recipe=training.Recipe(epochs=1, batch_size=64),
        progress=False,
    )
    size = manifest.Manifest.read(tmp_path).config["vocabulary_size"]
    assert size == len(small.word_index) + INDEX_FROM + 1


@pytest.mark.parametrize("kind", ["onnx", "keras"])
def test_golden_texts_are_held_out_reviews_and_replay(trained, small, kind):
    read = manifest.Manifest.read(trained.model_dir)
    vocabulary = Vocabulary.load(trained.model_dir / "vocabulary.json")
    network = runtime.load(trained.model_dir, kind)
    assert {golden.label for golden in read.golden} == {0, 1}
    for golden in read.golden:
        assert golden.label == small.held_out.labels[small.held_out.texts.index(golden.text)]
    read.replay(
        trained.model_dir,
        lambda texts: [
            network.predict(
                preprocessing.pad(preprocessing.encode([t], vocabulary, max_length=24))
            )[0]
            for t in texts
        ],
    )


def test_the_accuracy_is_that_of_the_written_network_on_all_held_out_reviews(trained, small):
    vocabulary = Vocabulary.load(trained.model_dir / "vocabulary.json")
    rows = small.held_out.token_ids(vocabulary, max_length=24)
    network = runtime.load(trained.model_dir, "onnx")
    given = [int(network.predict(row[None])[0].argmax()) for row in rows]
    assert np.mean(given == small.held_out.labels) == trained.held_out_accuracy


def test_each_curve_has_a_point_an_epoch(trained):
    assert {name: len(values) for name, values in trained.history.items()} == {
        "loss": 2,
        "accuracy": 2,
        "held_out_loss": 2,
        "held_out_accuracy": 2,
    }
    assert 0 < trained.fit_s < trained.total_s
    assert trained.onnx_difference <= 1e-5


def test_the_same_call_gives_the_same_answers_and_another_seed_others(trained, small, tmp_path):
    again, other = (
        training.train(
            small, tmp_path / str(seed), config=TINY, recipe=BRIEF, seed=seed, progress=False
        )
        for seed in (4, 5)
    )
    expected = trained.evaluation.probabilities
    assert np.array_equal(again.evaluation.probabilities, expected)
    assert not np.array_equal(other.evaluation.probabilities, expected)


def test_progress_goes_to_stderr_and_can_be_silenced(small, tmp_path, capfd):
    brief = training.Recipe(epochs=1, batch_size=100)
    training.train(small, tmp_path / "model", config=TINY, recipe=brief)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "epoch 1/1" in shown.err
    assert "accuracy=" in shown.err
    training.train(small, tmp_path / "model", config=TINY, recipe=brief, progress=False)
    assert capfd.readouterr().out == ""


def test_a_directory_with_other_files_is_refused(small, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(errors.ConfigurationError, match=r"holds thesis\.txt, .* name another one"):
        training.train(small, tmp_path, config=TINY, recipe=BRIEF, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_sample_is_learnt_better_than_counting_words_allows(tmp_path):
    sample = datasets.load("sample")
    words = CountVectorizer(token_pattern=r"\w+")
    counting = LogisticRegression(C=0.1, max_iter=2_000).fit(
        words.fit_transform(sample.train.texts), sample.train.labels
    )
    counted = counting.score(words.transform(sample.held_out.texts), sample.held_out.labels)
    trained = training.train(sample, tmp_path, progress=False)
    assert trained.held_out_accuracy >= counted + 0.02


@pytest.mark.needs("imdb")
def test_ranks_of_a_file_give_golden_texts_in_words(tmp_path, pytestconfig):
    whole = datasets.load(pytestconfig.rootpath.parent / "shared" / "data" / "imdb" / "imdb.npz")

    def few(reviews):
        rows = [*range(40), *range(12_500, 12_540)]
        return datasets.Reviews(reviews.labels[rows], ranks=[reviews.ranks[row] for row in rows])

    part = datasets.Dataset(
        "part", whole.sha256, few(whole.train), few(whole.held_out), whole.word_index
    )
    training.train(part, tmp_path, config=TINY, recipe=BRIEF, progress=False)
    vocabulary = Vocabulary.load(tmp_path / "vocabulary.json")
    rows = part.held_out.token_ids(vocabulary, max_length=24)
    for golden in manifest.Manifest.read(tmp_path).golden:
        (row,) = preprocessing.encode([golden.text], vocabulary, max_length=24)
        assert any(np.array_equal(row, other) for other in rows)


LENGTHS = np.random.default_rng(1).integers(1, 300, 1_000)
ROWS = [np.full(length, length, np.int32) for length in LENGTHS]
LABELS = (LENGTHS % 2).astype(np.int32)


def shuffled(seed=0):
    return Batches(ROWS, LABELS, 64, np.random.default_rng(seed))


@pytest.mark.parametrize("batches", [shuffled(), Batches(ROWS, LABELS, 64)])
def test_every_review_is_in_one_batch_with_its_label(batches):
    lengths = []
    for token_ids, labels in batches:
        assert token_ids.dtype == np.int32
        assert (labels == token_ids[:, -1] % 2).all()
        lengths.extend(token_ids[:, -1])
    assert sorted(lengths) == sorted(LENGTHS)
    assert len(batches) == sum(1 for _ in batches) == 16


def test_padding_is_on_the_left_and_little():
    cells = sum(token_ids.size for token_ids, _ in shuffled())
    for token_ids, _ in shuffled():
        assert (token_ids[:, -1] > 0).all()
        assert (token_ids[:, 0] > 0).any()
    assert cells < 1.15 * LENGTHS.sum()


def test_each_epoch_puts_other_reviews_together():
    batches = shuffled()
    first, second = ([set(chosen) for chosen in batches.indices()] for _ in range(2))
    assert not any(chosen in second for chosen in first)


def test_equal_seeds_give_equal_epochs():
    one, other = shuffled(5), shuffled(5)
    for _ in range(2):
        pairs = zip(one.indices(), other.indices(), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)


def test_without_an_order_batches_run_from_short_to_long():
    widths = [token_ids.shape[1] for token_ids, _ in Batches(ROWS, LABELS, 64)]
    assert widths == sorted(widths)


def test_no_reviews_make_no_batches():
    assert list(Batches([], np.zeros(0, np.int32), 8)) == []
