"""Sizes and time limits for sbatch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.sites.quantities import megabytes, time_limit


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1 GB", "954M"),
        ("1 GiB", "1024M"),
        ("512 MiB", "512M"),
        ("1.5 GB", "1431M"),
        ("1.5G", "1536M"),
        ("500 MB", "477M"),
        (".5 TiB", "524288M"),
        ("2. GiB", "2048M"),
        ("1 B", "1M"),
        ("1 kB", "1M"),
        ("2 gib", "2048M"),
        ("4", "4096M"),
        ("50M", "50M"),
        ("2048K", "2M"),
        ("1T", "1048576M"),
        (" 3  GB ", "2862M"),
        ("0", "0M"),
        ("1e3 MB", "954M"),
        ("0e999999999 MB", "0M"),
        ("1.5e-1 GiB", "154M"),
        ("1 PB", "953674317M"),
    ],
)
def test_sizes_become_whole_megabytes(text: str, wanted: str) -> None:
    assert megabytes(text) == wanted


@given(st.integers(1, 10**6), st.sampled_from(["KB", "KiB", "MB", "MiB", "GB", "GiB"]))
def test_a_job_gets_at_least_what_was_asked_for(number: int, unit: str) -> None:
    asked = number * (1024 if "i" in unit else 1000) ** ("KMG".index(unit[0]) + 1)
    got = int(megabytes(f"{number} {unit}").removesuffix("M")) * 1024**2
    assert asked <= got < asked + 1024**2


@pytest.mark.parametrize(
    "text", ["lots", "", "G", "1 Gb/s", "-1 GB", "1,5 GB", "1e999 MB", "1e-999999999 MB", "4 XB", "1 GG", "4G;ls"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="write a size"):
        megabytes(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("30", "30"),
        ("10:30", "10:30"),
        ("1:30:00", "1:30:00"),
        ("2-0", "2-0"),
        ("2-00:00:00", "2-00:00:00"),
        ("UNLIMITED", "UNLIMITED"),
        ("1h", "60"),
        ("2 h", "120"),
        ("1.5 h", "90"),
        ("90 s", "2"),
        ("1 d", "1440"),
        (".5 d", "720"),
        ("1e2 m", "100"),
    ],
)
def test_time_limits(text: str, wanted: str) -> None:
    assert time_limit(text) == wanted


@pytest.mark.parametrize("text", ["soon", "1:2:3:4", "-5", "1 week", "1:", "5;ls", "1e999 h", "1e-999999999 h"])
def test_what_is_no_time_limit(text: str) -> None:
    with pytest.raises(ValueError, match="write 30"):
        time_limit(text)
