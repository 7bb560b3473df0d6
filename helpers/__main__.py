"""The notebooks' headless twin: ``python -m helpers run | build | check``."""

import argparse
import base64
import codecs
import importlib.metadata
import json
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path

from helpers import KitError

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
MINIMUM_VERSIONS = {"pandas": "3", "openpyxl": "3.1", "matplotlib": "3.10", "ipywidgets": "8", "jupyterlab": "4"}
MINIMUM_VERSIONS |= dict.fromkeys(("regex", "zhplot", "nbclient", "ipykernel", "tqdm"), "0")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def gbk_friendly(error: UnicodeError) -> tuple[str, int]:
    """Replace what a console cannot print: the two marks by words, anything else by a question mark."""
    words = {"✓": "[好]", "✗": "[错]"}
    return "".join(words.get(c, "?") for c in error.object[error.start : error.end]), error.end


codecs.register_error("gbk-friendly", gbk_friendly)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    for stream in (sys.stdout, sys.stderr):  # a GBK console cannot print every character
        stream.reconfigure(errors="gbk-friendly")
    warnings.showwarning = lambda warning, *_, **__: print(f"注意：{warning}")
    parser = Parser(prog="python -m helpers", description="高考阅读题微调数据工具箱")
    commands = parser.add_subparsers(dest="command", required=True, metavar="run | build | check")
    run = commands.add_parser("run", help="依次运行全部 notebook（在副本上运行，不改动 notebooks/）")
    run.add_argument("--refresh", action="store_true", help="维护者用：运行后把输出写回 notebooks/")
    build = commands.add_parser("build", help="不开 notebook，直接从表格做出训练文件")
    build.add_argument("folder", nargs="?", default=ROOT / "data" / "sample", help="表格所在的文件夹")
    build.add_argument("--out", default=ROOT / "data" / "processed", metavar="DIR", help="写到哪里")
    build.add_argument("--fields", default="input,output", help="JSONL 的两个字段名，如 input,target")
    commands.add_parser("check", help="检查这台电脑是否准备好了")
    options = parser.parse_args(arguments)
    try:
        if options.command == "run":
            return run_notebooks(refresh=options.refresh)
        if options.command == "build":
            return build_files(Path(options.folder), Path(options.out), options.fields)
        return check_machine()
    except KitError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("helpers"):
            raise
        print(
            f"✗ 现在的 Python 里没有安装 {error.name}。请先进入环境（Windows：.venv\\Scripts\\Activate.ps1；"
            "Linux、macOS：source .venv/bin/activate），再运行一次。",
            file=sys.stderr,
        )
        return 2


class Parser(argparse.ArgumentParser):
    """An argument parser that answers in Chinese."""

    def error(self, message: str) -> None:
        """Say how to write the command and end with code 2."""
        self.exit(2, f"✗ 命令写得不对：{message}。写法：python -m helpers run | build | check，加 -h 看说明。\n")


def build_files(folder: Path, out: Path, fields: str) -> int:
    """Run the pipeline on a folder and write its files."""
    from helpers import cleaning, extraction, merging, prompts, workbook

    names = tuple(name.strip() for name in fields.replace("，", ",").split(","))
    sheets = workbook.find_sheets(folder)
    for subject in workbook.SUBJECTS:
        if subject not in sheets:
            print(f"没有找到 {workbook.sheet_name(subject)}，只处理另一份表格。")
    rows = cleaning.clean(workbook.read_rows(folder))
    found = extraction.extract(rows)
    pairs = prompts.make_pairs(rows, found)
    if pairs.empty:
        reason = found.problems["message"].iloc[0] if len(found.problems) else "没有选择题。"
        raise KitError(f"没有一行能做成样本，没有写出任何文件。第一处问题：{reason}")
    dataset = merging.make_dataset(pairs)
    report = merging.build(rows, found, pairs, dataset, out, fields=names)
    print(f"读入 {len(rows)} 行，得到 {len(found.questions)} 道选择题、{len(found.short_answers)} 道简答题。")
    if len(found.problems):
        print(f"有 {len(found.problems)} 处需要人看一眼，原因写在 {out / 'problems.csv'}。")
    added = int((dataset["origin"] != "source").sum())
    print(f"训练集 {report['train']} 行（其中 {added} 行由打乱选项补上），验证集 {report['val']} 行，已写入 {out}。")
    if not report["val"]:
        print("样本太少，没有留出验证集。")
    return 0


def run_notebooks(*, refresh: bool = False) -> int:
    """Execute the notebooks in order on a copy; with ``refresh``, store the outputs."""
    from tqdm import tqdm

    paths = sorted([*NOTEBOOKS.glob("[0-9]*.ipynb"), *NOTEBOOKS.glob("solutions.ipynb")])
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / ROOT.name
        shutil.copytree(NOTEBOOKS, copy / "notebooks", ignore=shutil.ignore_patterns(".*"))
        shutil.copytree(ROOT / "data", copy / "data", ignore=shutil.ignore_patterns("processed", ".*", "~$*"))
        bar = tqdm(paths, unit="本", bar_format="{desc} {bar} {n_fmt}/{total_fmt}")
        for path in bar:
            bar.set_description(path.stem)
            started = time.perf_counter()
            text, error = execute(copy / "notebooks" / path.name)
            bar.write(f"{'✗' if error else '✓'} {path.stem}  {time.perf_counter() - started:.1f} 秒")
            if error:
                failed.append(path.stem)
                bar.write(error)
            elif refresh:
                path.write_text(text, encoding="utf-8", newline="\n")
                save_pictures(text)
    if failed:
        print(f"✗ 没有运行成功：{'、'.join(failed)}", file=sys.stderr)
        return 1
    return 0


def execute(path: Path) -> tuple[str, str | None]:
    """Execute one notebook where it stands.

    Returns
    -------
    tuple of str and str or None
        The notebook with fresh outputs, the same bytes at every run on the same versions; and what
        went wrong, if anything did.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=40"],  # not the kernel's remarks on its transport
        coalesce_streams=True,  # else one print may be stored in two pieces
        resources={"metadata": {"path": str(path.parent)}},
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return "", str(error)
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for cell in notebook.cells:
        for output in list(cell.get("outputs", [])):
            # a widget's model id changes with every run and means nothing without its kernel
            widget = output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
            if widget and set(output["data"]) == {"text/plain"}:  # a progress bar: it leaves no picture
                cell.outputs.remove(output)
    return nbformat.writes(notebook) + "\n", None


def save_pictures(text: str) -> None:
    """Write the figures of the cells tagged ``docs:NAME`` to docs/NAME.png, where README shows them."""
    for cell in json.loads(text)["cells"]:
        for tag in cell["metadata"].get("tags", []):
            if tag.startswith("docs:"):
                pictures = [o["data"]["image/png"] for o in cell["outputs"] if "image/png" in o.get("data", {})]
                (ROOT / "docs" / f"{tag[5:]}.png").write_bytes(base64.b64decode("".join(pictures[-1])))


def check_machine() -> int:
    """Print what is ready and what is not; return 1 if anything is missing."""
    faults = list(machine_faults())
    ready = "✓ 一切就绪：Python、依赖包、内核、中文字体、控件和示例数据都没有问题。"
    print("\n".join(f"✗ {fault}" for fault in faults) or ready)
    return 1 if faults else 0


def machine_faults():
    """Yield one sentence for each thing that is missing or broken, with what to do."""
    ways = {"win32": "在项目文件夹的空白处点右键，选“在终端中打开”", "darwin": "打开“终端”，用 cd 进入项目文件夹"}
    python = ".venv\\Scripts\\python" if sys.platform == "win32" else ".venv/bin/python"
    install = f"请{ways.get(sys.platform, '在项目文件夹里打开终端')}，运行：{python} -m pip install -r requirements.txt"
    for package, minimum in MINIMUM_VERSIONS.items():
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            yield f"没有安装 {package}。{install}"
            continue
        if [int(n) for n in version.split(".")[:2]] < [int(n) for n in minimum.split(".")]:
            yield f"{package} 的版本是 {version}，需要 {minimum} 或更新。{install}"
    try:
        from jupyter_client.kernelspec import KernelSpecManager

        if "python3" not in KernelSpecManager().find_kernel_specs():
            yield f"找不到 Jupyter 内核 python3。{install}"
    except ImportError:
        yield f"没有安装 Jupyter。{install}"
    try:
        from helpers.figures import use_chinese_font

        use_chinese_font()
    except Exception as error:  # whatever keeps the font from loading, the advice is the same
        yield f"画图用的中文字体不能用（{type(error).__name__}）。{install}"
    try:
        from helpers.workbook import read_rows

        read_rows(ROOT / "data" / "sample")
    except KitError as error:
        yield f"示例数据读不出来：{error}"
    except ImportError:
        pass  # named above


if __name__ == "__main__":
    sys.exit(main())
