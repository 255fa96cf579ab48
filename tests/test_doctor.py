"""The doctor's report on endpoints that work, that half work and that do not, in both languages."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import FaultServer, faults
from tests.free_port import free_port
from tutor.doctor import examined
from tutor.prompts import Phrases
from tutor.settings import Endpoint, Settings

WELL = ["well:ready", "well:one two", 'call:add:{"one": 2, "other": 3}', 'call:Sum:{"total": 5}']


def report(settings: Settings, phrases: Phrases, language: str = "en") -> tuple[bool, str]:
    lines = list(examined(settings, phrases, "zh" if language == "zh" else "en"))
    return all(good for good, _ in lines), "\n".join(line for _, line in lines)


def at(settings: Settings, server: FaultServer) -> Settings:
    return replace(settings, model="some-model", base_url=server.address, api_key="secret-key", patience=0.3)


@pytest.mark.parametrize(
    ("language", "lines"),
    [("en", ["✓ Reply (", "counted by the endpoint (110)", "✓ Word by word (", "✓ Tool calls (", "✓ Form of grades ("]),
     ("zh", ["✓ 回复 (", "由接口统计 token (110)", "✓ 逐字输出", "✓ 工具调用", "✓ 评分格式"])],
)  # fmt: skip
def test_an_endpoint_that_works_is_told_so(
    settings: Settings, phrases: Phrases, language: str, lines: list[str]
) -> None:
    with faults(WELL) as server:
        well, text = report(at(settings, server), phrases, language)
    assert well, text
    assert text.count("✓") == 5
    assert all(line in text for line in lines), text
    assert "secret-key" not in text
    assert len(text.splitlines()) < 24, "one screen"


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("status:401", "refused the key. Check TUTOR_API_KEY."),
        ("status:404", "Check the name of the model in TUTOR_MODEL."),
        ("hang", "did not answer in time. If the model is only slow, set TUTOR_PATIENCE higher."),
        ("html", "Check the address in TUTOR_BASE_URL; most end in /v1."),
        ("empty", "gave an empty reply. Try another model."),
        ("status:500", "Look at the log of the endpoint."),
        ("busy:600", "your quota may be used up"),
    ],
)
def test_what_does_not_work_is_told_with_the_setting_to_change(
    settings: Settings, phrases: Phrases, mode: str, says: str
) -> None:
    with faults(mode) as server:
        well, text = report(at(settings, server), phrases)
    assert not well
    assert says in text
    assert "provider-internal" not in text


def test_an_endpoint_that_is_not_there_is_told_within_seconds(settings: Settings, phrases: Phrases) -> None:
    address = f"http://127.0.0.1:{free_port()}/v1"
    well, text = report(replace(settings, model="m", base_url=address), phrases, "zh")
    assert not well
    assert "无法连接模型 m。请检查 TUTOR_BASE_URL 里的地址" in text


def test_a_model_without_tools_can_still_talk(settings: Settings, phrases: Phrases) -> None:
    with faults("well:words only") as server:
        well, text = report(at(settings, server), phrases)
    assert not well
    assert text.count("✓") == 3
    assert "choose a model that calls tools" in text
    assert "name another model for grading in TUTOR_JUDGE_MODEL" in text


def test_the_judge_is_tried_where_it_is_another_model(settings: Settings, phrases: Phrases) -> None:
    with faults(WELL) as talking, faults("status:403") as judging:
        judge = Endpoint("judge-model", judging.address, "k")
        well, text = report(replace(at(settings, talking), judge=judge), phrases)
    assert not well
    assert text.count("✓") == 5
    assert "Check TUTOR_JUDGE_API_KEY." in text


def test_without_a_model_nothing_is_missing(settings: Settings, phrases: Phrases) -> None:
    well, text = report(settings, phrases)
    assert well
    assert "offline engine interviews" in text


def test_a_key_that_others_can_read_is_told(settings: Settings, phrases: Phrases, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("", encoding="utf-8")
    file.chmod(0o644)
    with faults(WELL) as server:
        well, text = report(replace(at(settings, server), file=file), phrases)
    assert not well
    assert f"chmod 600 {file}" in text
