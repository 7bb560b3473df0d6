"""A real Jupyter server with a throw-away configuration, and a page of a real browser on it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
EXPOSE = {"lab": "--LabApp.expose_app_in_browser=True", "notebook": "--JupyterNotebookApp.expose_app_in_browser=True"}
KERNEL_READY = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
}"""
PATIENCE = 180_000
"""Milliseconds that a page or a whole notebook may take on a machine that does other things, too."""
RUN_ALL = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serve(folder, settings, app="lab", notebook=None):
    """Serve a folder with JupyterLab, Notebook 7 or Voilà; yield the address.

    Page loads write to the served folder and to the settings: give copies.
    """
    port = free_port()
    places = {f"JUPYTER_{name}_DIR": str(settings / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    places |= {f"JUPYTERLAB_{name}_DIR": str(settings / name) for name in ("WORKSPACES", "SETTINGS")}
    if app == "voila":
        options = ["voila", str(notebook), f"--port={port}", "--Voila.ip=127.0.0.1", "--no-browser"]
        probe = f"http://127.0.0.1:{port}/voila/static/"
    else:
        options = [{"lab": "jupyterlab", "notebook": "notebook"}[app], "--ServerApp.ip=127.0.0.1"]
        options += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--no-browser", "--allow-root"]
        options += ["--IdentityProvider.token=", f"--ServerApp.root_dir={folder}", EXPOSE[app]]
        probe = f"http://127.0.0.1:{port}/api/status"
    log = (settings / "server.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", *options],
        cwd=folder,
        env={**os.environ, **places},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        wait_for(probe, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
        log.close()


def wait_for(address, server, seconds=180):
    """Wait until the server answers at all."""
    end = time.monotonic() + seconds
    while True:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with code {server.returncode}")
        try:
            urllib.request.urlopen(address, timeout=2)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def lab_address(server, notebook, workspace):
    """Return a notebook's address in JupyterLab; pages that share a workspace would be loaded twice."""
    return f"{server}/lab/workspaces/{workspace}/tree/notebooks/{notebook}.ipynb"


def run_all(page, address):
    """Open a notebook's page, wait for its kernel, and run all its cells."""
    page.goto(address, timeout=PATIENCE)
    page.locator(".jp-Notebook").wait_for(timeout=PATIENCE)
    page.evaluate(KERNEL_READY)
    page.evaluate(RUN_ALL)
