import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import seconds


def test_seconds_have_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A_TIME", raising=False)
    assert seconds("A_TIME", default=120) == 120


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("45", 45), ("0.5", 0.5)])
def test_seconds_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, text: str, value: float) -> None:
    monkeypatch.setenv("A_TIME", text)
    assert seconds("A_TIME", default=120) == value


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "two minutes", ""])
def test_what_is_no_time_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("A_TIME", text)
    with pytest.raises(ImproperlyConfigured, match=f'A_TIME is "{text}"; give seconds, at least 0'):
        seconds("A_TIME", default=120)
