"""Networks of every kind become sites, or say which junction cannot be taken and why."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sumo

from models.errors import BadInput
from models.safety import Rule, check_plan
from simulation.build import sumo_tool
from simulation.exports import export_site
from simulation.imports import ImportSummary, import_site
from simulation.netfile import read_net
from simulation.programs import signal_rows
from simulation.runner import simulate, site_job
from traffic.planfiles import read_plan, write_plan
from traffic.sites import Level, check_site, load_site

NOW = datetime(2026, 3, 2, tzinfo=UTC)
WALKS = ("--sidewalks.guess", "--sidewalks.guess.max-speed=20", "--crossings.guess")
GRID = ("--grid", "--grid.number=2", "--grid.attach-length=100", "-j=traffic_light")
GENERATED: dict[str, Sequence[str]] = {
    "walks-and-bikes": (
        *GRID,
        "-L=2",
        *WALKS,
        "--bikelanes.guess",
        "--bikelanes.guess.max-speed=20",
    ),
    "left-hand": (*GRID, "-L=2", *WALKS, "--lefthand"),
    "no-internal-lanes": (*GRID, "-L=2", "--no-internal-links"),
    "no-turnarounds": (*GRID, "-L=3", "--turn-lanes=1", "--no-turnarounds"),
    "shared-heads": (*GRID, "-L=2", "--tls.group-signals"),
    "one-approach-at-a-time": (*GRID, "-L=2", "--tls.layout=incoming"),
    "all-red-and-red-yellow": (*GRID, "--tls.allred.time=2", "--tls.red.time=4"),
    "joined": (
        *("--grid", "--grid.number=2", "--grid.length=18", "--grid.attach-length=100"),
        *("-j=traffic_light", "--tls.join", "--tls.join-dist=25"),
    ),
    "spider": ("--spider", "--spider.arm-number=5", "--spider.circle-number=1", "-j=traffic_light"),
    "random": ("--rand", "--rand.iterations=15", "--seed=3", "-j=traffic_light"),
    "right-on-red": (*GRID[:3], "-j=traffic_light_right_on_red", "-L=2"),
    "actuated": (*GRID, "--tls.default-type=actuated"),
    "delay-based": (*GRID, "--tls.default-type=delay_based"),
    "nema": (*GRID, "-L=3", "--turn-lanes=1", "--tls.default-type=NEMA"),
    "off": (*GRID, "--tls.default-type=off"),
}


def run_tool(name: str, *arguments: str) -> None:
    tool, environment = sumo_tool(name)
    subprocess.run(
        [str(tool), *arguments], env=environment, check=True, capture_output=True, text=True
    )


def crossroads(folder: Path, *options: str, nodes: str = "", edges: str = "") -> Path:
    """Two-lane crossroads J, and more nodes and edges beside it."""
    ends = {"A": (0, 0), "B": (600, 0), "N": (300, 300), "S": (300, -300)}
    (folder / "n.nod.xml").write_text(
        '<nodes><node id="J" x="300" y="0" type="traffic_light"/>'
        + "".join(f'<node id="{n}" x="{x}" y="{y}"/>' for n, (x, y) in ends.items())
        + f"{nodes}</nodes>"
    )
    arms = "".join(
        f'<edge id="{n.lower()}j" from="{n}" to="J" numLanes="2"/>'
        f'<edge id="j{n.lower()}" from="J" to="{n}" numLanes="2"/>'
        for n in "ABNS"
    )
    (folder / "n.edg.xml").write_text(f"<edges>{arms}{edges}</edges>")
    net = folder / "n.net.xml"
    run_tool(
        "netconvert",
        *("-n", str(folder / "n.nod.xml"), "-e", str(folder / "n.edg.xml"), "-o", str(net)),
        *options,
    )
    return net


def taken(net: Path, out: Path, **options: object) -> ImportSummary:
    return import_site(net, out=out, write_plan=write_plan, now=NOW, **options)  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def random_trips(net: Path, routes: Path) -> None:
    """Trips between streets at the fringe, as far apart as their names."""
    streets = [e for e in read_net(net).edges.values() if not e.function and e.traffic_lanes]
    used = Counter(node for e in streets for node in (e.from_node, e.to_node))
    fringe = sorted(node for node, count in used.items() if count == min(used.values()))
    ends = list(zip(fringe, fringe[3:] + fringe[:3], strict=True))[:12]
    into = {e.from_node: e.id for e in streets}
    out_of = {e.to_node: e.id for e in streets}
    pairs = [(into[a], out_of[b]) for a, b in ends]
    routes.write_text(
        "<routes>"
        + "".join(
            f'<trip id="{i}" depart="{i}" from="{a}" to="{b}"/>' for i, (a, b) in enumerate(pairs)
        )
        + "</routes>"
    )


@pytest.mark.parametrize("name", GENERATED)
def test_an_unseen_network_becomes_a_site_and_comes_back_the_same(
    name: str, tmp_path: Path
) -> None:
    net = tmp_path / "net.net.xml"
    run_tool("netgenerate", *GENERATED[name], "-o", str(net))
    routes = tmp_path / "r.rou.xml"
    random_trips(net, routes)
    first = taken(net, tmp_path / "a", routes=[routes], begin_s=0, end_s=900)
    if first.notes:  # a trip without a way is left out, and an export has none left to tell of
        routes.write_bytes((tmp_path / "a" / "demand" / "routes.rou.xml").read_bytes())
        first = taken(net, tmp_path / "a", routes=[routes], begin_s=0, end_s=900)
    assert first.junctions >= 4 or name in ("joined", "random")
    assert first.trips > 3
    assert [f for f in check_site(tmp_path / "a") if f.level is Level.ERROR] == []
    site = load_site(tmp_path / "a")
    plan = read_plan(site.current_plan_path)
    assert {p.junction for p in plan.junctions} == set(site.junctions)
    # The programs that SUMO makes show no two conflicting streams, so none is read into them.
    if name not in ("off", "right-on-red"):
        breaches = [b for b in check_plan(plan, site.junctions) if b.rule is Rule.CONFLICT]
        assert breaches == [] or name == "walks-and-bikes", breaches[0].message
    exported = export_site(site, plan, tmp_path / "x")
    assert exported.programs == 0
    second = taken(exported.configuration, tmp_path / "b")
    assert (second.junctions, second.counted) == (first.junctions, first.counted)
    before, after = contents(tmp_path / "a"), contents(tmp_path / "b")
    current = "plans/current.yaml"
    assert read_plan(tmp_path / "b" / current).digest == plan.digest
    before.pop(current), after.pop(current)
    assert after == before


def test_heads_that_movements_share_are_shown_alike(tmp_path: Path) -> None:
    net = tmp_path / "net.net.xml"
    run_tool("netgenerate", *GENERATED["shared-heads"], "-o", str(net))
    taken(net, tmp_path / "s")
    site = load_site(tmp_path / "s")
    groups = [group for junction in site.junctions.values() for group in junction.tied]
    assert groups
    assert "share a signal head" in (tmp_path / "s" / "site.yaml").read_text()


def test_left_hand_traffic_turns_right_across_the_oncoming(tmp_path: Path) -> None:
    net = crossroads(tmp_path, "--lefthand", "--no-turnarounds")
    assert read_net(net).left_hand
    taken(net, tmp_path / "s")
    junction = load_site(tmp_path / "s").junctions["J"]
    yielding = {one for one, _ in junction.permissive}
    rights = {m.id for m in junction.movements if m.turn.value == "right"}
    assert yielding == rights


PROGRAM = re.compile(r"<tlLogic.*?</tlLogic>", re.DOTALL)
Change = Callable[[str], str]
STRANGE: dict[str, tuple[Change, str]] = {
    "no rows": (
        lambda s: PROGRAM.sub('<tlLogic id="J" type="static" programID="0" offset="0"/>', s),
        "its program has no rows",
    ),
    "none": (lambda s: PROGRAM.sub("", s), "there is none"),
    "off": (
        lambda s: PROGRAM.sub('<tlLogic id="J" type="static" programID="off"/>', s),
        "it is switched off",
    ),
    "short": (
        lambda s: re.sub(r'state="([rGgy]{6})[rGgy]*"', r'state="\1"', s),
        "its rows have fewer letters than its",
    ),
    "uneven": (
        lambda s: re.sub(r'state="(\w+)"/>', r'state="\1rr"/>', s, count=1),
        "states of different lengths",
    ),
    "no duration": (lambda s: s.replace('duration="3"', ""), "row 1 has no duration"),
    "no time": (lambda s: s.replace('duration="3"', 'duration="0"'), "row 1 lasts no time"),
    "type": (lambda s: s.replace('type="static"', 'type="magic"'), "its type 'magic' is unknown"),
    "letter": (
        lambda s: re.sub(r'state="\w(\w+)"', r'state="X\1"', s, count=1),
        "its rows have the letter 'X'",
    ),
}


@pytest.mark.parametrize("case", STRANGE)
def test_a_program_that_sumo_refuses_is_named_and_the_rest_goes_on(
    case: str, tmp_path: Path
) -> None:
    change, why = STRANGE[case]
    net = crossroads(tmp_path)
    text = net.read_text()
    assert change(text) != text
    net.write_text(change(text))
    summary = taken(net, tmp_path / "s")
    assert summary.junctions == 1
    (note,) = summary.notes
    assert note.startswith("program of junction J left out: ")
    assert why in note
    assert "partial: true" in (tmp_path / "s" / "site.yaml").read_text()
    site = load_site(tmp_path / "s")
    exported = export_site(site, read_plan(site.current_plan_path), tmp_path / "x")
    assert taken(exported.configuration, tmp_path / "b").notes == summary.notes


def test_an_export_carries_the_plan_that_is_asked_for(pho_hue: Path, tmp_path: Path) -> None:
    site = load_site(pho_hue)
    plan = read_plan(site.current_plan_path)
    exported = export_site(site, plan, tmp_path / "x")
    assert exported.programs == len(plan.junctions)
    again = taken(exported.configuration, tmp_path / "s")
    assert again.junctions == 8
    found = read_plan(tmp_path / "s" / "plans" / "current.yaml")
    for item in plan.junctions:
        rows = signal_rows(item, site.junctions[item.junction])
        assert found.junction(item.junction).as_found == rows
        assert found.junction(item.junction).offset_ds == item.offset_ds
    assert load_site(tmp_path / "s").simulation.options == site.simulation.options


def test_programs_of_any_form_are_read_as_they_run(tmp_path: Path) -> None:
    net = crossroads(tmp_path)
    text = net.read_text()
    plain = _cycle(net, tmp_path / "plain")
    assert [duration for duration, _ in plain] == [42, 3, 42, 3]
    for number, (change, expected) in enumerate(
        (
            (lambda s: s.replace('duration="42"', 'duration="0:0:42"'), plain),
            (lambda s: s.replace('duration="3" ', 'duration="3" name="a" minDur="3"'), plain),
            # Row 0 leads to row 2: row 1 never runs.
            (lambda s: s.replace("<phase ", '<phase next="2" ', 1), [plain[0], *plain[2:]]),
            # A second program stands behind the first: SUMO runs the last.
            (_with_second, [(30.0, plain[0][1]), (60.0, plain[2][1])]),
        )
    ):
        net.write_text(change(text))
        assert _cycle(net, tmp_path / f"s{number}") == expected
    net.write_text(text.replace('offset="0"', 'offset="begin"'))
    taken(net, tmp_path / "o", begin_s=100, end_s=1000)
    (found,) = read_plan(tmp_path / "o" / "plans" / "current.yaml").junctions
    assert found.offset_ds == 100


def _with_second(text: str) -> str:
    rows = re.findall(r'state="(\w+)"', text)
    second = (
        '<tlLogic id="J" type="static" programID="night" offset="0">'
        f'<phase duration="30" state="{rows[0]}"/><phase duration="60" state="{rows[2]}"/>'
        "</tlLogic>"
    )
    return text.replace("</tlLogic>", f"</tlLogic>\n{second}", 1)


def _cycle(net: Path, out: Path) -> list[tuple[float, str]]:
    taken(net, out)
    (found,) = read_plan(out / "plans" / "current.yaml").junctions
    return [(row.duration_ds / 10, row.state) for row in found.as_found]


def test_names_in_another_encoding_are_kept(tmp_path: Path) -> None:
    net = crossroads(tmp_path)
    text = net.read_text().replace('<junction id="J"', '<junction id="J" name="Chợ Hôm – é"', 1)
    net.write_bytes(text.replace("UTF-8", "UTF-16", 1).encode("utf-16"))
    with pytest.raises(BadInput, match="valid is a SUMO network"):
        taken(net, tmp_path / "s")
    text = text.replace("Chợ Hôm – é", "Place é").replace("UTF-8", "ISO-8859-1", 1)
    net.write_bytes(text.encode("latin-1"))
    taken(net, tmp_path / "s")
    assert load_site(tmp_path / "s").junctions["J"].name == "Place é"


def test_mixed_traffic_is_for_sites_without_routes(tmp_path: Path) -> None:
    net = crossroads(tmp_path)
    taken(net, tmp_path / "s", mixed_traffic=True)
    options = load_site(tmp_path / "s").simulation
    assert "--lateral-resolution=0.8" in options.options
    assert options.vehicle_types == "demand/additional.add.xml"
    assert [f for f in check_site(tmp_path / "s") if f.level is Level.ERROR] == []
    routes = tmp_path / "r.rou.xml"
    routes.write_text('<routes><trip id="a" depart="30" from="aj" to="jb"/></routes>')
    with pytest.raises(BadInput, match="the routes have vehicle types of their own"):
        taken(net, tmp_path / "t", routes=[routes], mixed_traffic=True)


def test_flashing_and_stop_letters_are_kept_and_read(tmp_path: Path) -> None:
    net = crossroads(tmp_path)
    text = net.read_text()
    states = re.findall(r'state="([rGgy]+)"', text)
    flashing = states[0].replace("r", "s").replace("g", "o").replace("G", "O")
    waking = re.sub("[Gg]", "u", states[2])
    text = text.replace(states[0], flashing).replace(states[3], waking)
    net.write_text(text)
    rows = _cycle(net, tmp_path / "s")
    assert [state for _, state in rows] == [flashing, states[1], states[2], waking]
    (plan,) = read_plan(tmp_path / "s" / "plans" / "current.yaml").junctions
    first = plan.stages[0]
    assert set(first.permissive) == set(first.green) != set()
    assert len(plan.stages) == 2
    assert (plan.stages[1].yellow_ds, plan.stages[1].red_ds) == (0, 30)


def test_what_is_no_street_signal_is_refused_by_name(tmp_path: Path) -> None:
    rails = "".join(
        f'<edge id="rail{a}{b}" from="{a}" to="{b}" allow="rail"/>' for a, b in ("PR", "RQ")
    )
    net = crossroads(
        tmp_path,
        nodes='<node id="P" x="0" y="800"/><node id="R" x="300" y="800" type="rail_signal"/>'
        '<node id="Q" x="600" y="800"/>',
        edges=rails,
    )
    summary = taken(net, tmp_path / "s")
    assert summary.junctions == 1
    assert "junction R cannot be taken: it is a railway signal" in summary.notes
    assert "partial: true" in (tmp_path / "s" / "site.yaml").read_text()
    notes = [str(finding) for finding in check_site(tmp_path / "s")]
    assert any("junction R was not taken: it is a railway signal" in note for note in notes)


def test_the_second_part_of_an_indirect_turn_waits_at_anothers_head(tmp_path: Path) -> None:
    edges = tmp_path / "n.edg.xml"
    crossroads(tmp_path)
    wheel = '<lane index="0" allow="bicycle" width="2"/></edge>'
    text = edges.read_text()
    for edge in ("aj", "jn", "sj"):
        text = re.sub(rf'(<edge id="{edge}"[^>]*)/>', rf"\1>{wheel}", text)
    edges.write_text(text)
    (tmp_path / "n.con.xml").write_text(
        '<connections><connection from="aj" to="jn" fromLane="0" toLane="0" indirect="true"/>'
        '<connection from="aj" to="jb" fromLane="1" toLane="1"/></connections>'
    )
    net = tmp_path / "n.net.xml"
    run_tool(
        "netconvert",
        *("-n", str(tmp_path / "n.nod.xml"), "-e", str(edges), "-o", str(net)),
        *("-x", str(tmp_path / "n.con.xml")),
    )
    assert "linkIndex2" in net.read_text()
    assert taken(net, tmp_path / "s").junctions == 1
    junction = load_site(tmp_path / "s").junctions["J"]
    assert not [m for m in junction.movements if m.from_edge.startswith(":")]
    assert "J:aj>jn" in {m.id for m in junction.movements}


def test_signals_without_right_of_way_are_refused_by_name(tmp_path: Path) -> None:
    net = tmp_path / "n.net.xml"
    run_tool("netgenerate", *GRID[:3], "-j=traffic_light_unregulated", "-o", str(net))
    with pytest.raises(BadInput, match="junction A0 cannot be taken: the network holds no right"):
        taken(net, tmp_path / "s")


def test_a_network_without_signals_says_so(tmp_path: Path) -> None:
    net = tmp_path / "n.net.xml"
    run_tool("netgenerate", "--grid", "--grid.number=2", "-o", str(net))
    with pytest.raises(BadInput, match="no signalized junction can be taken: it has no traffic"):
        taken(net, tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_parts_that_no_street_joins_are_named(tmp_path: Path) -> None:
    net = crossroads(
        tmp_path,
        nodes='<node id="Y" x="900" y="900"/><node id="Z" x="900" y="600"/>',
        edges='<edge id="island" from="Z" to="Y"/>',
    )
    summary = taken(net, tmp_path / "s")
    assert summary.notes == (
        "1 edges without signals hang together with no other street (island, ...)",
    )


def test_a_configuration_declares_files_times_and_options(tmp_path: Path) -> None:
    crossroads(tmp_path)
    (tmp_path / "r.rou.xml").write_text(
        '<routes><trip id="a" depart="30" from="aj" to="jb"/></routes>'
    )
    row = "G" * 30
    (tmp_path / "p.add.xml").write_text(
        '<additional><tlLogic id="J" type="static" programID="p" offset="5">'
        f'<phase duration="40" state="{row}"/></tlLogic><poly id="p" shape="0,0 1,1"/></additional>'
    )
    configuration = tmp_path / "town.sumocfg"
    configuration.write_text(
        '<configuration><input><net-file value="n.net.xml"/><route-files value="r.rou.xml"/>'
        '<additional-files value="p.add.xml"/></input><time><begin value="0:0:10"/>'
        '<end value="600"/><step-length value="0.5"/></time><processing>'
        '<lateral-resolution value="0.8"/><time-to-teleport value="300"/></processing>'
        '<output><summary-output value="s.xml"/></output></configuration>'
    )
    summary = taken(configuration, tmp_path / "s")
    assert (summary.site, summary.trips) == ("town", 1)
    site = load_site(tmp_path / "s")
    options = site.simulation
    assert (options.begin_s, options.end_s, options.step_s) == (10, 600, 0.5)
    assert options.options == ("--lateral-resolution=0.8",)
    (plan,) = read_plan(site.current_plan_path).junctions
    assert (plan.offset_ds, plan.as_found[0].state) == (50, row)
    job = site_job(
        site,
        read_plan(site.current_plan_path),
        [site.folder / options.routes],
        seed=1,
        name="town",
        vehicle_types=True,
    )
    assert simulate(job).kpi.finished == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("<configuration/>", "net-file: names 0 networks; valid is one"),
        ('<configuration><net-file value="x.net.xml"/></configuration>', "no such file"),
        ("<routes/>", "not a SUMO network; valid is a net.xml"),
        ("", "valid is a SUMO network, a .sumocfg or an OpenStreetMap"),
        ("<net", "valid is a SUMO network, a .sumocfg or an OpenStreetMap"),
        ("<osm/>", "netconvert refuses it"),
    ],
)
def test_what_is_no_network_is_one_line(text: str, line: str, tmp_path: Path) -> None:
    file = tmp_path / "n.xml"
    file.write_text(text)
    with pytest.raises(BadInput, match=re.escape(line)) as caught:
        taken(file, tmp_path / "s")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "s").exists()


def osm_extract(path: Path) -> Path:
    """Two signalized crossroads 200 m apart on one street with footpaths."""

    def node(number: int, x_m: float, y_m: float, signal: bool = False) -> str:
        tag = '<tag k="highway" v="traffic_signals"/>' if signal else ""
        latitude, longitude = 21.01 + y_m / 111_320, 105.85 + x_m / 103_920
        return f'<node id="{number}" lat="{latitude:.7f}" lon="{longitude:.7f}">{tag}</node>'

    def way(number: int, nodes: Sequence[int], **tags: str) -> str:
        return (
            f'<way id="{number}">'
            + "".join(f'<nd ref="{n}"/>' for n in nodes)
            + "".join(f'<tag k="{k}" v="{v}"/>' for k, v in tags.items())
            + "</way>"
        )

    path.write_text(
        '<osm version="0.6"><bounds minlat="21.0" minlon="105.84" maxlat="21.02" maxlon="105.86"/>'
        + node(1, -250, 0)
        + node(2, 0, 0, True)
        + node(3, 200, 0, True)
        + node(4, 450, 0)
        + "".join(node(n, x, y) for n, x, y in ((5, 0, 200), (6, 0, -200), (7, 200, 200)))
        + node(8, 200, -200)
        + way(100, (1, 2, 3, 4), highway="secondary", lanes="4", name="Phố Sồi", sidewalk="both")
        + way(101, (5, 2, 6), highway="tertiary", name="Phố Bắc")
        + way(102, (7, 3, 8), highway="residential", oneway="yes")
        + "</osm>",
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize("left_hand", [False, True])
def test_an_openstreetmap_extract_becomes_a_site(left_hand: bool, tmp_path: Path) -> None:
    extract = osm_extract(tmp_path / "town.osm.xml")
    summary = taken(extract, tmp_path / "s", left_hand=left_hand)
    assert (summary.site, summary.junctions, summary.trips) == ("town", 2, 0)
    assert [f for f in check_site(tmp_path / "s") if f.level is Level.ERROR] == []
    site = load_site(tmp_path / "s")
    assert set(site.junctions) == {"2", "3"}
    assert all(junction.crossings for junction in site.junctions.values())
    assert len(site.junctions["2"].approaches) == 4
    assert len(site.junctions["3"].approaches) == 3
    assert (site.latitude, site.longitude) == (
        pytest.approx(21.01),
        pytest.approx(105.851, abs=1e-3),
    )
    net = read_net(tmp_path / "s" / "network.net.xml")
    assert net.left_hand is left_hand
    text = (tmp_path / "s" / "site.yaml").read_text()
    assert "netconvert made the network of OpenStreetMap" in text
    assert not (tmp_path / "s" / "counts.csv").exists()
    # The same extract gives the same bytes.
    taken(extract, tmp_path / "t", left_hand=left_hand)
    assert contents(tmp_path / "s") == contents(tmp_path / "t")


def test_the_wheels_sumo_is_used_whatever_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUMO_HOME", "/nowhere")
    assert sumo_tool("netconvert")[1]["SUMO_HOME"] == str(sumo.SUMO_HOME) != os.environ["SUMO_HOME"]
    assert taken(osm_extract(tmp_path / "town.osm"), tmp_path / "s").junctions == 2
