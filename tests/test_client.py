"""Asking a model over HTTP: against a real server on this machine that misbehaves on purpose."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("openai", reason="the extra `finetune` is not installed")

from helpers import KitError, client

pytestmark = pytest.mark.finetune
KEY = "sk-very-secret-0123456789"


class Server:
    """A chat service whose behaviour a test scripts: ``answer(prompt, how many times it was asked)``."""

    def __init__(self, answer):
        self.asked, self.headers, self.now, self.most = Counter(), [], 0, 0
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                prompt = body["messages"][-1]["content"]
                with lock:
                    outer.asked[prompt] += 1
                    outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                    outer.now += 1
                    outer.most = max(outer.most, outer.now)
                try:
                    self.reply(*answer(prompt, outer.asked[prompt]))
                finally:
                    with lock:
                        outer.now -= 1

            def reply(self, status, body, kind="application/json"):
                if status == "cut":  # the connection ends in the middle of the answer
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
                    self.close_connection = True
                    return
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = client.Endpoint(f"http://127.0.0.1:{self.http.server_port}/v1", "service-1", KEY, "resource-9")
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


def good(prompt, *_):
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"答：{prompt}"}}
    return 200, {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}


@pytest.fixture
def serve():
    servers = []

    def start(answer):
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.http.shutdown()
        server.http.server_close()


def ask(server, prompts, path, **how):
    return client.ask_all(server.endpoint, prompts, path, **{"wait": 0.01, "timeout": 5, **how})


def test_answers_come_in_the_order_of_the_prompts(serve, tmp_path):
    server = serve(good)
    asked = ask(server, ["甲", "乙", "甲"], tmp_path / "a.jsonl")
    assert asked["text"].tolist() == ["答：甲", "答：乙", "答：甲"]
    assert asked["fault"].tolist() == ["", "", ""]
    assert server.headers[0]["lora_id"] == "resource-9"
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_what_is_answered_is_not_asked_again(serve, tmp_path):
    server = serve(good)
    ask(server, ["甲", "乙"], tmp_path / "a.jsonl")
    asked = ask(server, ["乙", "丙", "甲"], tmp_path / "a.jsonl")
    assert asked["text"].tolist() == ["答：乙", "答：丙", "答：甲"]
    assert server.asked == {"甲": 1, "乙": 1, "丙": 1}


@pytest.mark.parametrize(
    "failure",
    [
        (429, {"error": {"message": "slow down", "code": "11202"}}),
        (429, {"error": {"message": "slow down"}}),
        (500, {"error": {"message": "oops"}}),
        (503, b"<html>bad gateway</html>", "text/html"),
        ("cut", b""),
        (200, b"not JSON at all", "text/plain"),
        (200, b'{"choices": []', "application/json"),
        (200, {"choices": []}),
    ],
    ids=["429 code", "429", "500", "503 html", "cut", "text", "half JSON", "no choice"],
)
def test_it_tries_again_after_what_may_pass(serve, tmp_path, failure):
    server = serve(lambda prompt, times: failure if times < 3 else good(prompt))
    asked = ask(server, ["甲"], tmp_path / "a.jsonl")
    assert asked["text"].tolist() == ["答：甲"]
    assert server.asked["甲"] == 3


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        ((500, {"error": {}}), "服务器出错（500），请过一会儿再试"),
        ((429, {"error": {}}), "请求太频繁，或额度用完了（429）"),
        (("cut", b""), "连不上服务，或连接中途断了。请检查网络和地址"),
        ((200, b"hello", "text/plain"), "服务的回答是空的，或不是预期的格式"),
        ((400, {"error": {"code": "10907"}}), "这一条太长，超过了模型的上限，请缩短（错误码 10907）"),
        ((400, {"error": {"code": "10013"}}), "提问没有通过内容审核，请换一条（错误码 10013）"),
        ((422, {"error": {}}), "服务拒绝了这一条（422）"),
    ],
)
def test_one_row_that_fails_does_not_stop_the_others(serve, tmp_path, failure, sentence):
    server = serve(lambda prompt, times: failure if prompt == "坏" else good(prompt))
    asked = ask(server, ["甲", "坏", "乙"], tmp_path / "a.jsonl", attempts=2)
    assert asked["text"].tolist() == ["答：甲", "", "答：乙"]
    assert asked["fault"].tolist() == ["", sentence, ""]
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2  # the failed one is asked again by the next run


def test_a_slow_answer_is_given_up(serve, tmp_path):
    def slow(prompt, times):
        time.sleep(1.5 if prompt == "慢" else 0)
        return good(prompt)

    asked = ask(serve(slow), ["慢", "快"], tmp_path / "a.jsonl", timeout=0.3, attempts=2)
    assert asked["fault"].tolist() == ["等不到回答（超时）。请检查网络，或把 timeout 调大", ""]


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        ((401, {"error": {"message": f"wrong key {KEY}"}}), "密钥不对，或没有权限。请检查 .env 里的 API_KEY。"),
        ((404, {"error": {}}), "没有这个地址或模型。请检查 .env 里的 BASE_URL 和 MODEL。"),
        ((403, {"error": {"code": "11200"}}), "没有授权，或额度用完了，请到平台的控制台查看（错误码 11200）。"),
    ],
)
def test_what_would_fail_for_every_row_stops_at_once(serve, tmp_path, failure, sentence):
    server = serve(lambda *_: failure)
    with pytest.raises(KitError) as caught:
        ask(server, [str(i) for i in range(50)], tmp_path / "a.jsonl", workers=2)
    assert str(caught.value) == sentence
    assert sum(server.asked.values()) <= 4
    assert KEY not in str(caught.value) and caught.value.__suppress_context__


def test_no_server_is_a_sentence(tmp_path):
    endpoint = client.Endpoint("http://127.0.0.1:9/v1", "m", KEY)
    asked = client.ask_all(endpoint, ["甲"], tmp_path / "a.jsonl", attempts=2, wait=0.01)
    assert asked["fault"].tolist() == ["连不上服务，或连接中途断了。请检查网络和地址"]


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_at_a_time_than_allowed(serve, tmp_path, workers):
    def answer(prompt, times):
        time.sleep(0.05)
        return good(prompt)

    server = serve(answer)
    ask(server, [str(i) for i in range(12)], tmp_path / "a.jsonl", workers=workers)
    assert server.most == workers


def test_killed_between_and_within_answers_nothing_is_lost_or_doubled(serve, tmp_path):
    def answer(prompt, times):
        time.sleep(0.05)
        return good(prompt)

    server, path = serve(answer), tmp_path / "a.jsonl"
    prompts = [f"第{i}条" for i in range(30)]
    script = (
        "import json,sys\nfrom helpers import client\n"
        f"client.ask_all(client.Endpoint({server.endpoint.base_url!r}, 'service-1', 'k', 'resource-9'),"
        f" {prompts!r}, {str(path)!r}, workers=2)"
    )
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
        before = sum(server.asked.values())
        while sum(server.asked.values()) < before + 6 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = path.read_bytes().count(b"\n")
    with path.open("ab") as file:
        file.write(b'{"key": "half a li')  # as if it had been killed while writing
    asked = ask(server, prompts, path)
    assert asked["text"].tolist() == [f"答：{prompt}" for prompt in prompts]
    keys = [json.loads(line)["key"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(keys) == len(set(keys)) == 30
    # Only those that were under way when a process was killed were asked twice: two workers, three kills.
    assert 10 <= kept < 30 and sum(server.asked.values()) <= 30 + 6


def test_a_file_of_something_else_is_a_sentence(serve, tmp_path):
    (tmp_path / "a.jsonl").write_text("[1]\n", encoding="utf-8")
    with pytest.raises(KitError, match="不是 ask_all 写的"):
        ask(serve(good), ["甲"], tmp_path / "a.jsonl")


def test_a_full_disk_leaves_the_file_whole(serve, tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "a.jsonl").symlink_to("/dev/full")
    with pytest.raises(KitError, match="写不了“a.jsonl”"):
        ask(serve(good), ["甲"], tmp_path / "a.jsonl")


def test_the_key_is_in_no_repr(tmp_path):
    endpoint = client.Endpoint("http://x/v1", "m", KEY, "resource-9")
    assert KEY not in f"{endpoint!r} {endpoint}" and "resource-9" not in repr(endpoint)


def test_settings_come_from_a_file_and_the_environment_goes_first(tmp_path, monkeypatch):
    for name in ("LLM_API_KEY", "LLM_BASE_URL", "LLM_MODEL", "LLM_LORA_ID"):
        monkeypatch.delenv(name, raising=False)
    env = tmp_path / ".env"
    env.write_text("LLM_API_KEY=a\nLLM_BASE_URL=http://x/v1\nLLM_MODEL=m\nLLM_LORA_ID=r\n", encoding="utf-8")
    assert client.read_endpoint(env) == client.Endpoint("http://x/v1", "m", "a", "r")
    monkeypatch.setenv("LLM_MODEL", "other")
    assert client.read_endpoint(env).model == "other"
    assert client.read_endpoint(tmp_path / "none") is None
    monkeypatch.delenv("LLM_MODEL")
    env.write_text("LLM_API_KEY=a\nLLM_BASE_URL=http://x/v1\n", encoding="utf-8")
    with pytest.raises(KitError, match="没有 LLM_MODEL。请照 .env.example 补上"):
        client.read_endpoint(env)


def test_the_committed_example_names_every_setting_and_holds_no_value(root):
    from dotenv import dotenv_values

    settings = dotenv_values(root / ".env.example")
    assert {"LLM_BASE_URL", "LLM_MODEL", "LLM_API_KEY", "LLM_LORA_ID"} <= set(settings)
    assert not settings["LLM_API_KEY"] and not settings["LLM_LORA_ID"]


def test_missing_questions_are_asked_for_and_only_good_ones_are_taken(serve, tmp_path):
    import pandas as pd

    from helpers import extraction, prompts

    one = "1.Why?\nA.a\nB.b\nC.c\nD.d"
    rows = pd.DataFrame(
        [
            ["英语", 0, "Bees dance.", one, "1.B"],
            ["英语", 3, "Snow fell.", f"{one}\n2.What?\nA.e\nB.f\nC.g\nD.h", "1.A 2.C"],
            ["英语", 5, "Rain fell.", one, "1.E"],  # a problem: stays as it is
        ],
        columns=["subject", "row", "阅读文本", "选项", "答案"],
    )
    found = extraction.extract(rows)
    new = "1. When?\nA. now\nB. then\nC. never\nD. soon\n\nAnswer: D"
    bad = "2. Same?\nA. x\nB. x\nC. y\nD. z\n\nAnswer: A"

    def answer(prompt, times):
        text = f"{new}\n\n{bad}" if "Bees" in prompt else new
        assert ("Write 2 more" if "Bees" in prompt else "Write 1 more") in prompt
        return 200, {"id": "1", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}

    more = client.add_questions(rows, found, serve(answer).endpoint, tmp_path / "more.jsonl", wanted=3)
    added = more.questions.iloc[len(found.questions) :]
    assert added[["row", "position", "number", "stem", "D", "answer"]].to_numpy().tolist() == [
        [0, 1, 2, "When?", "soon", "D"],
        [3, 2, 3, "When?", "soon", "D"],
    ]
    pairs = prompts.make_pairs(rows, more)
    assert pairs["output"].str.count("Answer:").tolist() == [2, 3]
    assert more.problems.equals(found.problems)


def test_the_local_model_answers_over_http_and_stops_with_the_block(tmp_path):
    pytest.importorskip("xllamacpp", reason="the extra `finetune` is not installed")
    from helpers import finetuning

    with client.serve_local(finetuning.fetch_model() / finetuning.GGUF) as local:
        asked = client.ask_all(local, ["Say yes."], tmp_path / "a.jsonl", max_tokens=8, timeout=300)
    assert asked["fault"].tolist() == [""] and asked["text"].iloc[0]
    after = client.ask_all(local, ["Say no."], tmp_path / "b.jsonl", attempts=1, timeout=5)
    assert after["fault"].iloc[0].startswith("连不上服务")
