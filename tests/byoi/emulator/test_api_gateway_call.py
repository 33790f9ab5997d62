"""The method of a deployed API that a path leads to."""

import pytest

from byoi.emulator.api_gateway.call import DeployedApi, find_route


def api(*paths, **methods):
    made = {verb: {"httpMethod": verb} for verb in methods or {"POST": True}}
    resources = {path: {"id": path, "methods": made} for path in paths}
    return DeployedApi("id", "us-east-1", "HEADER", (), resources, {}, {}, {})


@pytest.mark.parametrize(
    ("path", "resource", "values"),
    [
        ("/", "/", {}),
        ("/a", "/a", {}),
        ("/a/", "/a", {}),
        ("/b", "/{x}", {"x": "b"}),
        ("/a/b", "/a/b", {}),
        ("/a/c", "/a/{y}", {"y": "c"}),
        ("/a/c%20d", "/a/{y}", {"y": "c d"}),
        ("/a/c%2Fd", "/a/{y}", {"y": "c/d"}),
        ("/z/c", "/{x}/c", {"x": "z"}),
        ("/z/c/d", "/{all+}", {"all": "z/c/d"}),
    ],
)
def test_a_name_wins_over_a_variable_and_that_over_the_rest(path, resource, values):
    made = api("/{all+}", "/{x}", "/{x}/c", "/a/{y}", "/a/b", "/a", "/")
    found = find_route(made, "POST", path)
    assert (found.resource_path, found.parameters) == (resource, values)


def test_a_path_or_method_that_is_not_there():
    assert find_route(api("/a", "/a/{x}"), "POST", "/a/b/c") is None
    assert find_route(api("/a"), "POST", "/A") is None
    assert find_route(api("/a"), "GET", "/a") is None
    assert find_route(api("/a/{rest+}"), "POST", "/a") is None
    assert find_route(api("/a", ANY=True), "GET", "/a").method == {"httpMethod": "ANY"}
