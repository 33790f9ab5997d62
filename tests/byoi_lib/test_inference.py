import dataclasses
import json

import numpy as np
import pytest
from tiny_model import TINY_LENGTH, WEIGHTS, tiny_answer, write_tiny_model

from byoi import errors
from byoi_lib import inference
from byoi_lib.manifest import Manifest, digests
from byoi_lib.request import Instances, gather
from byoi_lib.vocabulary import Vocabulary


@pytest.fixture
def model(tiny_model_dir, monkeypatch):
    monkeypatch.delenv("BYOI_RUNTIME", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return inference.model_fn(tiny_model_dir)


def answers(data, model):
    return inference.predict_fn(data, model).probabilities


def rewritten(model_dir, **changes):
    """Let the manifest describe the files as they are now."""
    manifest = Manifest.read(model_dir)
    dataclasses.replace(manifest, files=digests(model_dir), **changes).write(model_dir)


def refused(model_dir):
    with pytest.raises(errors.ModelDataError) as caught:
        inference.model_fn(model_dir)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_directory_is_loaded_by_path_or_text(model, tiny_model_dir):
    for model_dir in (tiny_model_dir, str(tiny_model_dir)):
        loaded = inference.model_fn(model_dir)
        assert loaded.vocabulary == model.vocabulary
        assert loaded.max_length == TINY_LENGTH


def test_one_invocation_there_and_back(model):
    data = inference.input_fn(b'{"instances": ["Good film!", "bad"]}', "application/json")
    body, media_type = inference.output_fn(inference.predict_fn(data, model), "")
    assert media_type == "application/json"
    assert list(json.loads(body)) == ["predictions"]
    expected = [tiny_answer([1, 6, 5]), tiny_answer([1, 7])]
    np.testing.assert_allclose(json.loads(body)["predictions"], expected, atol=1e-6)


def test_a_text_and_its_token_ids_get_the_same_answer(model):
    from_text = answers(Instances(("the good film", "rare bad")), model)
    from_ids = answers(gather([[1, 4, 6, 5], [0, 0, 1, 2, 7]], "row"), model)
    np.testing.assert_array_equal(from_text, from_ids)
    assert from_text.dtype == np.float32


@pytest.mark.parametrize("text", ["", "zorble", "\U0001f600", "?!"])
def test_a_text_without_known_words_gets_an_answer(text, model):
    np.testing.assert_allclose(answers(Instances((text,)), model), [[0.5, 0.5]])


def test_answers_come_in_the_order_sent_whatever_the_lengths(model):
    rng = np.random.default_rng(1)
    rows = [rng.integers(1, 9, size=rng.integers(1, 7)).tolist() for _ in range(5000)]
    got = answers(gather(rows, "row"), model)
    np.testing.assert_allclose(got, [tiny_answer(row) for row in rows], atol=1e-6)


def test_a_long_review_keeps_its_last_ids(model):
    long = [7] * 9 + [6] * TINY_LENGTH
    np.testing.assert_allclose(answers(gather([long], "row"), model), [tiny_answer([6] * 6)])
    text = "bad " * 9 + "good " * TINY_LENGTH
    np.testing.assert_allclose(answers(Instances((text,)), model), [tiny_answer([6] * 6)])


def test_padding_on_either_side_changes_nothing(model):
    padded = gather([[0, 0, 1, 7, 6], [1, 7, 6, 0, 0], [1, 7, 6] + [0] * 50], "row")
    got = answers(padded, model)
    np.testing.assert_array_equal(got, answers(gather([[1, 7, 6]] * 3, "row"), model))


def test_the_largest_token_id_is_taken_and_the_next_is_not(model):
    assert answers(gather([[1, 8]], "row"), model).shape == (1, 2)
    with pytest.raises(errors.MalformedBody) as caught:
        answers(gather([[1], [0, 1, 9]], "line", first=1), model)
    assert str(caught.value) == (
        "line 2, position 2: 9 is not a token id, expected a whole number from 0 to 8"
    )


def test_the_request_decides_whether_the_answer_has_a_key(model):
    for has_key in (True, False):
        assert inference.predict_fn(Instances(("a",), has_key=has_key), model).has_key is has_key


class RecordingNetwork:
    """Remembers the shapes it was asked for."""

    def __init__(self):
        self.shapes = []

    def predict(self, token_ids):
        self.shapes.append(token_ids.shape)
        return np.tile(token_ids[:, -1:], 2).astype(np.float32)


def recorded(lengths):
    network = RecordingNetwork()
    vocabulary = Vocabulary.from_word_index({}, size=100_000)
    model = inference.ReviewModel(network, vocabulary, max_length=10_000)
    rows = [[7] * (length - 1) + [n + 1] for n, length in enumerate(lengths)]
    got = answers(gather(rows, "row"), model)
    assert got[:, 0].tolist() == [n + 1 for n in range(len(lengths))]
    return network.shapes


def test_one_review_is_not_padded():
    assert recorded([3]) == [(1, 3)]


def test_short_reviews_do_not_wait_for_long_ones():
    assert recorded([1, 1024, 2, 1]) == [(1, 1024), (3, 2)]


def test_a_batch_is_full_at_1024_ids():
    assert recorded([128] * 9) == [(8, 128), (1, 128)]
    assert recorded([1025, 1025]) == [(1, 1025), (1, 1025)]


def test_several_requests_are_answered_in_one_go(model):
    requests = [
        Instances(("good", "", "the good film"), has_key=True),
        gather([[0, 1, 7], [1, 6, 5]], "row"),
        Instances(("bad",)),
    ]
    together = inference.predict_fn(requests, model)
    assert [one.has_key for one in together] == [True, False, False]
    for one, alone in zip(together, requests, strict=True):
        np.testing.assert_allclose(one.probabilities, answers(alone, model), atol=1e-6)


def test_no_request_gets_no_answer(model):
    assert inference.predict_fn([], model) == []


def test_a_fault_of_one_request_is_that_of_all_and_the_others_are_answered_alone(model):
    bad = gather([[1, 9]], "row")
    with pytest.raises(errors.MalformedBody, match="row 0, position 1: 9 is not a token id"):
        inference.predict_fn([Instances(("good",)), bad], model)
    assert len(inference.predict_fn([Instances(("good",))], model)) == 1


def test_rows_of_several_requests_share_a_batch():
    network = RecordingNetwork()
    model = inference.ReviewModel(network, Vocabulary.from_word_index({}, size=99), 10_000)
    requests = [gather([[7] * length], "row") for length in (3, 600, 2, 3)]
    assert len(inference.predict_fn(requests, model)) == 4
    assert network.shapes == [(1, 600), (3, 3)]


def test_an_id_beyond_the_vocabulary_is_found_in_instances_that_nobody_gathered(model):
    with pytest.raises(errors.MalformedBody, match="instance 0, position 1: 9 is not a token id"):
        answers(Instances(token_ids=(np.array([1, 9], np.int32),)), model)


def test_an_altered_network_is_refused(tiny_model_dir):
    (tiny_model_dir / "model.onnx").write_bytes(b"altered")
    assert "model.onnx: 7 bytes, expected" in refused(tiny_model_dir)


def test_an_altered_vocabulary_is_refused(tiny_model_dir):
    Vocabulary.from_word_index({"other": 1}, size=9).save(tiny_model_dir / "vocabulary.json")
    assert "vocabulary.json: " in refused(tiny_model_dir)


def test_the_file_of_the_other_runtime_is_not_looked_at(tiny_model_dir):
    (tiny_model_dir / "model.keras").unlink()
    assert inference.model_fn(tiny_model_dir)


def test_a_vocabulary_of_another_size_is_refused(tiny_model_dir):
    rewritten(tiny_model_dir, config={"vocabulary_size": 8, "max_length": 6})
    assert refused(tiny_model_dir) == (
        f"{tiny_model_dir}/vocabulary.json: size 9, the manifest says 8; "
        "use the vocabulary that the network was trained with"
    )


def test_a_network_that_answers_otherwise_is_refused(tiny_model_dir, tmp_path):
    write_tiny_model(tmp_path / "other", WEIGHTS * 2)
    (tiny_model_dir / "model.onnx").write_bytes((tmp_path / "other" / "model.onnx").read_bytes())
    rewritten(tiny_model_dir)
    assert "manifest.json: golden text 1 gives [" in refused(tiny_model_dir)


def test_a_wrong_word_index_is_found_by_the_golden_texts(tiny_model_dir):
    Vocabulary.from_word_index({"good": 4, "bad": 3}, size=9).save(
        tiny_model_dir / "vocabulary.json"
    )
    rewritten(tiny_model_dir)
    assert "golden text 1 gives" in refused(tiny_model_dir)


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx", "vocabulary.json"])
def test_a_missing_file_is_refused(name, tiny_model_dir):
    (tiny_model_dir / name).unlink()
    assert f"{name}: No such file or directory; " in refused(tiny_model_dir)


def test_the_environment_chooses_the_runtime(tiny_model_dir, monkeypatch):
    monkeypatch.setenv("BYOI_RUNTIME", "torch")
    with pytest.raises(errors.ConfigurationError, match="'torch' is not one of onnx, keras"):
        inference.model_fn(tiny_model_dir)
    monkeypatch.setenv("BYOI_RUNTIME", "keras")
    assert "model.keras: cannot be loaded" in refused(tiny_model_dir)
    monkeypatch.setenv("BYOI_RUNTIME", "")
    assert inference.model_fn(tiny_model_dir)


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "\u00b2"])
def test_a_number_of_threads_that_is_none_is_refused(value, tiny_model_dir, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    with pytest.raises(errors.ConfigurationError, match=r"OMP_NUM_THREADS=.* from 1 on; set one"):
        inference.model_fn(tiny_model_dir)


@pytest.mark.parametrize("value", ["", "1", "2"])
def test_a_number_of_threads_is_taken(value, tiny_model_dir, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert inference.model_fn(tiny_model_dir)
