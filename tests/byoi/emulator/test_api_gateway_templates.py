"""Mapping templates: what they make, and what of them is refused."""

import pytest

from byoi.emulator.api_gateway import templates, variables
from byoi.emulator.api_gateway.gateway_responses import GatewayError
from byoi.emulator.aws.errors import NotEmulatedError

BODY = '{"a": {"b": [1, 2, {"c": "it\'s \\"so\\"\\n"}]}, "e": "", "n": 0.5, "t": true, "é": 1e-9}'
QUOTES = r""".replaceAll("\\'", "'")"""


def render(template, body=BODY):
    context = variables.Context({"stage": "prod", "identity": {"sourceIp": "127.0.0.1"}})
    parameters = {
        "path": {"id": "7"},
        "querystring": {"id": "8", "q": "x y"},
        "header": {"X-Who": "me"},
    }
    found = {
        "input": variables.Input(
            body, parameters, lambda words: GatewayError("BAD_REQUEST_BODY", words)
        ),
        "context": context,
        "util": variables.Util(),
        "stageVariables": variables.Members("stageVariables", {"model": "m"}),
    }
    return templates.render(template, found), context


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("plain # text, 5 $ and #hash", "plain # text, 5 $ and #hash"),
        ("$input.body", BODY),
        ("$input.json('$.a.b[0]') $input.json('$.a.b[2]')", '1 {"c":"it\'s \\"so\\"\\n"}'),
        ("""$input.json("$['a']['b'][1]")""", "2"),
        ("$input.path('$.n') $input.path('$.t') $input.path('$.a.b').size()", "0.5 true 3"),
        ("$input.path('$').a.b[1] ${input.path('a.b[0]')}x", "2 1x"),
        ("$input.params('id') $input.params('q') $input.params('x-WHO') [$input.params('z')]",
         "7 x y me []"),
        ("$input.params().querystring.id $input.params().header.get('X-Who')", "8 me"),
        ("#foreach($p in $input.params().keySet())$p#if($foreach.hasNext),#end#end",
         "path,querystring,header"),
        ("$context.stage $context.identity.sourceIp $stageVariables.model", "prod 127.0.0.1 m"),
        ("#set($x = 'v')$x ${x}w $!x $!nothing|", "v vw v |"),
        ("#set($l = ['a', 'b'])#set($ignore = $l.add('c'))$l.size() $l.get(2) $l[0]", "3 c a"),
        ("#set($m = {'k': 'v'})$m.k $m.get('k') $m.containsKey('z') $m.isEmpty()",
         "v v false false"),
        ("#foreach($i in [1, 2, 3])$i#if(!$foreach.last)+#end#end", "1+2+3"),
        ("#set($sum = 0)#foreach($i in [1, 2])#set($sum = $sum + $i)#end$sum", "3"),
        ("#foreach($i in [1])#set($inside = $i)#end$inside", "1"),
        ("#if($input.path('$.e') == '')empty#elseif(true)no#{else}no#end", "empty"),
        ("#if($input.path('$.zz'))no#{elseif}($input.path('$.n') > 0.1)yes#end"
         .replace("#{elseif}", "#elseif"), "yes"),
        ("#if($input.path('$.t') && !$none)both#end", "both"),
        ("#if(1 < 2 || $none)either#end#if('a' != 'b') other#end", "either other"),
        ("#set($t = 'a/b')$t.contains('/') $t.length() $t.startsWith('b') $t.equals('a/b')",
         "true 3 false true"),
        ("$util.escapeJavaScript($input.path('$.a.b[2].c'))", "it\\'s \\\"so\\\"\\n"),
        (f"$util.escapeJavaScript($input.path('$.a.b[2].c')){QUOTES}", "it's \\\"so\\\"\\n"),
        ("$util.escapeJavaScript('é/😀')", "\\u00E9\\/\\uD83D\\uDE00"),
        ("$util.base64Encode('é') $util.base64Decode('w6k=')", "w6k= é"),
        ("$util.urlEncode('a b&é~*') $util.urlDecode('a+b%26')", "a+b%26%C3%A9%7E* a b&"),
        ("""$util.parseJson('{"k": [true]}').k[0]""", "true"),
        ("## a comment\n#* another *#text", "text"),
        ("before #stop after", "before "),
        ("$ alone, $5", "$ alone, $5"),
    ],
)  # fmt: skip
def test_a_template_makes(template, made):
    assert render(template)[0] == made


def test_a_payload_of_nothing_is_an_empty_object():
    assert render("$input.body $input.json('$')", "")[0] == "{} {}"


def test_a_template_overrides_status_and_headers():
    text, context = render(
        "#set($context.responseOverride.status = 418)"
        "#set($context.responseOverride.header.short = 'x')"
        "#set($context.requestOverride.path.Name = $input.params('id'))text"
    )
    assert (text, context.response_override.status) == ("text", 418)
    assert context.response_override.headers() == {"short": "x"}
    assert context.request_override.members["path"] == {"Name": "7"}


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("#macro(m)#end", "#macro"),
        ("#parse('x')", "#parse"),
        ("#include('x')", "#include"),
        ("#define($d)x#end", "#define"),
        ("#evaluate('x')", "#evaluate"),
        ("#unknown($x)", "#unknown"),
        ("${x|'other'}", "|'other'"),
        ("#foreach($i in [1..3])$i#end", "1..3"),
        (r"\$x", r"\$"),
        ("#if($x", "a mapping template with"),
        ("$nothing", "$nothing without a value"),
        ("$input.path('$.zz')", "without a value"),
        ("$input.path('$.a')", "a map as text"),
        ("$input.path('$.a.b')", "a list as text"),
        ("$input.path('$.é')", "the JSONPath $.é"),
        ("$input.path('$..b')", "the JSONPath $..b"),
        ("$input.json('$.zz')", "a payload that has no such value"),
        ("$input.params().header.X-Who", "a hyphen after"),
        ("$context.authorizer.principalId", "$context.authorizer"),
        ("$util.toJson('x')", "$util.toJson"),
        ("$input.nothing", "$input.nothing"),
        ("#set($t = 'x')$t.upper()", ".upper of a text"),
        ("#set($t = 'x')$t.toUpperCase()", ".toUpperCase of a text"),
        ("#set($t = 'x')$t.length", ".length of a text"),
        ("#set($t = 'x')$t.replaceAll('[x]', 'y')", "replaceAll with the regular expression"),
        ("#set($t = 'x')$t.replaceAll('x', '$1')", "replaceAll with the replacement"),
        (r"""#set($t = "a\nb")$t""", "the backslash in"),
        ("#if($input.path('$.e'))x#end", "the condition ''"),
        ("#if('1' == 1)x#end", "a text == the value 1"),
        ("#if($none == 'x')x#end", "null == a text"),
        ("#if('a' < 'b')x#end", "a text < a text"),
        ("#set($x = 1.5 + 1.5)$x", "the value 1.5 + the value 1.5"),
        ("#set($x = 7 / 2)$x", "the value 7 / the value 2"),
        ("#foreach($x in $input.params())$x#end", "#foreach through a map"),
        ("#set($l = [1])$l[3]", "index 3 of a list"),
        ("#set($x = 12345678.5)$x", "the value 12345678.5 as text"),
        ("$util.base64Encode(5)", "instead of a text"),
        ("#set($context.responseOverride.status = 'x')", "$context.responseOverride.status = 'x'"),
        ("#set($context.responseOverride.other = 1)", "$context.responseOverride.other = 1"),
    ],
)
def test_a_template_is_refused(template, what):
    with pytest.raises(NotEmulatedError) as caught:
        render(template)
    assert f"does not emulate {what}" in caught.value.message or what in caught.value.message


@pytest.mark.parametrize(
    ("template", "type_"),
    [
        ("$input.json('$')", "BAD_REQUEST_BODY"),
        ("$util.parseJson('no json')", "API_CONFIGURATION_ERROR"),
        ("$util.base64Decode('no base64')", "API_CONFIGURATION_ERROR"),
    ],
)
def test_a_template_fails_on_aws_too(template, type_):
    with pytest.raises(GatewayError) as caught:
        render(template, "no json")
    assert caught.value.type == type_


def test_a_path_leads_to_nothing():
    for path in ("$.a.b", "$[0]", "$.c[2]", "$.c.d"):
        assert variables.find_path({"a": 1, "c": [1]}, path) is None
