from byoi import errors


def test_a_refusal_is_one_line(tmp_path):
    assert str(errors.refusal(tmp_path / "a", "b\n  c", "d\te")) == f"{tmp_path}/a: b c; d e"
