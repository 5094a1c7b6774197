"""Site descriptions and matching."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import ConfigurationError, UserError
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
        ("sites:\n  here:\n    conection: local\n", ":3:5:", "unknown field `conection`"),
        ("sites:\n  here:\n    connection: telnet\n", ":3:17:", "telnet"),
        ("sites:\n  here:\n    modules: 3\n", ":3:14:", "array"),
        ("sites: [a]\n", ":1:1:", "sites file"),
        ("sites:\n  here: [\n", ":3:1:", "YAML syntax error"),
    ],
)
def test_mistakes_are_named_at_their_place(tmp_path: Path, text: str, place: str, message: str) -> None:
    file = tmp_path / "sites.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_sites([file])
    assert f"sites.yaml{place}" in caught.value.message
    assert message in caught.value.message


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
    with pytest.raises(ConfigurationError, match="is no name of an environment variable"):
        read_sites([file])


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
