# SPDX-License-Identifier: MIT
"""A headless Chromium, driven by chromedriver over WebDriver (https://www.w3.org/TR/webdriver2/)."""
import base64
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
         "--hide-scrollbars")
SECONDS = 60

KEYS = {"Tab": "\ue004", "Shift": "\ue008", "Escape": "\ue00c", "End": "\ue010", "Home": "\ue011",
        "ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015"}


def missing():
    """The name of what is not installed, or None."""
    for names in (("chromium", "chromium-browser"), ("chromedriver",)):
        if not any(map(shutil.which, names)):
            return names[0]
    return None


class Browser:
    """One window. All of its files are in `folder`, which the caller removes."""

    def __init__(self, folder, width=1280, height=900):
        self.log_path = os.path.join(folder, "chromedriver.out")
        environment = {**os.environ, **dict.fromkeys(("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), folder)}
        with open(self.log_path, "wb") as out:
            self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=out, stderr=out, env=environment)
        self.session = None
        try:
            self.address = "http://127.0.0.1:%d" % self.port()
            profile = os.path.join(folder, "profile")
            options = {"binary": shutil.which("chromium") or shutil.which("chromium-browser"),
                       "args": [*FLAGS, "--user-data-dir=" + profile, "--window-size=%d,%d" % (width, height)]}
            made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})
            self.session = "/session/" + made["sessionId"]
        except BaseException:
            self.close()
            raise

    def port(self):
        """The port that chromedriver has taken: it says so."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until and self.driver.poll() is None:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                for line in log:
                    if "started successfully on port" in line:
                        return int(line.rstrip().rstrip(".").rsplit(" ", 1)[1])
            time.sleep(0.05)
        raise RuntimeError("chromedriver does not start")

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.address + path, method=method,
                                         headers={"Content-Type": "application/json"},
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=SECONDS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError("%s %s: %s" % (method, path, error.read().decode()[:600])) from error

    def command(self, name, body):
        return self.call("POST", self.session + name, body)

    def open(self, path):
        self.command("/url", {"url": "file://" + os.path.abspath(path)})

    def run(self, script, *arguments):
        """What the function body returns."""
        return self.command("/execute/sync", {"script": script, "args": list(arguments)})

    def devtools(self, name, **parameters):
        """A command of the DevTools protocol."""
        return self.command("/goog/cdp/execute", {"cmd": name, "params": parameters})

    def settle(self):
        """Waits until what was changed is drawn."""
        self.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))));")

    def resize(self, width, height):
        """The page's own size, as a phone has it; a window has a least width."""
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                      mobile=False)
        self.settle()

    def colours(self, scheme):
        """What the system is said to prefer: light or dark."""
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.settle()

    def point(self, x, y):
        """Moves the mouse there, in the window."""
        move = {"type": "pointerMove", "duration": 0, "origin": "viewport", "x": round(x), "y": round(y)}
        self.command("/actions", {"actions": [
            {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": [move]}]})

    def press(self, *keys):
        """Presses the keys together."""
        codes = [KEYS[key] for key in keys]
        self.command("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": [
            *({"type": "keyDown", "value": code} for code in codes),
            *({"type": "keyUp", "value": code} for code in codes)]}]})

    def log(self, kind):
        """Entries since the last call: browser, or performance."""
        return self.command("/se/log", {"type": kind})

    def requested(self):
        """Addresses that were asked for since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        return [message["params"]["request"]["url"] for message in messages
                if message["method"] == "Network.requestWillBeSent"]

    def picture(self, path, whole=False):
        """A PNG of the window, or of the whole page."""
        if whole:
            data = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        else:
            data = self.call("GET", self.session + "/screenshot")
        with open(path, "wb") as out:
            out.write(base64.b64decode(data))

    def close(self):
        if self.session:
            try:
                self.call("DELETE", self.session)
            except (OSError, RuntimeError):
                pass
            self.session = None
        self.driver.terminate()
        self.driver.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
