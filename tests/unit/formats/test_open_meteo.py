"""Two replies that say the same are one, however long each took to make."""

from energy_platform.formats.open_meteo import essence


def test_how_long_a_reply_took_is_no_news() -> None:
    slow = b'[{"latitude":52.5,"generationtime_ms":1.25e-1,"hourly":{"cloud_cover":[1,2]}}]'
    assert essence(slow) == essence(slow.replace(b"1.25e-1", b"0.5"))
    assert essence(slow) != essence(slow.replace(b"[1,2]", b"[1,3]"))
