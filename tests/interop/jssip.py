"""JsSIP, the SIP library for browsers, as one script: its modules as npm installed them, and a `require` for them."""

import json
import os
from pathlib import Path

import pytest

from tests.interop.switch_process import ROOT

MODULES = ROOT / ".peers" / "node_modules"
_PACKAGES = ("jssip", "debug", "ms", "events", "sdp-transform")

# CommonJS (Node's documentation, "Modules: CommonJS modules") as far as these packages use it
_LOADER = """
(() => {
  const made = {};
  const resolve = (from, name) => {
    if (!name.startsWith(".")) {
      const main = mains[name];
      return main ?? name;
    }
    const parts = from.split("/").slice(0, -1);
    for (const part of name.split("/")) {
      if (part === "..") parts.pop(); else if (part !== ".") parts.push(part);
    }
    const path = parts.filter(Boolean).join("/");
    return [path, `${path}.js`, `${path}.json`, `${path}/index.js`].find(one => one in modules) ?? path;
  };
  const load = path => {
    if (!(path in made)) {
      if (!(path in modules)) throw new Error(`no module ${path}`);
      const module = made[path] = {exports: {}};
      modules[path](name => load(resolve(path, name)), module, module.exports);
    }
    return made[path].exports;
  };
  window.JsSIP = load(mains.jssip);
})();
"""


def script() -> bytes:
    """Makes `JsSIP` on a page. Skips the test where it is not installed; a failure in CI."""
    if not (MODULES / "jssip").is_dir():
        message = "JsSIP is not installed: run make peers"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    mains, modules = {}, []
    for package in _PACKAGES:
        folder = MODULES / package
        about = json.loads((folder / "package.json").read_text())
        named = about.get("browser")
        main = named if isinstance(named, str) else about.get("main", "index.js")
        file = folder / main
        file = file / "index.js" if file.is_dir() else file if file.suffix else file.with_suffix(".js")
        mains[package] = file.relative_to(MODULES).as_posix()
        files = (path for path in sorted(folder.rglob("*.js*")) if path.suffix in (".js", ".json"))
        modules += [_module(path) for path in files if not path.read_text().startswith("#!")]
    table = ",\n".join(modules)
    return f"const process = undefined, mains = {json.dumps(mains)}, modules = {{{table}}};\n{_LOADER}".encode()


def _module(path: Path) -> str:
    text = path.read_text()
    body = f"module.exports = {text};" if path.suffix == ".json" else text
    return f"{json.dumps(path.relative_to(MODULES).as_posix())}(require, module, exports) {{{body}\n}}"
