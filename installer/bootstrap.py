"""Start here: makes dreamboot's own small environment, then hands every argument to its command line.

Standard library only. The syntax stays within what Python 2.7 can read, so that an old interpreter gets a sentence
instead of a SyntaxError.
"""

import os
import sys

OLDEST = (3, 8)
HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(HERE)
# Variables that would pull other environments into ours. pip's index, certificate and proxy settings stay: they say
# where this machine gets packages from.
LEAKS = (
    "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONPLATLIBDIR", "PYTHONEXECUTABLE",
    "__PYVENV_LAUNCHER__", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_SHLVL", "PIP_TARGET", "PIP_USER",
    "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PIP_PYTHON", "PIP_DRY_RUN", "PIP_BREAK_SYSTEM_PACKAGES",
    "PIP_REQUIREMENT", "PIP_NO_DEPS", "PIP_QUIET", "PIP_VERBOSE",
)  # fmt: skip
INSTALL_VENV = (
    ("apt-get", "apt-get install -y python3-venv"),
    ("dnf", "dnf install -y python3-pip"),
    ("zypper", "zypper install -y python3-pip"),
    ("pacman", "pacman -S --noconfirm python-pip"),
    ("apk", "apk add py3-pip"),
)

# Seconds between tries to rename on Windows, where a scanner's sharing violation lasts a moment: 9 s in all.
PAUSES = (0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 3.0)


def main():
    """Returns the exit code of the command that was asked for."""
    open_streams()
    if sys.version_info[:2] < OLDEST:
        return problem(
            "This is Python {0}.{1}; dreamboot needs Python 3.8 or newer.".format(*sys.version_info[:2]),
            "Its command line and its libraries are written for 3.8 and later.",
            "Install a newer Python, then: " + " ".join([words_typed()] + sys.argv[1:]),
        )
    if sys.maxsize < 2**32:
        return problem(
            "This is a 32-bit Python; PyTorch has 64-bit builds only.",
            sys.executable,
            "Install a 64-bit Python, then run the same command with it.",
        )
    try:
        open_bundle(sys.argv)
        home = home_folder(sys.argv[1:])
        python = tool_python(home)
    except Failure as failure:
        return problem(*failure.args)
    except KeyboardInterrupt:
        return problem(
            "Stopped because you interrupted it.", "Nothing is left half-made.", "Run it again to go on.", 130
        )
    return hand_over(python, home)


def open_streams():
    """Started with closed streams (`>&-`), Python has None in their place: what is written then goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - open until the end


class Failure(Exception):
    """What happened, why, what to do next."""


def problem(what, why, hint, code=1):
    """Tell a person, on stderr (or as JSON where that was asked for)."""
    if "--json" in sys.argv:
        import json

        told = {"id": "bootstrap", "what": what, "cause": why, "hint": hint, "link": ""}
        sys.stdout.write(json.dumps({"schema": 1, "problem": told}) + "\n")
    else:
        sys.stderr.write("Problem: {0}\nWhy:     {1}\nNext:    {2}\n".format(what, why, hint))
    return code


def home_folder(arguments):
    """--home, DREAMBOOT_HOME or the platform's user data folder."""
    given = os.environ.get("DREAMBOOT_HOME", "")
    for index, word in enumerate(arguments):
        if word == "--home" and index + 1 < len(arguments):
            given = arguments[index + 1]
        elif word.startswith("--home="):
            given = word[len("--home=") :]
    if given:
        return os.path.abspath(os.path.expanduser(given))
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~\\AppData\\Local")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Application Support")
    else:
        base = os.environ.get("XDG_DATA_HOME", "").strip() or os.path.expanduser("~/.local/share")
    return os.path.join(base, "dreamboot")


def open_bundle(words):
    """`--offline DIR`, DIR made by `dreamboot bundle`: packages come from there alone. Takes DIR out of `words`."""
    places = [index for index, word in enumerate(words[:-1]) if word == "--offline"]
    folder = next((words[index + 1] for index in places if os.path.isdir(words[index + 1])), "")
    if not folder:
        return
    words.remove(folder)
    folder = os.path.abspath(folder)
    if not os.path.isfile(os.path.join(folder, "SHA256SUMS")):
        raise Failure(
            "{0} is not a bundle.".format(folder), "It has no SHA256SUMS.", "Make one: dreamboot bundle -o FOLDER"
        )
    check_bundle(folder, ("dreamboot",))
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"):
        os.environ.pop(name, None)
    # pip splits this variable at spaces; a URL has none.
    links = " ".join(file_url(os.path.join(folder, name)) for name in ("wheels", "tool"))
    os.environ.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=links, PIP_CONFIG_FILE=os.devnull, DREAMBOOT_BUNDLE=folder)


def file_url(path):
    """A path as a file URL."""
    import pathlib

    return pathlib.Path(path).as_uri()


def check_bundle(folder, parts):
    """Compare the bundle's files with SHA256SUMS, those at its top and those below the folders `parts`.

    The trainer's wheels are compared with the lock, which is one of those files, when they are installed.
    """
    import hashlib

    named = set()
    with open(os.path.join(folder, "SHA256SUMS"), encoding="utf-8", errors="replace") as file:
        lines = [line.rstrip("\n").partition("  ") for line in file if line.strip()]
    for wanted, _, name in lines:
        top, slash, _ = name.partition("/")
        if slash and top not in parts:
            continue
        named.add(name)
        try:
            with open(os.path.join(folder, *name.split("/")), "rb") as file:
                found = hashlib.sha256(file.read()).hexdigest()
        except (EnvironmentError, ValueError) as error:
            found = str(error)
        if found != wanted:
            raise damaged(name, "Expected sha256 {0}, found {1}.".format(wanted, found))
    if "pylock.toml" not in named:
        raise damaged("SHA256SUMS", "It does not name pylock.toml.")
    if "tool" in parts:
        # pip would take a newer file that lies beside the right one.
        for name in sorted(os.listdir(os.path.join(folder, "tool"))):
            if "tool/" + name not in named:
                raise damaged("tool/" + name, "SHA256SUMS does not name it.")


def damaged(name, why):
    """The failure of a bundle that is not as it was made."""
    hint = "Copy the bundle again, or make a new one: dreamboot bundle -o FOLDER"
    return Failure("The bundle is damaged: {0}".format(name), why, hint)


def tool_python(home):
    """The interpreter of the tool's own environment for this pyproject and this Python, made when missing."""
    import hashlib

    with open(os.path.join(CHECKOUT, "pyproject.toml"), "rb") as file:
        project = file.read()
    identity = "{0}|{1}|{2}".format(sys.version, sys.platform, os.path.realpath(base_executable()))
    key = hashlib.sha256(project + identity.encode("utf-8")).hexdigest()[:16]
    folder = os.path.join(home, "tool", key)
    python = venv_python(folder)
    if not os.path.exists(os.path.join(folder, "complete")):
        if os.environ.get("DREAMBOOT_BUNDLE"):
            check_bundle(os.environ["DREAMBOOT_BUNDLE"], ("dreamboot", "tool"))
        build_tool(home, folder, dependencies(project.decode("utf-8")))
    return python


def base_executable():
    """The interpreter below any active venv."""
    return getattr(sys, "_base_executable", None) or sys.executable


def venv_python(folder):
    """The interpreter inside a venv."""
    return os.path.join(folder, "Scripts", "python.exe") if os.name == "nt" else os.path.join(folder, "bin", "python")


def dependencies(text):
    """The strings of `dependencies = [...]` in pyproject.toml (Python 3.8 has no TOML reader; a test compares)."""
    import re

    block = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.S | re.M).group(1)
    return [match.group(1) for match in re.finditer(r'^\s*"([^"]+)"', block, re.M)]


def build_tool(home, folder, requirements):
    """Make the environment beside its place and rename it in: it is there whole or not at all."""
    import shutil
    import tempfile

    try:
        parent = os.path.dirname(folder)
        if not os.path.isdir(parent):
            os.makedirs(parent)
        beside = tempfile.mkdtemp(prefix=".building-", dir=parent)
    except OSError as error:
        raise Failure(
            "dreamboot's home folder can't be written: {0}".format(home),
            str(error),
            "Name another one: {0} --home FOLDER".format(words_typed()),
        )
    where = "about 30 MB of downloads"
    if "--offline" in sys.argv:
        where = "from the bundle" if os.environ.get("DREAMBOOT_BUNDLE") else "from folders on this machine alone"
    sys.stderr.write("Preparing dreamboot's own environment (once; {0}) ...\n".format(where))
    sys.stderr.flush()
    try:
        create_venv(beside)
        install(beside, requirements)
        with open(os.path.join(beside, "complete"), "w") as file:
            file.write("\n".join(requirements) + "\n")
        move_in(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        remove_leftovers(parent)


def move_in(beside, folder):
    """Rename, again after a pause while something holds a file open: Windows' scanners do, for a moment."""
    import shutil
    import time

    windows = os.name == "nt"
    # Elsewhere nothing but an incomplete folder is in the way, and that one makes way at once.
    for pause in PAUSES if windows else (0, 0):
        try:
            return os.rename(beside, folder)
        except OSError as error:
            # Another process made it in the meantime; an older, incomplete one makes way.
            if os.path.exists(os.path.join(folder, "complete")):
                return None
            shutil.rmtree(folder, ignore_errors=True)
            refused = error
        time.sleep(pause)
    holder = " (a virus scanner, an indexer or another program may hold a file in it open)" if windows else ""
    raise Failure(
        "dreamboot's own environment can't be moved to its place: {0}".format(folder),
        "{0}{1}".format(refused, holder),
        ("Wait a minute, then run the same command again: " if windows else "Free that path, then: ")
        + " ".join([words_typed()] + sys.argv[1:]),
    )


def remove_leftovers(parent):
    """Folders that a killed bootstrap left behind (older than an hour: no other process is still building there)."""
    import shutil
    import time

    for name in os.listdir(parent):
        path = os.path.join(parent, name)
        if name.startswith(".building-") and time.time() - os.path.getmtime(path) > 3600:
            shutil.rmtree(path, ignore_errors=True)


def create_venv(folder):
    """A venv without pip where this Python has pip (it installs from outside), with pip where it can bring its own."""
    outside = pip_version() >= (22, 3)
    code, output = call([sys.executable, "-m", "venv"] + (["--without-pip"] if outside else []) + [folder])
    if code == 0:
        return
    if outside and "No module named venv" in output:
        code, output = call([sys.executable, "-m", "virtualenv", folder])
        if code == 0:
            return
    raise Failure(
        "This Python can make no virtual environment: {0}".format(sys.executable),
        "It has neither pip 22.3 or newer nor a working `venv` with `ensurepip`. It said: " + last_lines(output, 2),
        install_hint(),
    )


def install_hint():
    """The one command that is missing, for this system's package manager."""
    import shutil

    again = " ".join([words_typed()] + sys.argv[1:])
    for program, command in INSTALL_VENV:
        if shutil.which(program):
            return as_administrator(with_lists(command)) + "   then again: " + again
    return "Install Python with pip (python.org's installer has both), then again: " + again


def as_administrator(command):
    """A command as this person has to type it: as it is for root, else by sudo or, where there is none, by su."""
    import shutil

    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return command
    if shutil.which("sudo"):
        return " && ".join("sudo " + part for part in command.split(" && "))
    return 'su -c "{0}"'.format(command)


def with_lists(command, folder="/var/lib/apt/lists"):
    """apt knows no package before it has read its lists, which container images of Debian come without."""
    if not command.startswith("apt-get ") or not os.path.isdir(folder):
        return command
    known = any("_Packages" in name for name in os.listdir(folder))
    return command if known else "apt-get update && " + command


def pip_version():
    """(major, minor) of the pip that this interpreter has, (0, 0) for none."""
    code, output = call([sys.executable, "-m", "pip", "--version"])
    try:
        return tuple(int(part) for part in output.split()[1].split(".")[:2]) if code == 0 else (0, 0)
    except (IndexError, ValueError):
        return (0, 0)


def install(folder, requirements):
    """pip does it: it reads this machine's own index, certificate and proxy settings."""
    python = venv_python(folder)
    inside = os.path.exists(os.path.join(os.path.dirname(python), "pip.exe" if os.name == "nt" else "pip"))
    command = [python, "-m", "pip"] if inside else [sys.executable, "-m", "pip", "--python", python]
    command += ["--disable-pip-version-check", "install", "--quiet", "--no-input", "--only-binary", ":all:"]
    offline = "--offline" in sys.argv
    code, output = call(command + (["--no-index"] if offline else []) + requirements)
    if code != 0 and offline:
        raise Failure(
            "dreamboot's own packages are not on this machine, and --offline forbids to fetch them.",
            last_lines(output, 4),
            "Run it once with the network, or take a bundle (dreamboot bundle -o FOLDER, where there is one): "
            "{0} --offline FOLDER up".format(words_typed()),
        )
    if code != 0:
        raise Failure(
            "dreamboot's own packages could not be installed.",
            last_lines(output, 4),
            "Check the network and pip's settings (python3 -m pip config list), then run the same command again.",
        )


def last_lines(text, count):
    """The end of a program's output in one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("WARNING")]
    return " / ".join(lines[-count:]) or "(it said nothing)"


def clean_environment():
    """This process's variables without those that leak other environments."""
    kept = dict((name, value) for name, value in os.environ.items() if name not in LEAKS)
    kept["PYTHONNOUSERSITE"] = "1"
    return kept


def call(command):
    """(exit code, output) of a program, run clean of other environments."""
    import subprocess

    try:
        done = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=clean_environment()
        )
    except OSError as error:
        return 127, str(error)
    output, _ = done.communicate()
    return done.returncode, output.decode("utf-8", "replace")


def hand_over(python, home):
    """Run the command line in the tool's environment, isolated (-I) from variables and user site."""
    start = (
        "import sys; sys.path[:0] = sys.argv[1:3]; del sys.argv[1:3]; from dreamboot.cli import main; sys.exit(main())"
    )
    command = [python, "-I", "-X", "utf8", "-X", "pycache_prefix=" + os.path.join(home, "cache", "pycache")]
    command += ["-c", start, HERE, os.path.join(CHECKOUT, "trainer")] + sys.argv[1:]
    environment = dict(os.environ, DREAMBOOT_HOME=home, DREAMBOOT_CHECKOUT=CHECKOUT, DREAMBOOT_COMMAND=typed(home))
    if os.name != "nt":
        sys.stdout.flush()
        os.execve(python, command, environment)
    import subprocess

    child = subprocess.Popen(command, env=environment)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            # Ctrl-C reaches the child too; it saves its work and says so. Wait for it.
            continue


def words_typed():
    """`python3 installer/bootstrap.py`, as this person wrote it."""
    words = ["python" if os.name == "nt" else "python3", sys.argv[0]]
    return " ".join('"{0}"'.format(word) if " " in word else word for word in words)


def typed(home):
    """How this person calls dreamboot, for the commands that are told to them to paste."""
    named = any(word == "--home" or word.startswith("--home=") for word in sys.argv[1:])
    return words_typed() + (' --home "{0}"'.format(home) if named else "")


if __name__ == "__main__":
    sys.exit(main())
