"""Templates of others: their loops, their calls and what they write of a chat are bounded."""

from __future__ import annotations

import json
import threading
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
ROUND = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}BODY{% endfor %}{% endfor %}"
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
    "a kept block": "{% set ns = namespace(x='ab') %}{% for i in range(60) %}"
    "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}{% endfor %}",
    "the content, often": "{% for i in range(99999) %}{% for m in messages %}{{ m.content }}{% endfor %}{% endfor %}",
    "beyond four turns": "{% for m in messages %}{{ m.content }}{% endfor %}{% if messages|length > 4 %}"
    + ROUND.replace("BODY", "")
    + "{% endfor %}{% endif %}",
    "times": "{{ 'a' * 10**9 }}",
    "times, the other way": "{{ 10**9 * 'a' }}",
    "times of a list": "{{ ([0] * 10**9)|length }}",
    "powers": "{{ 10 ** (10 ** 9) }}",
    "powers of powers": "{% set ns = namespace(x=10) %}{% for i in range(60) %}"
    "{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "texts made up": "{{ lipsum(n=10**9) }}",
    "a width of a day": "{{ strftime_now('%1000000000d') }}",
    "loops that go on": "{% for a in range(99999) %}{% for b in range(99999) %}{% continue %}{% endfor %}{% endfor %}",
    "generations": ROUND.replace("BODY", "{% generation %}x{% endgeneration %}") + "{% endfor %}",
    "a long template": "{{ messages[0].content }}" * 100_000,
    "a deep template": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "deep blocks": "{% if 1 %}" * 3000 + "{% endif %}" * 3000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_template_loops_or_calls_for_ever_or_writes_without_end(kind: str) -> None:
    with pytest.raises((TemplateLimit, jinja2.TemplateError, RecursionError, OverflowError, TypeError)):
        ChatTemplate(HOSTILE[kind]).render(CHAT, True)


def test_an_error_is_a_line_that_names_file_and_limit(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path / "tokenizer").path
    plain = json.loads((folder / "tokenizer_config.json").read_text())
    for template, said in (
        (HOSTILE["loops"], "it takes more than [0-9,]+ steps"),
        (HOSTILE["a kept block"], "it makes more than [0-9,]+ characters"),
        (HOSTILE["a long template"], "longer than 65,536 characters"),
        ("{% for %}", "line 1: Expected an expression"),
        ("\n{{ messages[0].content.nothing.more }}", "has no attribute 'nothing'"),
        ("{{ 1 // 0 }}", "zero"),
        ("{{ 1e400 }}", "'inf' is not defined"),
        (HOSTILE["a macro that asks for itself"], "recursion"),
        ("\ue00099\ue001", "no special token after an answer"),
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
