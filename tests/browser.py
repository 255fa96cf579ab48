"""The browser of the browser tests: the system's Chromium, installed where it is missing and that is possible."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-noto-cjk", "fonts-noto-color-emoji")
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip


def browser() -> str | None:
    """The path of a Chromium on this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def main() -> int:
    """Makes sure that there is a browser; says what to do where it cannot be installed."""
    if browser():
        return 0
    if not shutil.which("apt-get") or os.geteuid() != 0:
        print(f"The browser tests need Chromium; install it, for example: sudo apt-get install {' '.join(PACKAGES)}")
        return 1
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    subprocess.run(["apt-get", "install", "-y", "-qq", *PACKAGES], check=True, stdout=subprocess.DEVNULL)
    return 0 if browser() else 1


if __name__ == "__main__":
    sys.exit(main())
