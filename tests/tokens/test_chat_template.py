"""Templates of others: what they may do with a chat is bounded in steps and in characters, whatever they say."""

from __future__ import annotations

import json
import threading
import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.sandbox import ImmutableSandboxedEnvironment

from corpora import make_tokenizer
from lmworks.errors import LmworksError
from lmworks.tokens.chat_template import ChatTemplate, TemplateLimit
from lmworks.tokens.tokenizer import CHAT_TEMPLATE, Tokenizer

CHAT = [
    {"role": role, "content": f"{role} says {number}"}
    for number in range(2)
    for role in ("system", "user", "assistant")
]
DOUBLE = "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = GROWN %}{% endfor %}{{ ns.x|length }}"
NESTED = "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}" + (
    "{% set ns.y = [ns.y, ns.y] %}{% endfor %}USED"
)
ROUND = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}BODY{% endfor %}{% endfor %}"
TUPLES = "{% set ns = namespace(x=(1,)) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}USED"
KEYS = {
    "attr": "{{ {'x': 1}|attr(ns.x) }}",
    "map": "{{ messages|map(attribute=ns.x)|list }}",
    "selectattr": "{{ messages|selectattr(ns.x)|list }}",
    "sort": "{{ messages|sort(attribute=ns.x) }}",
    "groupby": "{{ messages|groupby(ns.x) }}",
    "a filter's name": "{{ ns.x is filter }}",
    "a test's name": "{{ ns.x is test }}",
    "lower": "{{ ns.x is lower }}",
    "upper": "{{ ns.x is upper }}",
}
LONG = "{% set r = range(99999) %}{% for i in range(9000) %}{% set x = USED %}{% endfor %}"
PASSES = {
    "sum": "r|sum",
    "max": "r|max",
    "in": "1.5 in r",
    "is in": "1.5 is in r",
    "count": "r.count(1.5)",
    "batch": "r|batch(1)|select('none')|first",
    "slice": "r|slice(1)|first",
}
HOSTILE = {
    "loops": ROUND.replace("BODY", "") + "{% endfor %}",
    "loops that pass over all": "{% for a in range(99999) %}{% for b in range(99999) if false %}{% endfor %}"
    "{% endfor %}",
    "loops that write": ROUND.replace("BODY", "x") + "{% endfor %}",
    "data in a macro's loop": "{% macro m() %}{% for a in range(99999) %}"
    + "x" * 9999
    + "{% endfor %}{% endmacro %}{{ m() }}",
    "data that is kept": "{% set x %}{% for a in range(99999) %}" + "x" * 9999 + "{% endfor %}{% endset %}",
    "a macro that asks for itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "macros that branch": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(90) }}",
    "a block that asks for itself": "{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}",
    "loops that descend": "{% for x in [messages] recursive %}{{ loop([messages, messages]) }}{% endfor %}",
    "a range": "{% for i in range(10**9) %}{% endfor %}",
    "times": "{{ 'a' * 10**9 }}",
    "times, the other way": "{{ 10**9 * 'a' }}",
    "times of a list": "{{ ([0] * 10**9)|length }}",
    "powers": "{{ 10 ** (10 ** 9) }}",
    "powers of powers": DOUBLE.replace("'ab'", "10").replace("GROWN", "ns.x * ns.x"),
    "keys in keys": "{% set ns = namespace(x=1) %}{% for i in range(40000) %}{% set ns.x = (ns.x, 1) %}{% endfor %}"
    "{{ {ns.x: 1}|length }}",
    "keys that are sought": "{% set ns = namespace(x=1) %}{% for i in range(40000) %}{% set ns.x = (ns.x, 1) %}"
    "{% endfor %}{{ {'a': 1}[ns.x] }}",
    "lists deep in lists": "{% set ns = namespace(x=1) %}{% for i in range(40000) %}{% set ns.x = [ns.x] %}{% endfor %}"
    "{{ ns.x }}",
    "plus": DOUBLE.replace("GROWN", "ns.x + ns.x"),
    "tilde": DOUBLE.replace("GROWN", "ns.x ~ ns.x"),
    "plus of lists": DOUBLE.replace("'ab'", "[0]").replace("GROWN", "ns.x + ns.x"),
    "join": DOUBLE.replace("GROWN", "[ns.x, ns.x]|join"),
    "join of a text": DOUBLE.replace("GROWN", "ns.x.join(ns.x)"),
    "replace": DOUBLE.replace("GROWN", "ns.x|replace('a', ns.x)"),
    "replace of a text": DOUBLE.replace("GROWN", "ns.x.replace('b', ns.x)"),
    "format": DOUBLE.replace("GROWN", "'{0}{0}'.format(ns.x)"),
    "percent": DOUBLE.replace("GROWN", "'%s%s' % (ns.x, ns.x)"),
    "a filter of percents": DOUBLE.replace("GROWN", "'%s%s'|format(ns.x, ns.x)"),
    "a kept block": DOUBLE.replace("{% set ns.x = GROWN %}", "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}"),
    "lists in lists, shown": NESTED.replace("USED", "{{ ns.x }}"),
    "lists in lists, as JSON": NESTED.replace("USED", "{{ ns.x|tojson }}"),
    "lists in lists, as text": NESTED.replace("USED", "{% set z = ns.x|string %}"),
    "lists in lists, beside a text": NESTED.replace("USED", "{% set z = ns.x ~ '' %}"),
    "lists in lists, upper": NESTED.replace("USED", "{% set z = ns.x|upper %}"),
    "lists in lists, compared": NESTED.replace("USED", "{{ ns.x == ns.y }}"),
    "lists in lists, tested": NESTED.replace("USED", "{{ ns.x is eq ns.y }}"),
    "lists in lists, sought": NESTED.replace("USED", "{{ ns.x in [ns.y] }}"),
    "lists in lists, sorted": NESTED.replace("USED", "{{ [ns.x, ns.y]|sort|length }}"),
    "lists in lists, selected": NESTED.replace("USED", "{{ [ns.x]|select('eq', ns.y)|list|length }}"),
    "lists in lists, changed": NESTED.replace(
        "USED", "{% for z in [ns.x, ns.y] %}{% if loop.changed(z) %}{% endif %}{% endfor %}"
    ),
    "names in names, shown": "{% set n0 = namespace(a=1, b=1) %}"
    + "".join(f"{{% set n{i + 1} = namespace(a=n{i}, b=n{i}) %}}" for i in range(60))
    + "{{ n60 }}",
    "a name that holds itself": "{% set n = namespace() %}{% set n.a = n %}{{ n }}",
    "center": "{{ 'a'|center(10**9) }}",
    "center of a text": "{{ 'a'.center(10**9) }}",
    "ljust": "{{ 'a'.ljust(10**9) }}",
    "zfill": "{{ '1'.zfill(10**9) }}",
    "tabs": "{{ '\t\t'.expandtabs(10**9) }}",
    "a width": "{{ '%1000000000d' % 1 }}",
    "a width from outside": "{{ '%*d' % (10**9, 1) }}",
    "a width beside a name": "{{ '%(x)1000000000d' % {'x': 1} }}",
    "less than nothing": "{% for i in range(9) %}{% set _ = 'a'.center(-10**9) %}{% endfor %}{{ 'a'.center(10**9) }}",
    "a width in a filter": "{{ '%1000000000d'|format(1) }}",
    "a width in a text": "{{ '{:1000000000}'.format(1) }}",
    "a width in Arabic digits": "{{ '{:x>\u0663\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660}'.format('x') }}",
    "a width in a map": "{{ '{x:1000000000}'.format_map({'x': 1}) }}",
    "indent": "{{ 'a\nb'|indent(10**9) }}",
    "indent of JSON": "{{ [1, 2]|tojson(indent=10**9) }}",
    "batch": "{{ [1]|batch(10**9, 0)|list|length }}",
    "slice": "{{ [1]|slice(10**9)|list|length }}",
    "wordwrap": "{{ ('a ' * 1000)|wordwrap(1, wrapstring='x' * 100000)|length }}",
    "round": "{{ 1.5|round(10**9, 'ceil') }}",
    "lipsum": "{{ lipsum(n=10**9) }}",
    "bytes of a number": "{{ (1).to_bytes(10**10, 'big')|length }}",
    "sums of lists": "{{ ([range(9999)|list] * 9999)|sum(start=[])|length }}",
    "elements that nobody takes": "{% for i in range(99999) %}{{ range(99999)|select('none')|first }}{% endfor %}",
    "the content, often": "{% for i in range(99999) %}{% for m in messages %}{{ m.content }}{% endfor %}{% endfor %}",
    "beyond four turns": "{% for m in messages %}{{ m.content }}{% endfor %}{% if messages|length > 4 %}"
    + ROUND.replace("BODY", "")
    + "{% endfor %}{% endif %}",
    **{f"keys in keys, {name}": TUPLES.replace("USED", used) for name, used in KEYS.items()},
    **{f"a range, {name}": LONG.replace("USED", used) for name, used in PASSES.items()},
    "a list, counted": LONG.replace("range(99999)", "[0] * 99999").replace("USED", "r.count(1)"),
    "lists in lists, counted": NESTED.replace("USED", "{{ [ns.x].count(ns.y) }}"),
    "a text, selected": LONG.replace("USED", "('a' * 99999)|select('none')|first"),
    "values, selected": "{% set d = dict(range(99998)|batch(2)).values() %}{% for i in range(9000) %}"
    "{{ d|select('none')|first }}{% endfor %}",
    "values, summed": "{% set d = dict(range(99998)|batch(2)).values() %}{% for i in range(9000) %}"
    "{{ d|sum }}{% endfor %}",
    "a path of names": "{{ (['a'] * 99999)|map(attribute='0.' * 99999 ~ '0')|list|length }}",
    "sums of short lists": "{{ ([[1] * 7] * 20000)|sum(start=[])|length }}",
    "sums of tuples": "{{ ([(1, 2, 3)] * 40000)|sum(start=())|length }}",
    "a width that is odd": "{{ '%1000000000d' is odd }}",
    "a width that is divided": "{{ '%1000000000d' is divisibleby(3) }}",
    "round of a text": "{{ 'a'|round(9, 'ceil') }}",
    "a width of a day": "{{ strftime_now('%1000000000d') }}",
    "loops that go on": "{% for a in range(99999) %}{% for b in range(99999) %}{% continue %}{% endfor %}{% endfor %}",
    "generations": ROUND.replace("BODY", "{% generation %}x{% endgeneration %}") + "{% endfor %}",
    "a long template": "{{ messages[0].content }}" * 100_000,
    "a deep template": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "deep blocks": "{% if 1 %}" * 3000 + "{% endif %}" * 3000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_template_goes_on_for_ever_or_fills_memory(kind: str) -> None:
    with pytest.raises((TemplateLimit, jinja2.TemplateError, RecursionError, OverflowError, TypeError)):
        ChatTemplate(HOSTILE[kind]).render(CHAT, True)


def test_an_error_is_a_line_that_names_file_and_limit(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path / "tokenizer").path
    plain = json.loads((folder / "tokenizer_config.json").read_text())
    for template, said in (
        (HOSTILE["loops"], "it takes more than [0-9,]+ steps"),
        (HOSTILE["times"], "it makes more than [0-9,]+ characters"),
        (HOSTILE["a long template"], "longer than 65,536 characters"),
        ("{% for %}", "line 1: Expected an expression"),
        ("\n{{ messages[0].content.nothing.more }}", "has no attribute 'nothing'"),
        ("{{ 1 // 0 }}", "zero"),
        ("{{ 1e400 }}", "'inf' is not defined"),
        (HOSTILE["a macro that asks for itself"], "recursion"),
        ("\ue00099\ue001", "no special token behind an answer"),
        (["a list"], "found a list"),
    ):
        (folder / "tokenizer_config.json").write_text(json.dumps({**plain, "chat_template": template}))
        with pytest.raises(LmworksError, match=rf"tokenizer_config\.json: chat_template: .*{said}") as caught:
            Tokenizer(folder).encode_chat(CHAT)
        assert "\n" not in str(caught.value)


def test_a_content_is_not_encoded_more_often_than_its_length_allows(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path / "tokenizer").path
    plain = json.loads((folder / "tokenizer_config.json").read_text())
    often = "{% for i in range(9999) %}{{ messages[0].content }}{% endfor %}"
    (folder / "tokenizer_config.json").write_text(json.dumps({**plain, "chat_template": often}))
    with pytest.raises(LmworksError, match="makes more than"):
        Tokenizer(folder).encode_chat([{"role": "user", "content": "word " * 20_000}])


QWEN = """\
{%- if tools %}{{- '<|im_start|>system\\n' }}{%- for tool in tools %}{{- tool | tojson }}{%- endfor %}{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(
        message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if '</think>' in content %}
            {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.last or (not loop.last and reasoning_content) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') }}
            {{- '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""
NAMES = {"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>"}
SOUND = {
    "ours": CHAT_TEMPLATE,
    "qwen": QWEN,
    "mistral": "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ '' }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}{% endif %}{% endfor %}",
    "macros": "{% macro turn(m, sep='|') -%}{{ sep }}{{ m.role|upper }}: {{ caller() if caller else m.content|trim }}"
    "{%- endmacro %}{% for m in messages %}{{ turn(m) }}{% call turn(m, sep='-') %}{{ m.content[:3] }}{% endcall %}"
    "{% else %}none{% endfor %}",
    "a bit of all": "{% set first = messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|list %}"
    "{{ first|join(', ') }}{{ messages|length }}{{ messages|tojson(indent=2) }}{{ messages[1:]|map('length')|sum }}"
    "{% for key, value in messages[0].items() %}{{ '%s=%s' % (key, value) }}"
    "{{ '{} {a}'.format(key, a=value) }}{% endfor %}{% filter upper %}a{{ loop is defined }}{% endfilter %}"
    "{{ 7 // 2 }}{{ 2 ** 10 }}{{ 1.55|round(1) }}"
    "{{ [1, 2] + [3] }}"
    "{% set block %}x{{ messages[-1].content|replace('a', 'b')|indent(2) }}{% endset %}{{ block ~ 1 ~ none }}"
    "{{ nothing|default('y') }}{{ {'a': 1}.get('b', 2) }}{{ ('b', 'a')|sort|first }}{{ 'a-b'.split('-')|last }}"
    "{% for x in range(7) if x % 2 %}{{ loop.index }}/{{ loop.length }}{{ loop.cycle('a', 'b') }}{% endfor %}"
    "{% for x in [[1, [2]]] recursive %}{% if x is iterable %}{{ loop(x) }}{% else %}{{ x }}{% endif %}{% endfor %}"
    "{% autoescape true %}<{{ '<' }}>{% endautoescape %}{{ 'in 2024: %s' % 1 }}{{ '%5.1f' % 1.25 }}"
    "{{ messages is sequence }}{{ 'x'.upper() in ['X'] }}{{ 'abc'|title|center(9) }}{{ '   a'.strip()|e }}",
}


@pytest.mark.parametrize("kind", SOUND)
@pytest.mark.parametrize("asked", [True, False])
def test_a_sound_template_is_rendered_as_jinja_does(kind: str, asked: bool) -> None:
    jinja = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    jinja.filters["tojson"] = partial(json.dumps, ensure_ascii=False)  # as `transformers` has it
    plain = jinja.from_string(SOUND[kind])
    for chat in (CHAT, CHAT[:1], []) if kind != "a bit of all" else (CHAT,):
        assert ChatTemplate(SOUND[kind]).render(chat, asked, **NAMES) == plain.render(
            messages=chat, add_generation_prompt=asked, **NAMES
        )


@pytest.mark.parametrize("kind", SOUND)
def test_a_long_chat_stays_below_the_limits(kind: str) -> None:
    chat = [{"role": role, "content": f"{role} {n} " * 100} for n in range(1000) for role in ("user", "assistant")]
    assert len(ChatTemplate(SOUND[kind]).render(chat, True, **NAMES)) > len(chat)


PLAIN = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(QWEN)
COUNTED = ChatTemplate(QWEN)


@given(st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": st.text()})))
def test_any_chat_is_rendered_as_jinja_does(chat: list[dict[str, str]]) -> None:
    assert COUNTED.render(chat, True) == PLAIN.render(messages=chat, add_generation_prompt=True)


def test_limits_are_of_one_rendering_in_one_thread() -> None:
    template, said = ChatTemplate("{% for i in range(40000) %}{% endfor %}done"), list[Any]()
    threads = [
        threading.Thread(target=lambda: said.extend(template.render(CHAT, True) for _ in range(4))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ["done"] * 16


def test_forms_of_published_templates_are_read() -> None:
    controls = "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ m.role }} "
    controls += "{% if loop.index == 3 %}{% break %}{% endif %}{% endfor %}"
    assert ChatTemplate(controls).render(CHAT, True) == "user assistant "
    marked = "{% set x = 1 %}{% for m in messages[:2] %}{% generation %}{% set x = 2 %}{{ m.role }}{{ loop.index }}"
    assert ChatTemplate(marked + "{% endgeneration %}{{ x }};{% endfor %}").render(CHAT, True) == "system11;user21;"


def test_a_template_that_asks_for_the_day_gets_the_same_one_always() -> None:
    asked = "{{ strftime_now('%d %b %Y|%Y-%m-%d|%-d %B %y, %A %H:%M 100%%') }}"
    assert ChatTemplate(asked).render(CHAT, True) == "26 Jul 2024|2024-07-26|26 July 24, Friday 00:00 100%"
    with pytest.raises(TemplateLimit, match="a date by '%c'"):
        ChatTemplate("{{ strftime_now('%c') }}").render(CHAT, True)


def test_a_width_in_any_digits_is_refused_before_it_takes_memory() -> None:
    template = ChatTemplate("{{ '{:x>\u0663\u0660\u0660\u0660\u0660\u0660\u0660\u0660}'.format('x') }}")
    tracemalloc.start()
    try:
        with pytest.raises(TemplateLimit):
            template.render([], False)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
