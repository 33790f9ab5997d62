import pytest
import serving_table
from serving_table import Case, Sample

CASE = Case("200 ids", 8)


def one(requests_per_s, p99_ms, errors=0):
    return Sample(requests_per_s, p99_ms / 2, p99_ms, 0.5, 0.04, errors)


@pytest.fixture
def samples():
    return {
        (CASE, "BYOI"): [one(1000, 10), one(500, 20, errors=2), one(1500, 15)],
        (CASE, "FastAPI"): [one(2000, 10), one(2000, 10), one(1000, 5)],
    }


def test_a_ratio_is_of_the_medians_and_its_range_of_the_rounds():
    found = serving_table.ratio([1000, 500, 1500], [2000, 2000, 1000])
    assert found == serving_table.Ratio(0.5, 0.25, 1.5)
    assert str(found) == "0.50 (0.25 to 1.50)"


def test_the_range_has_the_ratio_of_the_medians_in_it():
    found = serving_table.ratio([1, 10], [10, 1])
    assert found.least <= found.middle <= found.most
    far = serving_table.ratio([1, 2, 6], [3, 1, 2])
    assert far.least <= far.middle <= far.most


@pytest.mark.parametrize(("ours", "theirs"), [([], []), ([1.0], [1.0, 2.0])])
def test_a_ratio_needs_the_same_rounds_of_both(ours, theirs):
    with pytest.raises(ValueError, match=f"{len(ours)} rounds and {len(theirs)}"):
        serving_table.ratio(ours, theirs)


def test_a_spread_is_the_median_and_the_range():
    assert serving_table.spread([1200.4, 900, 3000], 0) == "1,200 (900 to 3,000)"


def test_the_table_of_ratios_has_a_line_for_each_load(samples):
    head, _, line = serving_table.ratio_table(samples, "BYOI", ["FastAPI"])
    assert head == "| body | connections | requests/s to FastAPI | p99 to FastAPI |"
    assert line == "| 200 ids | 8 | 0.50 (0.25 to 1.50) | 1.50 (1.00 to 3.00) |"


def test_the_table_of_graphs_compares_each_server_with_itself_and_both_after(samples):
    samples[CASE, "BYOI, other graph"] = [one(1500, 10), one(1000, 20), one(3000, 15)]
    samples[CASE, "FastAPI, other graph"] = [one(3000, 10), one(2000, 10), one(1500, 5)]
    names = {name: f"{name}, other graph" for name in ("BYOI", "FastAPI")}
    head, rule, line = serving_table.graph_table(samples, names)
    assert head.count("|") == rule.count("|") == line.count("|")
    cells = line.split(" | ")
    assert cells[2:5] == ["1,000 (500 to 1,500)", "1,500 (1,000 to 3,000)", "1.50 (1.50 to 2.00)"]
    assert cells[5:7] == ["2,000 (1,000 to 2,000)", "2,000 (1,500 to 3,000)"]
    assert cells[8] == "0.75 (0.50 to 2.00) |"


def test_the_table_of_values_adds_up_the_errors(samples):
    _, rule, ours, theirs = serving_table.value_table(samples)
    assert ours.split(" | ")[2:4] == ["BYOI", "1,000 (500 to 1,500)"]
    assert ours.endswith("| 0.500 (0.500 to 0.500) | 0.040 | 2 |")
    assert theirs.endswith("| 0 |")
    assert rule.count("|") == ours.count("|")


def test_the_table_of_memory_has_each_server():
    lines = list(serving_table.memory_table({"BYOI": [110.0, 112.0, 120.0], "FastAPI": [90.0]}))
    assert lines[2:] == ["| BYOI | 112 (110 to 120) |", "| FastAPI | 90 (90 to 90) |"]


def test_loads_keep_the_order_in_which_they_were_measured():
    other = Case("12 words", 8)
    assert serving_table.cases([(CASE, "a"), (CASE, "b"), (other, "a")]) == [CASE, other]


def test_the_plot_is_a_picture(samples, tmp_path):
    file = tmp_path / "serving.png"
    serving_table.plot(samples, ["BYOI", "FastAPI"], file, "two cores")
    assert file.read_bytes().startswith(b"\x89PNG")
    assert file.stat().st_size < 200_000


def test_a_block_of_a_page_is_replaced_and_the_rest_stays():
    page = "# Page\n\n<!-- a: begin -->\nold\n<!-- a: end -->\n\nText.\n"
    found = serving_table.with_block(page, "a", ["| new |"])
    assert found == "# Page\n\n<!-- a: begin -->\n\n| new |\n\n<!-- a: end -->\n\nText.\n"
    assert serving_table.with_block(found, "a", ["| new |"]) == found


@pytest.mark.parametrize("page", ["# Page\n", "<!-- a: begin -->\n", "<!-- a: end -->\n"])
def test_a_page_without_the_block_is_refused(page):
    with pytest.raises(ValueError, match="no lines '<!-- a: begin -->' and '<!-- a: end -->'"):
        serving_table.with_block(page, "a", [])
