"""A newcomer's first minute: the demo ends with pages of its people."""

import os
import re
import signal
import subprocess
import sys

import pytest
import requests

from tests.docs.pages import ROOT


@pytest.mark.redis
@pytest.mark.timeout(120)
def test_the_demo_ends_with_pages_of_its_people():
    command = [sys.executable, "-m", "processor", "demo", "--serve"]
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environ)
    try:
        told = ""
        for line in process.stdout:
            told += line
            if "Ctrl-C ends it" in line:
                break
        url = re.search(r"http://localhost:\d+/ui", told)[0].replace("localhost", "127.0.0.1")
        token = re.search(r"the token (ids_\w+)", told)[1]
        who = re.search(r"search for (\S+)\. Ctrl-C", told)[1]
        session = requests.Session()
        retried = requests.adapters.Retry(total=40, connect=40, backoff_factor=0.1)
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retried))
        session.get(url, timeout=30)
        landing = session.post(f"{url}/sign-in", data={"token": token}, timeout=30)
        form = re.search(r'name="form_token" value="(\w+)"', landing.text)[1]
        data = {"value": who, "type": "email", "form_token": form, "environment": "production"}
        found = session.post(f"{url}/retail/search", data=data, timeout=30)
        assert found.status_code == 200
        assert who in found.text
        assert "was added" in found.text, "changes are read from the embedded broker"
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=40)
        assert process.returncode == 0, rest
    finally:
        process.kill()
        process.communicate()
