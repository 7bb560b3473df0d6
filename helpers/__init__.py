"""The package behind the notebooks: one module a notebook, the same word for both.

Importing it on a Python that is too old ends with one sentence; nothing in this file uses newer syntax.
"""

import re
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - pip would answer with a page of resolver errors
    raise SystemExit(
        "这套工具需要 Python 3.11 或更新的版本，现在用的是 %d.%d。"  # noqa: UP031
        "请从 python.org 安装新版 Python，再重新运行这条命令。" % sys.version_info[:2]
    )

SUBJECTS = ("语文", "英语")
COLUMNS = ("阅读文本", "选项", "答案")


class KitError(ValueError):
    """Something the user can repair; the message is one Chinese sentence that says how."""

    def __init__(self, message):
        # a file's name or a cell may hold what a terminal obeys: line ends, escape sequences, marks that turn text
        super().__init__(re.sub("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+", " ", message))

    def _render_traceback_(self):
        # IPython asks for this: a learner sees the sentence, not forty lines of our code.
        return ["✗ " + str(self)]
