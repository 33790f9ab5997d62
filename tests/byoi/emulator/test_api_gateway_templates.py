"""Mapping templates: what they make, and what of them is refused."""

import json

import pytest

from byoi.emulator.api_gateway import templates, variables
from byoi.emulator.api_gateway.gateway_responses import GatewayError
from byoi.emulator.aws.errors import NotEmulatedError

BODY = (
    '{"a": {"b": [1, 2, {"c": "it\'s \\"so\\"\\n"}]}, '
    '"e": "", "n": 0.5, "t": true, "nil": null, "é": 1e-9}'
)
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
        "esc": variables.Escape(),
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
        (r"a\b \n is no escape", r"a\b \n is no escape"),
        ("#foreach($i in [1..3])$i#end #foreach($i in [2..0])$velocityCount:$i #end",
         "123 1:2 2:1 3:0 "),
        ("#foreach($v in $input.path('$.a'))$v.size()#end", "3"),
        ("#foreach($i in [1, 2])  \n$i\n#end\n#if(true)\nx\n#end\ny", "1\n2\nx\ny"),
        ("#foreach($v in {})x#end|#foreach($v in $none)x#end", "|"),
        ("#set($l = [[1, 2], [3]])$l[0][1] $l.get(1).get(0) $l[1].size()", "2 3 1"),
        ("#if($none == 'x')a#{else}b#end#if($none != 'x')c#end#if($none == $other)d#end", "bcd"),
        ("#if('1' == 1)a#end#if('0.5' == 0.5)b#end#if('true' == true)c#end#if(1 == 1.0)d#end",
         "abcd"),
        ("#if($none && $none.length() > 0)a#{else}b#end", "b"),
        ("#if(true || $none.x > 0)a#end", "a"),
        ("#set($x = 1 + 2 * 3 - 8 / 2)$x #set($y = (1 + 2) * 3)$y #set($z = 10 - 3 - 2)$z",
         "3 9 5"),
        ("#if(1 == 2 != true)a#{else}b#end#if(false && true || true)c#end", "ac"),
        ("#set($m = {})#set($x = $m.put('k', 1))$m.k$!x #set($x = $m.remove('k'))$m.size()$x",
         "1 01"),
        ("#foreach($e in $input.params().path.entrySet())$e.key=$e.value $e.getKey()#end",
         "id=7 id"),
        ("$stageVariables.get('model') #foreach($k in $stageVariables.keySet())$k#end",
         "m model"),
        ("#set($x = 1)#set($x = $none)#set($x = 2)$x", "2"),
        ("$esc.newline|$esc.q$esc.s$esc.d$esc.h$esc.backslash$esc.e", "\n|\"'$#\\!"),
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
        (r"\$x", r"\$"),
        ("#if($x", "a mapping template with"),
        ("$nothing", "$nothing without a value"),
        ("$input.path('$.zz')", "without a value"),
        ("$input.path('$.a')", "a map as text"),
        ("$input.path('$.a.b')", "a list as text"),
        ("$input.path('$.é')", "the JSONPath $.é"),
        ("$input.path('$..b')", "the JSONPath $..b"),
        ("$input.params().header.X-Who", "a hyphen after"),
        ("$context.authorizer.principalId", "$context.authorizer"),
        ("$util.toJson('x')", "$util.toJson"),
        ("$input.nothing", "$input.nothing"),
        ("#set($t = 'x')$t.upper()", ".upper of a text"),
        ("#set($t = 'x')$t.length", ".length of a text"),
        ("#set($t = 'x')$t.replaceAll('(x)', 'y')", "replaceAll with the regular expression '(x)'"),
        ("#set($t = 'x')$t.split('x*')", "split with the regular expression 'x*'"),
        ("#set($t = 'x')$t.split('')", "split with the regular expression ''"),
        ("#set($t = 'x')$t.split('.')", "split with the regular expression '.'"),
        ("#set($t = 'x')$t.split('|x')", "split with the regular expression '|x'"),
        ("#set($t = 'x')$t.split('^x')", "split with the regular expression '^x'"),
        ("#set($t = 'x')$t.replaceAll('[a-z&&[^b]]', '')", "replaceAll with the regular"),
        (r"#set($t = 'x')$t.replaceAll('\\p{L}', '')", "replaceAll with the regular expression"),
        (r"#set($t = 'x')$t.replaceAll('\u0041', '')", "the backslash in"),
        ("#set($t = 'x')$t.substring(2)", "substring(2, 1) of a text of 1 characters"),
        ("#set($t = 'x')$t.substring('0')", "substring(0, 1) of a text"),
        ("#set($t = 'x')$t.contains(1)", ".contains(the value 1) of a text"),
        ("#set($t = '😀')$t.indexOf('x')", "beyond U+FFFF"),
        ("#set($x = 1 / 0)$x", "the value 1 / zero"),
        ("#set($x = 1.0 % 0.0)$x", "the value 1.0 % zero"),
        ("#set($x = 9007199254740993 * 1.5)$x", "beyond 2^53"),
        ("#set($x = 'a' - 1)$x", "a text - the value 1"),
        ("#set($x = 'a' + $none)$x", "a text + null"),
        ("#set($x = 'a' + [1])$x", "a list as text"),
        ("#if($input.path('$.a') == 'x')x#end", "a map == a text"),
        ("#if($n == null)x#end", "null in a mapping template"),
        ("#set($x = 1)#set($x = $none)$x", "$x after an assignment of no value over another value"),
        ("#set($m = {'a': 1, 'b': 2})#foreach($k in $m.keySet())$k#end", "the order of a map"),
        ("#foreach($x in 'text')$x#end", "#foreach through a text"),
        ("#foreach($x in [1..$none])$x#end", "the range from the value 1 to null"),
        ("#foreach($x in [1..999999])$x#end", "a range of more than 100000 numbers"),
        ("#foreach($x in ['a'])$foreach.parent#end", "$foreach.parent"),
        ("#set($l = 'a,b'.split(','))", "a mapping template with"),
        ("#set($t = 'a,b')#set($ok = $t.split(',').add('c'))", ".add of an array"),
        ("#set($m = {'a': 1})$m.keySet().get(0)", ".get of a collection"),
        ("#foreach($x in [1])#break#end", "#break"),
        ("#If(true)x#end", "#If in capitals"),
        ("#if(TRUE)x#end", "TRUE in capitals"),
        ("# set( $x = 1 )", "# set("),
        ("#{if}(true)x#end", "#{if}"),
        ("#[[raw]]#", "#[["),
        ("#@m()x#end", "#@m"),
        ("\uf8ff", "U+F8FF"),
        ("$esc.javascript('x')", "$esc.javascript"),
        ("$input.json('$.nil')", "$input.json('$.nil') of a null"),
        ("#set($t = 'x')$t.replaceAll('x', '$1')", "replaceAll with the replacement"),
        (r"""#set($t = "a\nb")$t""", "the backslash in"),
        ("#if($input.path('$.e'))x#end", "the condition ''"),
        ("#if('a' < 'b')x#end", "a text < a text"),
        ("#set($l = [1])$l[3]", "index 3 of a list"),
        ("$util.urlDecode('5%')", "$util.urlDecode of '5%'"),
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


@pytest.mark.parametrize(
    ("json", "java"),
    [
        ("0.53", "0.53"),
        ("0.0001", "1.0E-4"),
        ("0.001", "0.001"),
        ("0.00099", "9.9E-4"),
        ("1e-9", "1.0E-9"),
        ("1.5e-10", "1.5E-10"),
        ("1.0", "1.0"),
        ("-2.50", "-2.5"),
        ("0.0", "0.0"),
        ("-0.0", "-0.0"),
        ("1e2", "100.0"),
        ("9999999.5", "9999999.5"),
        ("10000000.0", "1.0E7"),
        ("12345678.5", "1.23456785E7"),
        ("-1e10", "-1.0E10"),
        ("1e300", "1.0E300"),
        ("5e-324", "4.9E-324"),
        ("7", "7"),
        ("-12345678901234567890", "-12345678901234567890"),
    ],
)
def test_a_number_is_written_as_java_writes_it(json, java):
    body = f'{{"p": {json}, "l": [{json}]}}'
    template = "$input.path('$.p') $input.json('$.p') $input.json('$.l') $input.path('$.l[0]')"
    assert render(template, body)[0] == f"{java} {java} [{java}] {java}"
    # The payload itself passes as it is.
    assert render("$input.body", body)[0] == body


@pytest.mark.parametrize(
    ("expression", "made"),
    [
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("7 / 2.0", "3.5"),
        ("-7 % 3", "-1"),
        ("7.5 % 2", "1.5"),
        ("1.5 + 1.5", "3.0"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("0.0002 / 2", "1.0E-4"),
        ("2147483647 + 1", "2147483648"),
        ("9223372036854775807 + 1", "9223372036854775808"),
        ("'p=' + 0.0001", "p=1.0E-4"),
        ("1 + 'a' + 2.0 + true", "1a2.0true"),
        ("2 > 1.5", "true"),
        ("1 >= 1.0", "true"),
    ],
)
def test_an_expression(expression, made):
    assert render(f"#set($x = {expression})$x")[0] == made


@pytest.mark.parametrize(
    ("text", "call", "made"),
    [
        ("a,b,c", "split(',').size()", "3"),
        ("a,b,,", "split(',').size()", "2"),
        (",a", "split(',')[0].isEmpty()", "true"),
        (",,", "split(',').isEmpty()", "true"),
        ("", "split(',').size()", "1"),
        ("abc", "split(',').get(0)", "abc"),
        ("a,b,c", "split(',', 2).get(1)", "b,c"),
        ("a b \t c", r"split('\s+').get(2)", "c"),
        ("a|b", r"split('\|')[1]", "b"),
        ("a|b", "split('[|]')[1]", "b"),
        ("a.b", r'split("\.").size()', "2"),
        ("a,b;c", "split(',|;').get(2)", "c"),
        ("a,b;c", "split('[,;]').get(1)", "b"),
        ("[1, 2]", r"replaceAll('[\[\]\s]', '')", "1,2"),
        ("a1b22", "replaceAll('[0-9]+', '#')", "a#b#"),
        ("a1b22", r"replaceAll('\d{2}', '')", "a1b"),
        ("a\nb", r"replaceAll('\n', ' ')", "a b"),
        ("a'b", r"""replaceAll("'", "\\")""", "a\\b"),
        ("aXbX", "replaceFirst('X', '-')", "a-bX"),
        ("a.b", "replace('.', '-')", "a-b"),
        ("12", "matches('[0-9]+')", "true"),
        ("é", r"matches('\w')", "false"),
        (" \t a b\u00a0 ", "trim()", "a b\u00a0"),
        ("hello", "substring(1)", "ello"),
        ("hello", "substring(1, 3)", "el"),
        ("hello", "substring(5).length()", "0"),
        ("hello", "indexOf('l')", "2"),
        ("hello", "indexOf('l', 3)", "3"),
        ("hello", "lastIndexOf('l')", "3"),
        ("hello", "indexOf('z')", "-1"),
        ("aÉ", "toLowerCase()", "aé"),
        ("aé", "toUpperCase()", "AÉ"),
        ("a", "concat('b')", "ab"),
        ("Ab", "equalsIgnoreCase('aB')", "true"),
        ("1", "equals(1)", "false"),
        ("😀", "length()", "2"),
        ("a", "toString()", "a"),
    ],
)
def test_a_method_of_a_text(text, call, made):
    body = json.dumps({"t": text})
    assert render(f"#set($t = $input.path('$.t'))$t.{call}", body)[0] == made


@pytest.mark.parametrize(
    ("call", "made"),
    [
        ("contains(1)", "true"),
        ("contains(1.0)", "false"),
        ("contains(true)", "false"),
        ("indexOf('b')", "1"),
        ("indexOf('z')", "-1"),
        ("set(0, 'n')", "1"),
        ("addAll(['x', 'y'])", "true"),
        ("equals([1, 'b'])", "true"),
        ("equals([1.0, 'b'])", "false"),
    ],
)
def test_a_method_of_a_list(call, made):
    assert render(f"#set($l = [1, 'b'])$l.{call}")[0] == made


def test_a_character_of_private_use_passes_in_a_payload():
    body = '{"logo": "\uf8ff"}'
    assert render("$input.path('$.logo')", body)[0] == "\uf8ff"


def test_nan_is_not_json():
    with pytest.raises(GatewayError):
        render("$input.json('$')", '{"p": NaN}')


def test_what_is_not_known_of_a_missing_field_and_of_esc_is_said():
    said = []
    found = variables.Input("{}", {}, GatewayError, said.append)
    assert found["json"]("$.none") == '""'
    assert variables.Escape(said.append)["newline"] == "\n"
    assert said == [variables.MISSING_FIELD, variables.ESCAPE]
