"""The command line. A command is a thin call into one package."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmworks.errors import LmworksError, UsageError

if TYPE_CHECKING:
    from lmworks.plan.plan import Plan
    from lmworks.search.runs import Outcome

app = typer.Typer(
    name="lmworks",
    help="Build a language model from one recipe: data, training, evaluation, serving.\n\n"
    "Example: lmworks build recipes/quickstart.yaml && lmworks serve",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data", help="Look into the data.")

RecipeArgument = Annotated[
    Path | None,
    typer.Argument(metavar="RECIPE", help="A recipe file; by default the one last built in this folder."),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B=C", help="Override a field: --set pretrain.steps=60.")
]
StoreOption = Annotated[
    Path | None, typer.Option("--store", help="Folder of artifacts; by default .lmworks beside the recipe.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
ShowPersonalOption = Annotated[
    bool, typer.Option("--show-personal", help="Show personal data where no step has anonymised it yet.")
]
ARTIFACT_HELP = "A step of the last build, or the beginning of a digest."


def main() -> None:
    """Run a command. A fault becomes one message and an exit code."""
    try:
        app()
    except LmworksError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        print(f"{error.filename or 'the system'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))


def _say_counted(plan: Plan) -> None:
    print(f"{plan.in_words()}\nThis machine is being measured for half a minute; the plan may change.", file=sys.stderr)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the new recipe, made when missing.")] = Path(),
    use_case: Annotated[str | None, typer.Option(help="What the model is for.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of documents; `docs/sources.md` lists forms.")] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX licence of the data, such as CC-BY-4.0.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Minutes that a first build may take.")] = None,
    task: Annotated[str | None, typer.Option(help="What it does: write, chat, classify …")] = None,
    distance: Annotated[str | None, typer.Option(help="Of your texts from public ones: near, some, far.")] = None,
    privacy: Annotated[str | None, typer.Option(help="Of your texts: public, internal, confidential, secret.")] = None,
    budget_usd: Annotated[float | None, typer.Option(help="Dollars for training and a year of use.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take defaults.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a commented recipe for your own data.

    Example: lmworks init my-model --use-case "help desk answers" --data ./articles --licence CC-BY-4.0 --yes
    """
    from lmworks.plan.starter import Answers, advice, write_recipe
    from lmworks.recipe import parse_needs

    def answer(given: Any, question: str, default: Any) -> Any:
        return given if given is not None else default if yes else typer.prompt(question, default=default)

    answers = Answers(
        use_case=answer(use_case, "What is the model for?", "writing in the style of our documents"),
        data=Path(answer(data, "Folder with your documents", "documents")),
        licence=answer(licence, "Licence of these documents (SPDX)", "LicenseRef-internal"),
        minutes=float(answer(minutes, "Minutes that a first build may take", 7)),
        needs=parse_needs(
            task=answer(task, "Task: chat, write, translate, summarise, classify, extract or search", "write"),
            distance=answer(distance, "How far are your texts from public ones: near, some or far", "some"),
            privacy=answer(privacy, "Your texts are public, internal, confidential or secret", "internal"),
            budget_usd=answer(budget_usd, "Dollars for training and a year of use", 10_000),
        ),
    )
    path, told = write_recipe(folder, answers), advice(answers)
    if as_json:
        _print_json({"recipe": str(path), "verdict": told})
    else:
        print(f"wrote {path}\n{told}\nnext: lmworks plan {path}, then lmworks build {path}")


@app.command()
def plan(
    recipe: RecipeArgument = None,
    measure: Annotated[bool, typer.Option("--measure", help="Measure this machine for some seconds.")] = False,
    replan: Annotated[bool, typer.Option("--replan", help="Forget the stored plan.")] = False,
    prices: Annotated[Path | None, typer.Option(help="JSON that replaces devices, prices, grids, constants.")] = None,
    picture: Annotated[Path | None, typer.Option(help="SVG to draw owning against renting in.")] = None,
    settings: SetOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show whether to train, what a build would take, and, where the recipe has `needs`, machines, money and months.

    Example: lmworks plan recipes/quickstart.yaml
    """
    from lmworks.plan.plan import forecast_of
    from lmworks.release.outcome import in_words, outcome
    from lmworks.workspace import open_workspace

    announce = None if as_json else _say_counted
    workspace = open_workspace(recipe, settings or (), store, measure=measure, replan=replan, announce=announce)
    told = forecast_of(workspace.recipe, workspace.folder, prices)
    if not told and (prices or picture):
        raise UsageError("--prices and --picture: this recipe has no section `needs`; docs/plan.md shows one")
    if told and picture:
        from lmworks.pipeline.files import write_atomically
        from lmworks.release.charts import own_or_rent

        write_atomically(picture, own_or_rent(told.months))
    if as_json:
        _print_json(workspace.plan.as_json() | ({"forecast": told.as_json()} if told else {}))
    else:
        if told:
            print(told.in_words(min(120, shutil.get_terminal_size().columns)), end="\n\n")
        print(workspace.plan.in_words())
        artifacts = (workspace.build.look(node)[0] for node in workspace.build.nodes)
        print(in_words(row for artifact in artifacts if artifact for row in outcome(artifact.manifest)), end="")


@app.command()
def build(
    recipe: RecipeArgument = None,
    until: Annotated[str | None, typer.Option(metavar="STEP", help="Stop after this step.")] = None,
    rebuild: Annotated[list[str] | None, typer.Option(metavar="STEP", help="Make this step again.")] = None,
    on: Annotated[
        str, typer.Option(metavar="PLACE", help="Where document steps run: local, ray or ray://HOST:PORT.")
    ] = "local",
    settings: SetOption = None,
    store: StoreOption = None,
    replan: Annotated[bool, typer.Option("--replan", help="Forget the stored plan.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Build what is missing or stale, and say why.

    Example: lmworks build recipes/quickstart.yaml --set pretrain.steps=60
    """
    from lmworks.pipeline.display import make_display
    from lmworks.pipeline.ray_workers import parse_place
    from lmworks.release.report import write_report
    from lmworks.workspace import open_workspace, run

    ray = parse_place(on)
    announce = None if as_json else _say_counted
    workspace = open_workspace(
        recipe, settings or (), store, measure=True, replan=replan, until=until, announce=announce
    )
    if not as_json:
        print(workspace.plan.in_words(), file=sys.stderr)
    display = make_display()
    try:
        artifacts = run(workspace, display, until=until, rebuild=rebuild or (), ray=ray)
    finally:
        display.close()
    report_path = write_report(workspace.store, workspace.recipe.name)
    if as_json:
        _print_json({name: {"stage": item.stage, "key": item.key} for name, item in artifacts.items()})
    else:
        print(f"report: {report_path}")
        if workspace.recipe.serve and not until:
            print("next: lmworks serve")


@app.command()
def train(
    recipe: RecipeArgument = None,
    model: Annotated[str | None, typer.Argument(help="A model of the recipe; by default the first.")] = None,
    check: Annotated[
        bool, typer.Option("--verify-resume", help="Train twelve steps straight, and killed again and again.")
    ] = False,
    settings: SetOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether a model's training, killed and continued, ends with the same bits; `build` is what trains.

    Example: lmworks train --verify-resume recipes/quickstart.yaml pretrain
    """
    from dataclasses import asdict

    from lmworks.pipeline.display import make_display
    from lmworks.verify_resume import verify_resume
    from lmworks.workspace import open_workspace

    if not check:
        raise UsageError("models are trained by `lmworks build --until MODEL`; `lmworks train` takes --verify-resume")
    display = make_display()
    try:
        verdict = verify_resume(open_workspace(recipe, settings or (), store, measure=True), model, display)
    finally:
        display.close()
    if as_json:
        _print_json(asdict(verdict))
    else:
        print(verdict.in_words())
    if verdict.different:
        raise LmworksError("a continued run is not the same run: report the line above with the recipe")


@app.command()
def status(
    recipe: RecipeArgument = None, settings: SetOption = None, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Say for each step whether it is built, and why not.

    Example: lmworks status
    """
    from lmworks.workspace import open_workspace

    workspace = open_workspace(recipe, settings or (), store)
    rows = []
    for node in workspace.build.nodes:
        artifact, reason = workspace.build.look(node)
        rows.append({"step": node.name, "built": artifact is not None, "reason": reason})
    if as_json:
        _print_json(rows)
        return
    width = max(len(str(row["step"])) for row in rows)
    for row in rows:
        print(f"{'built' if row['built'] else 'stale':6} {row['step']:{width}}  {row['reason']}".rstrip())


@app.command()
def show(
    artifact: Annotated[str, typer.Argument(help=ARTIFACT_HELP)],
    path: Annotated[bool, typer.Option("--path", help="Print only the folder of its files.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a step's counts, figures and examples, or where its files lie.

    Example: lmworks show corpus
    """
    from lmworks.release.show import describe
    from lmworks.workspace import open_store

    found = open_store(store).named(artifact)
    if path:
        print(found.payload.resolve())
    elif as_json:
        _print_json(found.manifest)
    else:
        print(describe(found))


@app.command()
def trace(
    artifact: Annotated[str | None, typer.Argument(help=f"{ARTIFACT_HELP} By default the served model.")] = None,
    answer: Annotated[
        str | None, typer.Option(help="Find the training passages that share most text with this answer.")
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what an artifact was made from, down to each source file, and whether a file was edited since.

    Example: lmworks trace finetune
    """
    from lmworks.release.trace import trace_answer, trace_lineage
    from lmworks.workspace import open_store

    opened = open_store(store)
    found = opened.named(artifact) if artifact else opened.served()
    traced = trace_lineage(opened, found) if answer is None else trace_answer(opened, found, answer)
    if as_json:
        _print_json(traced.as_json())
    else:
        print(traced.in_words())


@app.command()
def report(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Write the report of the last build again, and print where it is.

    Example: lmworks report
    """
    from lmworks.release.report import write_report
    from lmworks.workspace import open_store

    path = write_report(open_store(store))
    if as_json:
        _print_json({"report": str(path)})
    else:
        print(path)


@data_app.command("find")
def find_data(
    value: Annotated[
        str, typer.Argument(help="A person as the data names the subject, or an e-mail address, a number …")
    ],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the documents that a person's data stood in before it was anonymised: their ids, kind and step.

    Example: lmworks data find jane@example.org
    """
    from lmworks.data.privacy.index import find_person
    from lmworks.release.built import Built
    from lmworks.workspace import open_store

    opened = open_store(store)
    places = find_person(value, opened.all(), Built.open(opened).recipe.parent)
    if as_json:
        _print_json([place._asdict() for place in places])
        return
    for place in places:
        print(f"{place.document}  {place.kind:13}  {place.step}")
    if not places:
        print("no document holds it", file=sys.stderr)


@app.command()
def serve(
    model: Annotated[str | None, typer.Argument(help=f"{ARTIFACT_HELP} By default the recipe's serve.model.")] = None,
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8000,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve a model: an OpenAI-compatible API and a chat page, on this machine only.

    Example: lmworks serve finetune --port 8000
    """
    from lmworks.release.serving import serve_artifact
    from lmworks.workspace import open_store

    opened = open_store(store)
    serve_artifact(opened, opened.named(model) if model else opened.served(), port=port, as_json=as_json)


@app.command()
def watch(
    model: Annotated[str | None, typer.Argument(help="A model step; by default the training that wrote last.")] = None,
    page: Annotated[bool, typer.Option("--page", help="Serve a page instead, on this machine only.")] = False,
    port: Annotated[int, typer.Option(help="Port of the page.")] = 8010,
    store: StoreOption = None,
) -> None:
    """Watch a training: loss, rates, memory and samples, while `lmworks build` runs elsewhere.

    Example: lmworks watch pretrain --page
    """
    from lmworks.watch.follow import find_run
    from lmworks.workspace import open_store

    opened = open_store(store)
    path = find_run(opened, model)
    if page:
        from lmworks.watch.page import serve_page

        serve_page(lambda: find_run(opened, model), port, lambda address: print(address, flush=True))
    else:
        from lmworks.watch.terminal import follow

        follow(path)


@app.command()
def launch(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe file on a disk that all nodes see.")],
    model: Annotated[str, typer.Argument(help="The model step to train with many processes.")],
    nodes: Annotated[int, typer.Option(help="Machines.")] = 1,
    gpus_per_node: Annotated[int, typer.Option(help="Graphics processors of each, a process for each; 0: none.")] = 8,
    time: Annotated[str, typer.Option(help="Longest time, as Slurm writes it: D-HH:MM:SS.")] = "1-00:00:00",
) -> None:
    """Write a Slurm batch script that builds a recipe with a process for each device.

    Example: lmworks launch recipes/quickstart.yaml pretrain --nodes 2 > job.sh && sbatch job.sh
    """
    from lmworks.train.slurm import slurm_script
    from lmworks.workspace import recipe_name

    command = ["lmworks", "build", str(recipe), "--set", f"{model}.processes={nodes * max(1, gpus_per_node)}"]
    name = recipe_name(recipe)
    print(slurm_script(name, command, nodes=nodes, gpus_per_node=gpus_per_node, time=time), end="")


@app.command()
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=ARTIFACT_HELP)],
    form: Annotated[str, typer.Option(help="Of the file: gguf, which llama.cpp loads.")] = "gguf",
    file_type: Annotated[str, typer.Option("--type", help="Of the matrices: f32, f16 or q8_0.")] = "f16",
    out: Annotated[Path | None, typer.Option(help="Where to; by default MODEL-TYPE.gguf in this folder.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model in a form that other programs load.

    Example: lmworks export finetune --form gguf --type q8_0
    """
    from lmworks.model.gguf import FILE_TYPES, write_gguf
    from lmworks.workspace import open_store

    if form != "gguf" or file_type not in FILE_TYPES:
        raise UsageError(f"--form {form} --type {file_type}: expected gguf and one of {', '.join(FILE_TYPES)}")
    path = out or Path(f"{model}-{file_type}.gguf")
    write_gguf(open_store(store).named(model).payload, path, file_type)
    if as_json:
        _print_json({"file": str(path), "bytes": path.stat().st_size})
    else:
        print(f"wrote {path}, {path.stat().st_size / 1e6:,.1f} MB")


@app.command()
def erase(
    wanted: Annotated[
        list[str],
        typer.Argument(
            metavar="DOCUMENT|VALUE...", help="Ids of documents to forget, or what `lmworks data find` finds them by."
        ),
    ],
    apply: Annotated[bool, typer.Option("--apply", help="Delete; without it only list.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List everything made from some documents, and with --apply delete it and never read them again.

    Example: lmworks erase 38eb0f6dae9eda1617ab6ca9570e3054
    """
    from lmworks.data.privacy.index import documents_of
    from lmworks.data.sources.sql import forget_rows
    from lmworks.pipeline.erasure import add_erased, delete, holders
    from lmworks.release.built import Built, is_model
    from lmworks.workspace import open_store

    opened = open_store(store)
    folder = Built.open(opened).recipe.parent
    documents = documents_of(wanted, list(opened.all()), folder)
    with opened.in_use(lambda line: print(line, file=sys.stderr), alone=True):
        found = holders(opened, documents)
        if not found:
            raise LmworksError("nothing in this store was made from these documents; `lmworks trace` names ids")
        if apply:
            add_erased(folder, documents)
            forget_rows((item.manifest["config"] for item in found if item.stage == "ingest"), folder)
            delete(opened, found)
    if as_json:
        rows = [{"step": item.manifest["step"], "key": item.key, "model": is_model(item)} for item in found]
        _print_json({"erased": apply, "held_by": rows})
        return
    for item in found:
        seen = "  weights that saw the text: retire every copy given away" if is_model(item) else ""
        print(f"{item.manifest['step']}{seen}")
    print("deleted; make the rest anew with `lmworks build`" if apply else "these would be deleted with --apply")


@app.command()
def gc(
    apply: Annotated[bool, typer.Option("--apply", help="Delete; without it only list.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what no recipe's last build needs, and delete it with --apply.

    Example: lmworks gc
    """
    from lmworks.pipeline.lineage import remove, unused
    from lmworks.workspace import open_store

    opened = open_store(store)
    with opened.in_use(lambda line: print(line, file=sys.stderr), alone=True):
        waste = unused(opened)
        if apply:
            for item in waste:
                remove(item)
    if as_json:
        _print_json([{"path": str(item.path), "bytes": item.bytes, "deleted": apply} for item in waste])
        return
    for item in waste:
        print(f"{item.bytes / 1e6:10.1f} MB  {item.label}")
    total = sum(item.bytes for item in waste) / 1e6
    print(f"{total:10.1f} MB  {'deleted' if apply else 'can be deleted with --apply'}")


@data_app.command("sources")
def data_sources(as_json: JsonOption = False) -> None:
    """List the well-known data sets that a recipe can name, with licence, life stage, domain and size.

    Example: lmworks data sources
    """
    from dataclasses import asdict

    from lmworks.data.sources.dataset import adapters

    if as_json:
        _print_json({name: asdict(adapter) for name, adapter in adapters().items()})
        return
    for name, adapter in adapters().items():
        print(f"{name:24} {adapter.stage:12} {adapter.domain:24} {adapter.licence or 'each record its own'}")
        print(f"{'':24} {adapter.title}: {adapter.size}\n{'':24} {adapter.files}\n{'':24} {adapter.citation}")


@data_app.command("inspect")
def inspect_data(
    step: Annotated[str | None, typer.Argument(help="A data step of the last build; by default all of them.")] = None,
    reason: Annotated[str, typer.Option(help="Only reasons that begin so, such as `near`.")] = "",
    count: Annotated[int, typer.Option(min=1, help="Documents shown for each reason.")] = 3,
    seed: Annotated[int, typer.Option(help="Another number shows other documents.")] = 0,
    show_personal: ShowPersonalOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show random documents that a step dropped or changed, by reason, before and after.

    Example: lmworks data inspect corpus --reason near --count 5
    """
    from dataclasses import asdict

    from lmworks.release.built import Built
    from lmworks.release.changes import changes_of, inspectable
    from lmworks.release.inspect import in_words
    from lmworks.workspace import open_store

    built = Built.open(open_store(store))
    steps = [step] if step else inspectable(built)
    found = [changes_of(built, name, count, seed, personal=show_personal, only=reason) for name in steps]
    if as_json:
        _print_json([asdict(each) for each in found])
    else:
        print("\n\n".join(map(in_words, found)))
    if reason and not any(each.counted or each.examples for each in found):
        print(f"no reason begins with {reason!r}; without --reason all are shown", file=sys.stderr)


@data_app.command("report")
def data_report(recipe: RecipeArgument = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Write a report of the data of a recipe's last build, and print where it is.

    Example: lmworks data report
    """
    from lmworks.release.data_report import write_data_report
    from lmworks.workspace import open_store, recipe_name

    opened = open_store(store or (recipe.parent / ".lmworks" if recipe else None))
    path = write_data_report(opened, recipe_name(recipe) if recipe else None)
    if as_json:
        _print_json({"report": str(path)})
    else:
        print(path)


@data_app.command("sample")
def sample_data(
    step: Annotated[str, typer.Argument(help="A step of the last build that has documents, or a part: split.train.")],
    guidelines: Annotated[Path, typer.Option(help="A text file that tells the experts how to judge.")],
    out: Annotated[Path, typer.Option(help="Folder for the sample, made when missing.")],
    count: Annotated[int, typer.Option(min=1, help="Documents in the sample.")] = 100,
    label: Annotated[list[str] | None, typer.Option(help="A verdict to choose; by default accept and reject.")] = None,
    seed: Annotated[int, typer.Option(help="Another number draws other documents.")] = 0,
    show_personal: ShowPersonalOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a sample for domain experts, with a page on which they judge it.

    Example: lmworks data sample corpus --count 100 --guidelines guidelines.md --out for-experts
    """
    from lmworks.release.annotation import write_sample
    from lmworks.release.built import Built
    from lmworks.workspace import open_store

    built, labels = Built.open(open_store(store)), label or ["accept", "reject"]
    drawn = write_sample(built, step, count, guidelines, out, labels, seed, personal=show_personal)
    if as_json:
        _print_json({"documents": drawn, "page": str(out / "annotate.html")})
    else:
        print(f"{drawn:,} documents; experts open {out / 'annotate.html'}")


@data_app.command("blend")
def blend(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe whose model is trained on a mixture.")],
    mix: Annotated[str, typer.Option(metavar="STEP", help="The step of kind `mix`.")],
    part: Annotated[str, typer.Option(help="The part whose share is varied; the others keep their proportions.")],
    ratios: Annotated[str, typer.Option(help="Shares of that part.")] = "0,0.25,0.5,0.75,1",
    settings: SetOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train at several blend ratios, and show what each part's validation text gains and loses.

    Example: lmworks data blend recipes/domain-and-general.yaml --mix mixed --part domain --ratios 0,0.5,1
    """
    from lmworks.pipeline.display import make_display
    from lmworks.search.blend import sweep

    try:
        shares = [float(ratio) for ratio in ratios.split(",")]
    except ValueError:
        raise UsageError(f"--ratios {ratios}: expected numbers from 0 to 1, such as 0,0.5,1") from None
    display = make_display()
    try:
        found, picture = sweep(recipe, settings or (), store, mix, part, shares, display)
    finally:
        display.close()
    if as_json:
        _print_json(found.as_json())
    else:
        print(f"{found.in_words()}\npicture: {picture}")


ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="A model of the recipe that has validation data.")]
FileArgument = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe file.")]


@app.command()
def search(
    recipe: FileArgument,
    model: ModelArgument,
    over: Annotated[
        list[str], typer.Option(metavar="FIELD=RANGE", help="LOW..HIGH, LOW..HIGH:log or A,B,C; may be repeated.")
    ],
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, those of earlier commands among them.")] = 20,
    minutes: Annotated[float | None, typer.Option(min=0, help="Begin no trial after these.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Trials at once; each on its share of the cores.")] = 1,
    on: Annotated[str, typer.Option(metavar="PLACE", help="Where trials run: local, ray, ray://HOST:PORT.")] = "local",
    seed: Annotated[int, typer.Option(min=0, help="Of the proposals.")] = 0,
    settings: SetOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search settings for the lowest validation loss. The same command goes on where it was stopped.

    Example: lmworks search recipes/quickstart.yaml pretrain --over learning_rate=0.01..0.05:log --set pretrain.steps=99
    """
    from lmworks.pipeline.ray_workers import parse_place
    from lmworks.search.study import search as find

    options: Any = {"trials": trials, "minutes": minutes, "workers": workers, "ray": parse_place(on), "seed": seed}
    _show_outcome(find(recipe, settings or (), store, model, over, **options), as_json)


@app.command()
def scale(
    recipe: FileArgument,
    model: ModelArgument,
    data: Annotated[bool, typer.Option("--data", help="Vary the data, not the model's size.")] = False,
    minutes: Annotated[float, typer.Option(min=0.01, help="What the ladder may take, by the plan's speed.")] = 10.0,
    gain: Annotated[float, typer.Option(help="Data is enough when doubling it gains less than this share.")] = 0.01,
    target: Annotated[float | None, typer.Option(help="Data is enough when this loss is reached.")] = None,
    settings: SetOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict a model's validation loss from five small ones; with --data, how many examples are enough.

    Example: lmworks scale recipes/quickstart.yaml pretrain --set pretrain.steps=4000
    """
    from lmworks.pipeline.display import PlainDisplay
    from lmworks.search.runs import Runs
    from lmworks.search.scale import data_curve
    from lmworks.search.scale import scale as predict

    runs = Runs(recipe, settings or (), store, model, PlainDisplay(sys.stderr))
    _show_outcome(data_curve(runs, gain=gain, target=target) if data else predict(runs, minutes=minutes), as_json)


@app.command()
def bakeoff(
    recipe: FileArgument,
    model: ModelArgument,
    seeds: Annotated[int, typer.Option(min=3, help="Trainings of each; intervals narrow with them.")] = 4,
    settings: SetOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare architectures on the recipe's data at equal compute, over several seeds.

    Example: lmworks bakeoff recipes/quickstart.yaml pretrain --set pretrain.steps=100
    """
    from lmworks.pipeline.display import PlainDisplay
    from lmworks.search.bakeoff import bakeoff as compare
    from lmworks.search.runs import Runs

    runs = Runs(recipe, settings or (), store, model, PlainDisplay(sys.stderr))
    _show_outcome(compare(runs, seeds=seeds), as_json)


def _show_outcome(found: Outcome, as_json: bool) -> None:
    if as_json:
        _print_json(found.figures)
    else:
        print(f"{found.words}\npicture: {found.picture}")
