"""What the model answers, asked in this process; train first."""

from pathlib import Path

SAMPLE = Path(__file__).with_name("sample_request.json")


def test_the_sample_request_is_answered_with_one_prediction_a_row(byoi_model):
    assert len(byoi_model.invoke(SAMPLE).json()["predictions"]) == 2


def test_a_row_of_another_width_is_the_clients_error(byoi_model):
    answer = byoi_model.invoke({"instances": [[1, 2, 3]]}, check=False)
    assert answer.status == 400
