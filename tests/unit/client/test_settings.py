"""Where settings come from, which goes first, and that no secret is shown."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch
from urllib.parse import quote

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from client import config_file, sources
from client.cli import alpes, main
from client.errors import ConfigFileError
from terminal.errors import CommandError
from terminal.masking import masked
from terminal.settings import SETTINGS

CHECKOUT = Path(__file__).parents[3]
STACK = {
    "PULSAR_SERVICE_URL": "pulsar://127.0.0.1:6670",
    "PULSAR_ADMIN_URL": "http://127.0.0.1:8100",
    "ALPES_ORDENES_DSN": "postgresql://ordenes:stacks-secret@127.0.0.1/ordenes",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with a local stack's addresses and without a file."""
    (tmp_path / "environment.json").write_text(json.dumps(STACK))
    return tmp_path


def _environ(home: Path, file: str = "", **more: str) -> dict[str, str]:
    environ = {"ALPES_HOME": str(home), "XDG_CONFIG_HOME": str(home), **more}
    if file:
        (home / "alpes").mkdir(exist_ok=True)
        (home / "alpes" / "config.toml").write_text(file)
    return environ


def test_without_anything_else_the_local_stack_says_where_the_system_is(home: Path) -> None:
    environ = _environ(home)
    found = sources.take(["show", "a"], environ)
    assert environ.items() >= STACK.items()
    assert {found.origins[name] for name in STACK} == {".alpes"}


def test_the_file_goes_before_the_local_stack_whose_databases_are_then_none_of_this_system(home: Path) -> None:
    environ = _environ(home, 'service-url = "pulsar://of-the-file"\nenvios-dsn = "postgresql://envios"\n')
    found = sources.take(["show", "a"], environ)
    assert environ["PULSAR_SERVICE_URL"] == "pulsar://of-the-file"
    assert environ["ALPES_ENVIOS_DSN"] == "postgresql://envios"
    assert "ALPES_ORDENES_DSN" not in environ
    assert found.origins["PULSAR_SERVICE_URL"] == "file"


def test_the_environment_goes_before_the_file_and_a_flag_before_both(home: Path) -> None:
    file = 'service-url = "pulsar://of-the-file"\nordenes-dsn = "postgresql://file"\n'
    environ = _environ(home, file, PULSAR_SERVICE_URL="pulsar://of-the-shell")
    found = sources.take(["show", "a"], environ)
    assert environ["PULSAR_SERVICE_URL"] == "pulsar://of-the-shell"
    assert "ALPES_ORDENES_DSN" not in environ
    assert found.origins["PULSAR_SERVICE_URL"] == "environment"
    environ = _environ(home, file)
    sources.take(["show", "a", "--admin-url=http://flag"], environ)
    assert "PULSAR_SERVICE_URL" not in environ
    assert "ALPES_ORDENES_DSN" not in environ


def test_a_dsn_of_the_shell_stays_beside_the_local_stacks_others(home: Path) -> None:
    environ = _environ(home, ALPES_ORDENES_DSN="postgresql://mine")
    sources.take(["show", "a"], environ)
    assert environ["ALPES_ORDENES_DSN"] == "postgresql://mine"
    assert environ["PULSAR_SERVICE_URL"] == STACK["PULSAR_SERVICE_URL"]


class Done(NamedTuple):
    code: int
    out: str
    err: str


Alpes = Callable[..., Done]


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Alpes:
    """Return what runs a command line as a process does, with this environment and file."""

    def of(*arguments: str, file: str = "", **more: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["alpes", *arguments])
        with patch.dict(os.environ, _environ(home, file, **more), clear=True):
            try:
                code = main() or 0
            except CommandError as error:
                print(f"alpes: {error}", file=sys.stderr)
                code = error.exit_code
            except SystemExit as ended:
                code = int(ended.code or 0)
        return Done(code, *capsys.readouterr())

    return of


def _config(run: Alpes, *arguments: str, file: str = "", **more: str) -> dict[str, tuple[str | None, str]]:
    done = run("config", "--json", *arguments, file=file, **more)
    assert done.code == 0, done.err
    return {each["setting"]: (each["value"], each["source"]) for each in json.loads(done.out)["settings"]}


def test_config_shows_each_setting_with_its_source_and_no_secret(home: Path, run: Alpes) -> None:
    found = _config(run, "--tz", "UTC")
    assert set(found) >= {setting.variable for setting in SETTINGS}
    assert found["TZ"] == ("UTC", "flag")
    assert found["PULSAR_ADMIN_URL"] == ("http://127.0.0.1:8100", ".alpes")
    assert found["ALPES_ORDENES_DSN"] == ("user=ordenes password=*** dbname=ordenes host=127.0.0.1", ".alpes")
    assert found["ALPES_HOME"] == (str(home), "environment")
    assert found["ALPES_PAGOS_DSN"] == (None, "default")
    found = _config(run, file='tz = "America/Bogota"\n[send]\nrate = 50\n[dlq.list]\nlimit = 5\n')
    assert found["TZ"] == ("America/Bogota", "file")
    assert (found["send.rate"], found["dlq.list.limit"]) == (("50", "file"), ("5", "file"))
    assert _config(run, file='tz = "America/Bogota"\n', TZ=":Asia/Tokyo")["TZ"] == ("Asia/Tokyo", "environment")
    assert _config(run, "--tz", "UTC", file='tz = "America/Bogota"\n', TZ="Asia/Tokyo")["TZ"] == ("UTC", "flag")
    table = run("config")
    assert "stacks-secret" not in table.out + table.err
    assert "password=***" in table.out


def test_the_zone_of_the_file_is_that_of_a_subcommand_with_options_of_its_own() -> None:
    content = {"tz": "America/Bogota", "dlq": {"list": {"limit": 5}}}
    with patch.dict(os.environ, {"TZ": ""}):
        found = config_file.defaults(content, alpes, click.Context(alpes), None, only="dlq")["dlq"]
    assert found["list"] == {"zone": "America/Bogota", "limit": "5"}
    assert found["show"] == {"zone": "America/Bogota"}


def test_a_home_that_this_user_may_not_look_into_has_no_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_self: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refused)
    assert config_file.load({"XDG_CONFIG_HOME": str(home)}) == {}


def test_an_option_that_can_come_several_times_is_one_value_or_a_list() -> None:
    for errors in ("invalid", ["invalid"]):
        found = config_file.defaults(
            {"dlq": {"list": {"error": errors}}}, alpes, click.Context(alpes), None, only="dlq"
        )
        assert found["dlq"]["list"] == {"errors": ["invalid"]}


def test_a_variable_tz_that_names_no_zone_is_said_and_not_shown_as_in_force(run: Alpes) -> None:
    done = run("config", "--json", TZ="Mars")
    (shown,) = (each for each in json.loads(done.out)["settings"] if each["setting"] == "TZ")
    assert shown["source"] == "default"
    assert done.err == (
        f"TZ is of no use, so times are shown in {shown['value']}: there is no time zone 'Mars'; write an IANA name, "
        "such as America/Bogota or UTC.\n"
    )


def test_an_option_of_the_file_counts_unless_a_flag_says_otherwise(home: Path, run: Alpes) -> None:
    file = "[send]\nrate = 5\nfor = 3600\norders = 7\n"
    nobody = ("--service-url", "pulsar://127.0.0.1:1")
    begun = run("send", *nobody, "--resume", str(home / "a"), file=file)
    assert "No Pulsar" in begun.err
    assert json.loads((home / "a").read_text())["plan"]["orders"] == 18_000
    run("send", *nobody, "--resume", str(home / "b"), "--orders", "3", file=file)
    assert json.loads((home / "b").read_text())["plan"]["orders"] == 3
    run("send", *nobody, "--resume", str(home / "c"), "--burst", "2", "--every", "1s", "--for", "3s", file=file)
    assert json.loads((home / "c").read_text())["plan"]["orders"] == 6


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("service_url = 'x'", "there is no setting 'service_url'. Did you mean 'service-url'?"),
        ("[sned]\nrate = 1", "there is no setting 'sned'. Did you mean 'send'?"),
        ("[send]\nrat = 1", "alpes send has no option 'rat'. Did you mean 'rate'?"),
        ("send = 1", "send is a command, so it must be a table of options: [send]."),
        ("service-url = 1", "service-url must be a text, not 1."),
        ("= 1", "is not valid TOML: "),
        ("[send]\nrate = 'fast'", "Invalid value for '--rate': 'fast' is no number above 0, up to 1,000,000,000."),
        ("tz = 'Bogota'", "Invalid value for '--tz'"),
        ("tz = 5", "Invalid value for '--tz'"),
        ("tz = ['UTC']", "tz must be a text or a number."),
        ("tz = true", "tz must be a text or a number."),
        ("[send]\nrate = []", "send.rate must be a text or a number."),
        ("[send]\nresume = true", "send.resume must be a text or a number."),
        ("[send]\nmix = {vaild = 90}", "send.mix must be a text or a number."),
        ("[send]\nfollow = 'no'", "send.follow must be true or false."),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line_that_names_it(home: Path, run: Alpes, file: str, said: str) -> None:
    done = run("send", "--service-url", "pulsar://127.0.0.1:1", file=file)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert said in done.err
    assert str(home / "alpes" / "config.toml") in done.err


@pytest.mark.parametrize(
    ("file", "arguments", "said"),
    [
        ("ramp = '10:200'", (), "--ramp needs --for"),
        ("burst = 500", (), "--burst needs --every"),
        ("burst = 500", ("--every", "1s"), "No Pulsar"),
        ("rate = 5\nburst = 500", (), "--rate and --burst are different paces"),
        ("rate = 50", ("--for", "10s"), "No Pulsar"),
        ("ramp = '10:200'", ("--rate", "5"), "No Pulsar"),
        ("every = '1s'\nfor = '1s'\nskip-bad-lines = true", (), "No Pulsar"),
        ("seed = 7", ("--from-file", "orders.csv"), "No such file"),
        ("mix = 'valid=1'", ("--from-file", "orders.csv"), "--from-file and --mix exclude each other"),
        ("mix = 'valid=1'", ("--resume", "run"), "--mix can't be continued"),
    ],
)
def test_options_of_the_file_are_checked_beside_those_of_the_command_line(
    run: Alpes, file: str, arguments: tuple[str, ...], said: str
) -> None:
    assert said in run("send", "--service-url", "pulsar://127.0.0.1:1", *arguments, file=f"[send]\n{file}").err


def test_help_version_and_completion_work_though_the_file_is_broken(run: Alpes) -> None:
    for arguments in (["--help"], ["--version"]):
        assert run(*arguments, file="= 1").code == 0
    assert "_alpes_completion" in run(_ALPES_COMPLETE="bash_source").out
    for words, found in (("alpes do", ["doctor"]), ("alpes send --bu", ["--burst"]), ("alpes dlq di", ["discard"])):
        count = str(len(words.split()) - 1)
        completed = run(_ALPES_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=count)
        assert completed.out.split() == [f"plain,{name}" for name in found]


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match="can't be read: No such file"):
        config_file.load({"ALPES_CONFIG": str(tmp_path / "nowhere.toml")})
    assert config_file.load({"XDG_CONFIG_HOME": str(tmp_path)}) == {}


words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=6)


@given(words)
def test_no_password_of_a_dsn_is_shown(password: str) -> None:
    escaped = re.sub(r"(['\\])", r"\\\1", f"{password} {password}")
    forms = {
        f"host=db password='{escaped}' dbname=pagos": "password=*** dbname=pagos host=db",
        f"host=db password={escaped.replace(' ', chr(92) + ' ')} dbname=pagos": "password=*** dbname=pagos host=db",
        f"postgresql://u:{quote(password, safe='')}@db/pagos": "user=u password=*** dbname=pagos host=db",
        f"postgresql://u:{quote(password, safe='?#&;,')}@db/pagos": "user=u password=*** dbname=pagos host=db",
        f"postgresql://db/pagos?sslpassword={quote(password, safe='')}": "dbname=pagos host=db sslpassword=***",
    }
    for dsn, shown in forms.items():
        assert masked("ALPES_PAGOS_DSN", dsn) == shown


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://pagos:s3/cret@db/pagos",
        "postgresql://pagos:s3@cret@db/pagos",
        "postgresql://pagos:s3%cret@db/pagos",
        "host=db password=s3 cret",
        "s3cret",
    ],
)
def test_a_dsn_that_can_not_be_read_is_not_shown(dsn: str) -> None:
    assert masked("dsn", dsn) == "***"


@given(words)
def test_no_password_of_another_setting_is_shown(password: str) -> None:
    assert masked("PULSAR_SERVICE_URL", f"pulsar://u:{password}@pulsar:1") == "pulsar://u:***@pulsar:1"
    assert masked("ALPES_OTHER", f"a=1 password=x{password}\\ {password} b=2") == "a=1 password=*** b=2"
    assert masked("ALPES_API_TOKEN", password) == "***"


def test_the_documents_and_the_scripts_help_have_the_settings_of_the_registry() -> None:
    document = (CHECKOUT / "docs" / "command-line.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", document, re.MULTILINE)
    assert rows == [setting.variable for setting in SETTINGS]
    script = (CHECKOUT / "deploy.sh").read_text(encoding="utf-8").partition("Environment:\n")[2].partition("\n\n")[0]
    named = set(re.findall(r"^  ([A-Z0-9_]+) ", script, re.MULTILINE))
    assert named
    assert named <= {setting.variable for setting in SETTINGS}


def test_config_needs_no_stack_and_no_file() -> None:
    result = CliRunner(env={"ALPES_HOME": "/nonexistent/alpes"}).invoke(alpes, ["config"])
    assert result.exit_code == 0, result.output
