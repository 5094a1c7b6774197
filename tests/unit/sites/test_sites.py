"""Site descriptions and matching."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.model.problems import SettingsError
from orchestrator.sites import LOCAL, Site, environment_attributes, inherited, match_nodes, passed_on, read_sites


def test_the_built_in_site_is_always_there() -> None:
    assert set(read_sites([])) == {LOCAL}


def test_relative_paths_count_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "sites.yaml"
    file.write_text("sites:\n  local:\n    services:\n      image_creation: {registry: reg}\n")
    assert read_sites([file])[LOCAL].services.image_creation.registry == str(tmp_path / "reg")


def test_later_files_win(tmp_path: Path) -> None:
    for name, modules in (("a.yaml", "[x]"), ("b.yaml", "[y]")):
        (tmp_path / name).write_text(f"sites: {{local: {{modules: {modules}}}, {name[0]}: {{}}}}\n")
    sites = read_sites([tmp_path / "a.yaml", tmp_path / "b.yaml"])
    assert sites[LOCAL].modules == ("y",)
    assert set(sites) == {LOCAL, "a", "b"}


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("sites: [a]\n", ":1:8:", "sites is a map of names"),
        ("- a\n", ":1:1:", "a sites file is a map"),
        ("sites:\n  here: [\n", ":3:1:", "YAML"),
        ("sites:\n  here: {}\nsits: {}\n", ":3:1:", "'sits' is no setting of a sites file"),
        ("sites: {}\n---\n", ":2:1:", "second YAML document"),
        ("sites: [\n", ":2:1:", "YAML"),
    ],
)
def test_mistakes_that_concern_no_single_site(tmp_path: Path, text: str, place: str, message: str) -> None:
    file = tmp_path / "sites.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_sites([file])
    assert f"sites.yaml{place}" in caught.value.message
    assert message in caught.value.message
    assert len(caught.value.problems) == 1


def test_variables_of_jobs(tmp_path: Path) -> None:
    file = tmp_path / "sites.yaml"
    file.write_text("sites: {local: {environment: {A: '1.10', B_2: ''}, inherit: [VAULT_TOKEN]}}\n")
    site = read_sites([file])[LOCAL]
    assert (site.environment, site.inherit) == ({"A": "1.10", "B_2": ""}, ("VAULT_TOKEN",))


@pytest.mark.parametrize(
    "text", ["environment: {A-B: x}", "environment: {'': x}", "inherit: ['A;id']", "inherit: [2A]"]
)
def test_names_of_variables_are_names(tmp_path: Path, text: str) -> None:
    file = tmp_path / "sites.yaml"
    file.write_text(f"sites: {{here: {{{text}}}}}\n")
    with pytest.raises(SettingsError, match="is the name of an environment variable, not"):
        read_sites([file])["here"]


@pytest.mark.parametrize(
    ("name", "passed"),
    [
        ("PATH", True),
        ("OMP_NUM_THREADS", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("PGHOST", True),
        ("ORCH_DATABASE", False),
        ("VAULT_TOKEN", False),
        ("VAULT_SECRET_ID", False),
        ("BAO_TOKEN", False),
        ("PGPASSWORD", False),
        ("ANSIBLE_CONFIG", False),
        ("SLURM_JOB_ID", False),
        ("SBATCH_ACCOUNT", False),
        ("SLURM_CONF", True),
    ],
)
def test_what_of_a_persons_variables_jobs_have(name: str, passed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    assert (name in passed_on()) is passed
    assert name in passed_on([name])
    assert inherited([name, "NOT_THERE"]) == {name: "x"}


@pytest.mark.parametrize(
    ("wrong", "place", "message"),
    [
        ("{ conection: local }", ":3:10:", "did you mean 'connection'?"),
        ("{ connection: telnet }", ":3:22:", "local or ssh, not 'telnet'"),
        ("{ modules: 3 }", ":3:19:", "a list"),
        ("{ name: other }", ":3:10:", "'name' is no setting"),
        ("[ a ]", ":3:8:", "a map, not a list"),
        ("text", ":3:8:", "a map, not 'text'"),
        ("{ port: 1, port: 2 }", ":3:19:", "given twice"),
        ('{ user: "a\\0b" }', ":3:16:", "NUL"),
        ("{}\n  bad: {}", ":4:3:", "given twice"),
    ],
)
def test_a_bad_site_stops_only_what_uses_it(tmp_path: Path, wrong: str, place: str, message: str) -> None:
    file = tmp_path / "sites.yaml"
    file.write_text(f"sites:\n  good: {{ jobs: 2 }}\n  bad: {wrong}\n")
    sites = read_sites([file])
    assert sites["good"].jobs == 2
    assert set(sites) == {LOCAL, "good", "bad"}
    assert set(sites.usable) == {LOCAL, "good"}
    with pytest.raises(SettingsError) as caught:
        sites["bad"]
    assert f"sites.yaml{place}" in caught.value.message
    assert message in caught.value.message


def test_all_mistakes_of_a_site_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "sites.yaml"
    file.write_text("sites: { bad: { prt: 1, sessions: many, scheduler: pbs } }\n")
    with pytest.raises(SettingsError) as caught:
        read_sites([file])["bad"]
    assert len(caught.value.problems) == 3


def test_a_later_description_mends_a_bad_one(tmp_path: Path) -> None:
    for name, description in (("a.yaml", "{ prt: 1 }"), ("b.yaml", "{ port: 1 }")):
        (tmp_path / name).write_text(f"sites: {{ x: {description} }}\n")
    assert read_sites([tmp_path / "a.yaml", tmp_path / "b.yaml"])["x"].port == 1


@pytest.mark.parametrize(
    "name",
    [
        "../../outside",
        "/absolute",
        "-x",
        "a/b",
        "' '",
        '"\\e[31mred"',
        '""',
        ".",
        "..",
        "a" * 101,
        '"a\\nb"',
        "ä",
        "a b",
    ],
)
def test_names_are_no_paths_options_or_control_characters(tmp_path: Path, name: str) -> None:
    file = tmp_path / "sites.yaml"
    file.write_text(f"sites:\n  ? {name}\n  : {{}}\n")
    sites = read_sites([file])
    (bad,) = sites.faults
    with pytest.raises(SettingsError, match=r"sites\.yaml:2:5: .*is no name for a site.*letters, digits"):
        sites[bad]


def test_attributes_of_this_machine_are_filled_in() -> None:
    attributes = environment_attributes(Site())
    assert attributes["cluster_login_host"] == "localhost"
    assert attributes["image_creation_machine_platform"].startswith("linux/")
    assert attributes["dls_api_url"] == ""


class TestMatching:
    def test_a_single_site_needs_no_name(self) -> None:
        assert match_nodes(["A", "B"], ["local"]) == {"A": "local", "B": "local"}

    def test_matches_win_over_the_site(self) -> None:
        assert match_nodes(["A", "B"], ["x", "y"], site="x", matches={"B": "y"}) == {"A": "x", "B": "y"}

    def test_several_sites_must_be_chosen_from(self) -> None:
        with pytest.raises(UserError, match="no site is given for A") as caught:
            match_nodes(["A"], ["x", "y"])
        assert "--site" in str(caught.value.hint)

    def test_an_unknown_site(self) -> None:
        with pytest.raises(UserError, match="no site 'locl'") as caught:
            match_nodes(["A"], ["local"], site="locl")
        assert caught.value.hint == "did you mean 'local'?"

    def test_an_unknown_node(self) -> None:
        with pytest.raises(UserError, match="'C' is not an abstract node"):
            match_nodes(["A"], ["local"], matches={"C": "local"})

    def test_no_abstract_node_needs_no_site(self) -> None:
        assert match_nodes([], ["x", "y"]) == {}


def test_what_looks_over_all_sites_meets_the_usable_ones(tmp_path: Path) -> None:
    file = tmp_path / "sites.yaml"
    file.write_text("sites: { bad: { prt: 1 }, good: {} }\n")
    sites = read_sites([file])
    assert [site.name for site in sites.usable.values()] == [LOCAL, "good"]
    with pytest.raises(SettingsError):
        list(sites.values())
