"""Settings: every wrong variable is named at once; defaults work."""

import pytest

from cluster.settings import Settings, SettingsError


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
            "WORDAROUND_SYNC_URL": "http://10.0.0.1:8080",
            "WORDAROUND_PEERS": "http://10.0.0.2:8080, http://10.0.0.3:8080/",
            "WORDAROUND_SECRET": "sixteen letters!",
            "WORDAROUND_REDIS_URL": "redis://10.0.0.2:6380/1",
            "WORDAROUND_DELIVERY": "pubsub",
            "WORDAROUND_SHARDS": "8",
            "WORDAROUND_CORS_ORIGINS": "https://a.example, https://b.example",
            "WORDAROUND_LOG_LEVEL": "DEBUG",
        }
    )
    assert (settings.server_id, settings.host, settings.port) == ("node-7", "0.0.0.0", 8080)
    assert settings.public_url == "https://chat.example:8443"
    assert settings.sync_url == "http://10.0.0.1:8080"
    assert settings.peers == ("http://10.0.0.2:8080", "http://10.0.0.3:8080")
    assert settings.secret == "sixteen letters!"
    assert "sixteen" not in repr(settings)
    assert settings.redis_url == "redis://10.0.0.2:6380/1"
    assert (settings.delivery, settings.shards, settings.log_level) == ("pubsub", 8, "debug")
    assert settings.cors_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:81"), ("10.1.1.1", "http://10.1.1.1:81"), ("::1", "http://[::1]:81")],
)
def test_public_url__not_given__made_from_host_and_port(host: str, url: str) -> None:
    settings = Settings.from_environment({"WORDAROUND_HOST": host, "WORDAROUND_PORT": "81"})
    assert settings.public_url == settings.sync_url == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"), ("PORT", "65536"), ("PORT", "http"), ("PORT", ""), ("PORT", "-1"), ("PORT", "1_0"),
        ("SHARDS", "0"), ("SHARDS", "9"), ("SHARDS", "2.5"), ("SERVER_ID", ""), ("SERVER_ID", "a b"),
        ("SERVER_ID", "n" * 65), ("HOST", " "), ("DELIVERY", "Durable"), ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "redis://h:port/0"), ("PUBLIC_URL", "ftp://x"), ("PUBLIC_URL", "http://"),
        ("SYNC_URL", "10.0.0.1:80"), ("PEERS", "http://a,b"),
        ("CORS_ORIGINS", "example.org"), ("LOG_LEVEL", "loud"), ("MEMORY_MESSAGES", "1"),
    ],
)  # fmt: skip
def test_setting__wrong__one_sentence_that_names_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({f"WORDAROUND_{name}": value})
    (problem,) = caught.value.problems
    assert problem.startswith(f"WORDAROUND_{name}={value!r}: ")


def test_settings__several_wrong__all_named() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(
            {"WORDAROUND_PORT": "x", "WORDAROUND_SHARDS": "x", "WORDAROUND_LOG_LEVEL": "x"}
        )
    assert len(caught.value.problems) == 3


def test_secret__too_short__named_but_not_told() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"WORDAROUND_SECRET": "hush"})
    (problem,) = caught.value.problems
    assert problem.startswith("WORDAROUND_SECRET")
    assert "hush" not in problem
