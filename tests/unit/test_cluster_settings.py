"""Settings: every wrong variable is named at once; defaults work; help and documentation tell the same."""

import re
from pathlib import Path

import pytest

import cluster
from cluster import command
from cluster.settings import Settings, SettingsError, declared, ignored

ROOT = Path(__file__).parents[2]


def test_settings__empty_environment__defaults() -> None:
    settings = Settings.from_environment({})
    assert settings == Settings()


def test_settings__all_given__all_taken() -> None:
    settings = Settings.from_environment(
        {
            "WORDAROUND_SERVER_ID": "node-7",
            "WORDAROUND_HOST": "0.0.0.0",
            "WORDAROUND_PORT": "8080",
            "WORDAROUND_PUBLIC_URL": "https://chat.example:8443/",
            "WORDAROUND_REDIS_URL": "redis://10.0.0.2:6380/1",
            "WORDAROUND_DELIVERY": "pubsub",
            "WORDAROUND_SHARDS": "8",
            "WORDAROUND_BUFFER_BYTES": "1048576",
            "WORDAROUND_SENDS_PER_SECOND": "20",
            "WORDAROUND_TOKEN": "let me in",
            "WORDAROUND_PEERS": "http://10.0.0.2:5000/, https://b.example:1,http://10.0.0.2:5000",
            "WORDAROUND_SYNC_URL": "http://10.0.0.1:8080",
            "WORDAROUND_SECRET": "0123456789abcdef",
            "WORDAROUND_CORS_ORIGINS": "https://a.example, https://b.example",
            "WORDAROUND_CONTROL_URL": "http://127.0.0.1:9000",
            "WORDAROUND_CONTROL_TOKEN": "only you",
            "WORDAROUND_LOG_LEVEL": "DEBUG",
        }
    )
    assert (settings.server_id, settings.host, settings.port) == ("node-7", "0.0.0.0", 8080)
    assert settings.public_url == "https://chat.example:8443"
    assert settings.redis_url == "redis://10.0.0.2:6380/1"
    assert (settings.delivery, settings.shards, settings.log_level) == ("pubsub", 8, "debug")
    assert (settings.buffer_bytes, settings.sends_per_second) == (1_048_576, 20)
    assert (settings.token, settings.secret) == ("let me in", "0123456789abcdef")
    assert (settings.control_url, settings.control_token) == ("http://127.0.0.1:9000", "only you")
    assert settings.peers == ("http://10.0.0.2:5000", "https://b.example:1")
    assert settings.sync_url == "http://10.0.0.1:8080"
    assert settings.cors_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:81"), ("10.1.1.1", "http://10.1.1.1:81"), ("::1", "http://[::1]:81")],
)
def test_public_url__not_given__made_from_host_and_port(host: str, url: str) -> None:
    settings = Settings.from_environment({"WORDAROUND_HOST": host, "WORDAROUND_PORT": "81"})
    assert settings.public_url == url
    assert settings.sync_url == url, "other nodes reach it as clients do, unless told otherwise"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"), ("PORT", "65536"), ("PORT", "http"), ("PORT", ""), ("PORT", "-1"), ("PORT", "1_0"),
        ("SHARDS", "0"), ("SHARDS", "9"), ("SHARDS", "2.5"), ("SERVER_ID", ""), ("SERVER_ID", "a b"),
        ("SERVER_ID", "n" * 65), ("HOST", " "), ("DELIVERY", "Durable"), ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "redis://h:port/0"), ("PUBLIC_URL", "ftp://x"), ("PUBLIC_URL", "http://"),
        ("CONTROL_URL", "http://10.0.0.2:1"), ("CONTROL_URL", "unix:/a"),
        ("SYNC_URL", "10.0.0.1:80"), ("PEERS", "http://a,b"),
        ("PUBLIC_URL", "http://u:p@h"), ("PUBLIC_URL", "http://h/?q"), ("PUBLIC_URL", "http://h h"),
        ("HOST", "a b"), ("HOST", "a:b"), ("HOST", "[::1]"), ("SYNC_URL", ""), ("BUFFER_BYTES", "1048575"),
        ("SENDS_PER_SECOND", "0.5"), ("SENDS_PER_SECOND", ""), ("PEERS", "10.0.0.2:5000"),
        ("PEERS", "http://a,,http://b"), ("PEERS", "http://a,redis://b"),
        ("CORS_ORIGINS", "example.org"), ("LOG_LEVEL", "loud"), ("MEMORY_MESSAGES", "1"),
    ],
)  # fmt: skip
def test_setting__wrong__one_sentence_that_names_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({f"WORDAROUND_{name}": value})
    (problem,) = caught.value.problems
    shown = value.replace("u:p@", "…@")
    assert problem.startswith(f"WORDAROUND_{name}={shown!r}: must ")


def test_settings__several_wrong__all_named() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(
            {"WORDAROUND_PORT": "x", "WORDAROUND_SHARDS": "x", "WORDAROUND_LOG_LEVEL": "x"}
        )
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKEN", "hush\n"), ("TOKEN", "hush" * 300), ("SECRET", "hush"), ("SECRET", "hush" * 300),
        ("CONTROL_TOKEN", "hush" * 300), ("CONTROL_URL", "http://u:hush@127.0.0.1:1"),
        ("REDIS_URL", "redis://:hush@h:port/0"), ("REDIS_URL", "redis://[:hush@h"),
        ("REDIS_URL", "rediss//:hush@h"), ("PUBLIC_URL", "http://u:hush@h"), ("PEERS", "http://a,http://u:hush@h"),
    ],
)  # fmt: skip
def test_secret__wrong__not_in_the_sentence(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({f"WORDAROUND_{name}": value})
    (problem,) = caught.value.problems
    assert problem.startswith(f"WORDAROUND_{name}")
    assert "hush" not in str(caught.value)


def test_secret__right__not_in_the_object_as_text() -> None:
    settings = Settings.from_environment(
        {
            "WORDAROUND_TOKEN": "hush",
            "WORDAROUND_SECRET": "hush" * 4,
            "WORDAROUND_CONTROL_TOKEN": "hush",
            "WORDAROUND_REDIS_URL": "redis://:hush@h",
        }
    )
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SERVERID", "SERVER_ID"),
        ("SHARD", "SHARDS"),
        ("PEER", "PEERS"),
        ("LOG_LEVELS", "LOG_LEVEL"),
        ("Port", "PORT"),
    ],
)
def test_variable__misspelt__an_error_that_names_what_was_meant(name: str, meant: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({f"WORDAROUND_{name}": "1", "WORDAROUND_SHARDS": "x"})
    assert len(caught.value.problems) == 2
    assert caught.value.problems[1].endswith(f"did you mean WORDAROUND_{meant}?")


def test_variable__nobodys__ignored_but_named() -> None:
    environment = {"WORDAROUND_SERVICE_HOST": "10.0.0.1", "WORDAROUND_PORT": "81", "PATH": "/bin"}
    assert Settings.from_environment(environment).port == 81
    assert ignored(environment) == ("WORDAROUND_SERVICE_HOST",)


def test_variables__all_that_the_repository_knows__break_no_node_and_need_no_warning() -> None:
    places = [ROOT / name for name in ("docker-compose.yml", ".ci", "harness", "tests", "docs")]
    files = [file for place in places for file in (place, *place.rglob("*"))]
    texts = [
        file.read_text(errors="replace")
        for file in files
        if file.is_file() and file.suffix != ".pyc" and file != Path(__file__)
    ]
    name = re.compile(r"(?<!_)WORDAROUND_[A-Z][A-Z0-9_]*[A-Z0-9](?![A-Z0-9_])")
    found = {variable for text in texts for variable in name.findall(text)}
    assert len(found) > 20
    known = {setting.variable for setting in declared()}
    environment = dict.fromkeys(found - known, "1")
    assert Settings.from_environment(environment) == Settings()
    assert ignored(environment) == ()


def test_help__every_setting__with_default_and_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.answer(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(declared()) == len(Settings.__slots__)
    for setting in declared():
        (line,) = [line for line in lines if line.split()[:1] == [setting.variable]]
        assert line.endswith(setting.meaning)
        assert (setting.shown_default or "(empty)") in line


def test_version__asked__the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.answer(["--version"]) == 0
    assert capsys.readouterr().out == f"WordAround chat node {cluster.__version__}\n"


@pytest.mark.parametrize("arguments", [["-x"], ["--help", "me"], ["5000"], [""]])
def test_arguments__others__exit_2_and_nothing_on_stdout(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.answer(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[0]) == ("", command.USAGE)


def test_documentation__its_table_of_settings__is_what_is_declared() -> None:
    assert command.settings_table() in (ROOT / "docs" / "protocol.md").read_text()
